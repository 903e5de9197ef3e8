// GET /v1/waits: the inbox of open questions.
import type { WaitPlace } from "../../../engine/worker-ports.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import { WaitFilter } from "../../../contract/requests.ts";
import { endpoint } from "../../endpoint.ts";
import { invalid } from "../../request/body.ts";

export const waits = [
  endpoint({
    id: "list_waits",
    method: "get",
    path: "/v1/waits",
    permission: "read",
    query: WaitFilter,
    answers: { 200: "WaitList" },
    describe: () => ({
      summary: "List open questions, soonest expiry first",
      parameters: {
        pipeline: "Only questions of this pipeline",
        conversation_id: "Only questions of this conversation",
        limit: "Maximum number of questions",
        cursor: "next_cursor of the previous page",
      },
      answers: { 200: "One page of open questions" },
    }),
    handle: async ({ services, tenant, query: { cursor, ...wanted } }) => {
      const after = readPlace(cursor);
      if (!after.ok) return after;
      const found = await services.executionIndex.waits(tenant, { ...wanted, after: after.value });
      const next_cursor = found.next === null ? null : placeText(found.next);
      return { status: 200, json: { data: found.waits, has_more: next_cursor !== null, next_cursor } };
    },
  }),
];

function placeText({ expires, seq, id }: WaitPlace): string {
  return `${expires.toString(36)}.${seq.toString(36)}.${id}`;
}

function readPlace(cursor: string | undefined): Result<WaitPlace | null> {
  if (cursor === undefined) return ok(null);
  const [, expires = "", seq = "", id = ""] =
    /^([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor) ?? [];
  if (id !== "") return ok({ expires: Number.parseInt(expires, 36), seq: Number.parseInt(seq, 36), id });
  return err(invalid([{ pointer: "/cursor", detail: "is not a next_cursor of this list" }]));
}
