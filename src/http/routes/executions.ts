// /v1/executions: start a run in its three modes, read it, stream it, and control it.
import { Hono } from "hono/tiny";
import { ExecutionRequest, PauseRequest } from "../../contract/requests.ts";
import { cutName, ExecutionId } from "../../contract/names.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { isTerminal } from "../../core/execution/state.ts";
import {
  type ControlCommand,
  type ExecutionText,
  isComplete,
  refusalOf,
  statusOf,
} from "../../engine/object-protocol.ts";
import { parseWith, readJsonBody, readOptionalBody } from "../request/body.ts";
import { type AppEnv, type Call, jsonText, problem, queryOf } from "../context.ts";
import {
  executionText,
  type OpenedStream,
  locationOf,
  prepare,
  readCursor,
  runHeaders,
} from "../runs/start-or-attach.ts";
import { preferredType, readPrefer } from "../request/negotiate.ts";
import { JSON_TYPE, SSE_TYPE } from "../endpoints.ts";
import { planRun } from "../runs/run-spec.ts";
import { retryLater, isPassing, streamHead, streamResponse } from "../streaming/follower.ts";

export const executions = new Hono<AppEnv>()
  .post("/", start)
  .get("/:id", read)
  .get("/:id/events", events)
  .get("/:id/trace", trace)
  .post("/:id/pause", pause)
  .post("/:id/resume", (call) => control(call, { type: "resume" }))
  .post("/:id/cancel", (call) => control(call, { type: "cancel", reason: "cancelled by the caller" }));

async function start(call: Call): Promise<Response> {
  const type = preferredType(call.req.header("accept") ?? null, [JSON_TYPE, SSE_TYPE]);
  if (type === null) return problem(call, { code: "NOT_ACCEPTABLE", offered: [JSON_TYPE, SSE_TYPE] });
  const body = await readJsonBody(call.req.raw);
  if (!body.ok) return problem(call, body.error);
  const request = parseWith(ExecutionRequest, body.value);
  if (!request.ok) return problem(call, request.error);
  const prefer = readPrefer(call.req.header("prefer") ?? null);
  const run = await prepare(call, {
    body: body.value,
    own: request.value.execution_id,
    answer: type === SSE_TYPE ? "stream" : { wait_ms: prefer.wait_ms },
    plan: (context) => planRun(call.var.services, request.value, context),
  });
  if (!run.ok) return problem(call, run.error);
  const { execution_id } = run.value;
  if (type === SSE_TYPE) {
    const opened = await run.value.stream();
    if (!opened.ok) return problem(call, opened.error);
    const { response, after, reattach } = opened.value;
    const location = locationOf(execution_id);
    return streamResponse(response, after, reattach, call.var.services.clock, { location });
  }
  const headers = runHeaders(execution_id, prefer);
  if (request.value.on_disconnect === "cancel" && prefer.wait_ms !== 0) {
    return followedJson(call, await run.value.stream(), headers);
  }
  const text = await run.value.wait();
  if (!text.ok) return problem(call, text.error);
  const status = isTerminal(text.value.status) ? 200 : 202;
  return jsonText(await executionText(call, execution_id, text.value), status, headers);
}

function followedJson(call: Call, opened: Result<OpenedStream>, headers: Record<string, string>): Response {
  if (!opened.ok) return problem(call, opened.error);
  const { response } = opened.value;
  // A caller whose disconnect matters gets its headers before the end is known: then there is no status to go by.
  const status = statusOf(response);
  return new Response(response.body, {
    status: status === null || isTerminal(status) ? 200 : 202,
    headers: { "content-type": JSON_TYPE, ...headers },
  });
}

async function read(call: Call): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  return answerWith(call, id.value, await rpc(call, id.value).read());
}

async function answerWith(call: Call, id: string, text: Result<ExecutionText>): Promise<Response> {
  return text.ok ? jsonText(await executionText(call, id, text.value)) : problem(call, text.error);
}

async function pause(call: Call): Promise<Response> {
  const request = await readOptionalBody(call.req.raw, PauseRequest, { mode: "drain" });
  return request.ok
    ? control(call, { type: "pause", mode: request.value.mode })
    : problem(call, request.error);
}

async function control(call: Call, command: ControlCommand): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  return answerWith(call, id.value, await rpc(call, id.value).control(command));
}

async function events(call: Call): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  const header = readCursor(call.req.header("last-event-id"));
  if (!header.ok) return problem(call, header.error);
  const after = header.value ?? queryOf(call, "stream_events").after ?? 0;
  const type = preferredType(call.req.header("accept") ?? null, [SSE_TYPE, JSON_TYPE]);
  if (type === null) return problem(call, { code: "NOT_ACCEPTABLE", offered: [SSE_TYPE, JSON_TYPE] });
  if (type === JSON_TYPE) {
    const listed = await rpc(call, id.value).events(after, "events", call.var.token_start);
    return listed.ok ? jsonText(listed.value) : problem(call, listed.error);
  }
  if (call.req.method === "HEAD") {
    const there = await rpc(call, id.value).read();
    if (!there.ok) return problem(call, there.error);
    const isOfToken = call.var.token_start === null || call.var.token_start === there.value.started_at;
    return isOfToken ? streamHead() : problem(call, { code: "UNAUTHORIZED", reason: "bad_token" });
  }
  const { services, tenant } = call.var;
  const attach = (seq: number, reattach: boolean) => {
    const resumes = header.value !== null || seq > after;
    const reader = { after: seq, resumes, reattach, started_at: call.var.token_start };
    return services.executions.stream(tenant, id.value, reader, call.req.raw.signal);
  };
  const response = await attach(after, false).catch(() => null);
  if (response === null) return retryLater();
  if (isComplete(response)) return new Response(null, { status: 204 });
  const refusal = await refusalOf(response);
  if (refusal !== null) return isPassing(refusal.code) ? retryLater() : problem(call, refusal);
  return streamResponse(response, after, (seq) => attach(seq, true), services.clock);
}

async function trace(call: Call): Promise<Response> {
  const id = executionId(call);
  if (!id.ok) return problem(call, id.error);
  const listed = await rpc(call, id.value).events(0, "trace", null);
  return listed.ok ? jsonText(listed.value) : problem(call, listed.error);
}

/** The methods of an execution's object. */
function rpc(call: Call, execution_id: string) {
  return call.var.services.executions.rpc(call.var.tenant, execution_id);
}

/** An id that cannot be one is of no execution. */
function executionId(call: Call): Result<string> {
  const id = call.req.param("id") ?? "";
  if (ExecutionId.safeParse(id).success) return ok(id);
  return err({ code: "EXECUTION_NOT_FOUND", execution_id: cutName(id) });
}
