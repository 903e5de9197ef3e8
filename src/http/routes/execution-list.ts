// /v1/executions as a collection: list, delete, clean-up.
import { Hono } from "hono/tiny";
import type { Place } from "../../adapters/durable/execution-index-client.ts";
import { CleanupRequest } from "../../contract/requests.ts";
import { cutName, ExecutionId } from "../../contract/names.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { invalid, readBody } from "../request/body.ts";
import { type AppEnv, type Call, problem, queryOf } from "../context.ts";

/** Executions that one clean-up forgets: each is a call of its object. */
const CLEANUP_BATCH = 100;

export const executionIndex = new Hono<AppEnv>()
  .get("/", list)
  .post("/cleanup", cleanup)
  .delete("/:id", forget);

async function list(call: Call): Promise<Response> {
  const { cursor, limit, ...wanted } = queryOf(call, "list_executions");
  const before = readPlace(cursor);
  if (!before.ok) return problem(call, before.error);
  const query = { ...wanted, before: before.value, limit: limit + 1 };
  const found = await call.var.services.executionIndex.list(call.var.tenant, query);
  const page = found.slice(0, limit);
  const has_more = found.length > limit;
  const last = page.at(-1);
  return call.json({
    data: page.map((listed) => listed.summary),
    has_more,
    next_cursor: has_more && last !== undefined ? placeText(last) : null,
  });
}

async function forget(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const id = call.req.param("id") ?? "";
  if (!ExecutionId.safeParse(id).success) {
    return problem(call, { code: "EXECUTION_NOT_FOUND", execution_id: cutName(id) });
  }
  const forgotten = await services.executions.rpc(tenant, id).forget();
  return forgotten.ok ? new Response(null, { status: 204 }) : problem(call, forgotten.error);
}

async function cleanup(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const request = await readBody(call.req.raw, CleanupRequest);
  if (!request.ok) return problem(call, request.error);
  const until = services.clock.now() - request.value.older_than_seconds * 1_000;
  const found = await services.executionIndex.ended(tenant, until, CLEANUP_BATCH + 1);
  const batch = found.slice(0, CLEANUP_BATCH);
  const forgotten = await Promise.all(
    batch.map(async (place) => {
      const outcome = await services.executions.rpc(tenant, place.id).forget();
      // One that kept nothing (context_storage_backend: memory) is in the index alone.
      if (!outcome.ok) await services.executionIndex.forget(tenant, place);
      return outcome.ok;
    }),
  );
  return call.json({ deleted: forgotten.filter(Boolean).length, has_more: found.length > CLEANUP_BATCH });
}

function placeText({ start, id }: Place): string {
  return `${start.toString(36)}.${id}`;
}

function readPlace(cursor: string | undefined): Result<Place | null> {
  if (cursor === undefined) return ok(null);
  const [, start = "", id = ""] = /^([0-9a-z]{1,10})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor) ?? [];
  if (id !== "") return ok({ start: Number.parseInt(start, 36), id });
  return err(invalid([{ pointer: "/cursor", detail: "is not a next_cursor of this list" }]));
}
