// /v1/executions: starting a run in its three modes, reading it, following it.
import { Hono } from "hono";
import { refusalOf, type RunMessage, STATUS_HEADER } from "../../adapters/objects/execution-api.ts";
import { ExecutionRequest } from "../../contract/execution.ts";
import { ExecutionId } from "../../contract/names.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { invalid, parseWith, readJsonBody } from "../body.ts";
import { type AppEnv, type Call, jsonText, problem } from "../context.ts";
import { preferredType, readPrefer } from "../negotiate.ts";
import { nameExecution, planRun } from "../plan-run.ts";

const JSON_TYPE = "application/json";
const SSE_TYPE = "text/event-stream";
/** Idempotency-Key is opaque; a bound keeps a header from being a document. */
const KEY_CHARS = 255;

export const executions = new Hono<AppEnv>().post("/", start).get("/:id", read).get("/:id/events", events);

async function start(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  if (!services.settings.enabled) return problem(call, { code: "COORDINATOR_DISABLED" });
  const type = preferredType(call.req.header("accept") ?? null, [JSON_TYPE, SSE_TYPE]);
  if (type === null) return problem(call, { code: "NOT_ACCEPTABLE", offered: [JSON_TYPE, SSE_TYPE] });
  const body = await readJsonBody(call.req.raw);
  if (!body.ok) return problem(call, body.error);
  const request = parseWith(ExecutionRequest, body.value);
  if (!request.ok) return problem(call, request.error);
  const key = idempotencyKey(call.req.header("idempotency-key"));
  if (!key.ok) return problem(call, key.error);
  const cursor = readCursor(call.req.header("last-event-id"), "Last-Event-ID");
  if (!cursor.ok) return problem(call, cursor.error);
  if (cursor.value !== null && key.value === null && request.value.execution_id === undefined) {
    const detail = "needs an Idempotency-Key or an execution_id: without one it would start a second run";
    return problem(call, invalid([{ pointer: "/Last-Event-ID", detail }]));
  }
  const naming = await nameExecution(tenant, request.value, body.value, key.value);
  const prefer = readPrefer(call.req.header("prefer") ?? null);
  const streams = type === SSE_TYPE;
  const plan = await planRun(services, request.value, {
    tenant,
    naming,
    watched: streams || prefer.wait_ms !== 0,
    traceparent: call.req.header("traceparent") ?? null,
  });
  // A repetition attaches to its execution even where its pipeline is gone by now.
  if (!plan.ok && naming.digest === null) return problem(call, plan.error);
  const message: RunMessage = {
    digest: naming.digest,
    spec: plan.ok ? plan.value : null,
    after: cursor.value ?? 0,
    answer: streams ? "stream" : { wait_ms: prefer.wait_ms },
    stream_url: streamUrl(naming.execution_id),
  };
  const response = await services.executions.run(tenant, naming.execution_id, message, call.req.raw.signal);
  const refusal = await refusalOf(response);
  if (refusal !== null) {
    return problem(call, refusal.code === "EXECUTION_NOT_FOUND" && !plan.ok ? plan.error : refusal);
  }
  const location = `/v1/executions/${naming.execution_id}`;
  if (streams) return withHeaders(response, { location });
  const terminal = isTerminalStatus(response.headers.get(STATUS_HEADER));
  const headers = prefer.applied === null ? { location } : { location, "preference-applied": prefer.applied };
  return new Response(response.body, {
    status: terminal ? 200 : 202,
    headers: { "content-type": JSON_TYPE, ...headers },
  });
}

async function read(call: Call): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  const execution = await rpc(call, id.value).read(streamUrl(id.value));
  return execution.ok ? jsonText(execution.value.json) : problem(call, execution.error);
}

async function events(call: Call): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  const header = readCursor(call.req.header("last-event-id"), "Last-Event-ID");
  if (!header.ok) return problem(call, header.error);
  const query = readCursor(call.req.query("after"), "after");
  if (!query.ok) return problem(call, query.error);
  const after = header.value ?? query.value ?? 0;
  const type = preferredType(call.req.header("accept") ?? null, [SSE_TYPE, JSON_TYPE]);
  if (type === null) return problem(call, { code: "NOT_ACCEPTABLE", offered: [SSE_TYPE, JSON_TYPE] });
  if (type === JSON_TYPE) {
    const listed = await rpc(call, id.value).events(after);
    return listed.ok ? jsonText(listed.value) : problem(call, listed.error);
  }
  const { services, tenant } = call.var;
  const response = await services.executions.stream(tenant, id.value, after, call.req.raw.signal);
  const refusal = await refusalOf(response);
  return refusal === null ? withHeaders(response, {}) : problem(call, refusal);
}

/** The methods of an execution's object. */
function rpc(call: Call, execution_id: string) {
  return call.var.services.executions.rpc(call.var.tenant, execution_id);
}

/** An id that cannot be one is of no execution. */
function executionId(call: Call): Result<string> {
  const id = call.req.param("id") ?? "";
  return ExecutionId.safeParse(id).success
    ? ok(id)
    : err({ code: "EXECUTION_NOT_FOUND", execution_id: id.slice(0, 64) });
}

function streamUrl(execution_id: string): string {
  return `/v1/executions/${execution_id}/events`;
}

/** A cursor: the last `seq` that a reader has; null where none is given. */
function readCursor(text: string | undefined, name: string): Result<number | null> {
  if (text === undefined || text === "") return ok(null);
  if (/^\d{1,15}$/.test(text)) return ok(Number(text));
  return err(invalid([{ pointer: `/${name}`, detail: "must be the seq of an event" }]));
}

function idempotencyKey(header: string | undefined): Result<string | null> {
  if (header === undefined) return ok(null);
  const key = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim();
  if (key !== "" && key.length <= KEY_CHARS) return ok(key);
  return err(invalid([{ pointer: "/Idempotency-Key", detail: `must have 1 to ${KEY_CHARS} characters` }]));
}

function isTerminalStatus(status: string | null): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

function withHeaders(response: Response, headers: Record<string, string>): Response {
  const copy = new Response(response.body, response);
  for (const [name, value] of Object.entries(headers)) copy.headers.set(name, value);
  return copy;
}
