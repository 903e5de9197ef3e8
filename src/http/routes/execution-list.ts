// /v1/executions as a collection: list and clean-up.
import type { Place } from "../../engine/worker-ports.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { CleanupRequest, ExecutionFilter } from "../../contract/requests.ts";
import { endpoint } from "../endpoint.ts";
import { invalid } from "../request/body.ts";
import { placeIn, placeText } from "../request/list-place.ts";

/** Executions that one clean-up forgets: each is a call of its object. */
const CLEANUP_BATCH = 100;

export const executionList = [
  endpoint({
    id: "list_executions",
    method: "get",
    path: "/v1/executions",
    permission: "read",
    query: ExecutionFilter,
    answers: { 200: "ExecutionList" },
    describe: () => ({
      summary: "List executions, newest first",
      parameters: {
        status: "Only executions with this status",
        pipeline: "Only executions of this pipeline",
        conversation_id: "Only executions of this conversation",
        limit: "Maximum number of executions",
        cursor: "next_cursor of the previous page",
      },
      answers: { 200: "One page of executions" },
    }),
    handle: async ({ services, tenant, query: { cursor, limit, ...wanted } }) => {
      const before = readPlace(cursor);
      if (!before.ok) return before;
      const asked = { ...wanted, before: before.value, limit };
      const { listed, next } = await services.executionIndex.list(tenant, asked);
      const next_cursor = next === null ? null : placeText(next);
      return {
        status: 200,
        json: { data: listed.map(({ summary }) => summary), has_more: next !== null, next_cursor },
      };
    },
  }),
  endpoint({
    id: "cleanup_completed_executions",
    method: "post",
    path: "/v1/executions/cleanup",
    permission: "execute",
    body: { name: "CleanupRequest", schema: CleanupRequest },
    answers: { 200: "CleanupResult" },
    describe: () => ({
      summary: "Delete old completed executions and the results that they cached",
      answers: { 200: "The number deleted, and whether more remain" },
    }),
    handle: async ({ services, tenant, body: { older_than_seconds } }) => {
      const until = services.clock.now() - older_than_seconds * 1_000;
      const found = await services.executionIndex.ended(tenant, until, CLEANUP_BATCH + 1);
      const forgotten = await Promise.all(
        found.slice(0, CLEANUP_BATCH).map(async (place) => {
          const outcome = await services.executions.rpc(tenant, place.id).forget();
          // One that kept nothing (context_storage_backend: memory) is in the index alone. One that has no room now
          // stays there: an object whose entry is gone is never emptied.
          if (!outcome.ok && outcome.error.code !== "RESOURCE_EXHAUSTED")
            await services.executionIndex.forget(tenant, place);
          return outcome.ok;
        }),
      );
      const has_more = found.length > CLEANUP_BATCH;
      return { status: 200, json: { deleted: forgotten.filter(Boolean).length, has_more } };
    },
  }),
];

function readPlace(cursor: string | undefined): Result<Place | null> {
  if (cursor === undefined) return ok(null);
  const place = placeIn(cursor);
  if (place !== null) return ok(place);
  return err(invalid([{ pointer: "/cursor", detail: "is not a next_cursor of this list" }]));
}
