// /v1/executions/:id: read an execution, stream it, control it, delete it.
import type { LifecycleEvent } from "../../contract/event.ts";
import type { PipelineExecution } from "../../contract/execution.ts";
import { err, type Result } from "../../contract/problem.ts";
import { EventsQuery, PauseRequest, ResumeRequest } from "../../contract/requests.ts";
import type { ExecutionTrace } from "../../contract/trace.ts";
import {
  type ControlCommand,
  type ExecutionText,
  isComplete,
  refusalOf,
} from "../../engine/object-protocol.ts";
import type { Call } from "../context.ts";
import { asJson, endpoint, type JsonText, type Refused } from "../endpoint.ts";
import { OBJECT_ERRORS } from "../openapi/description.ts";
import { JSON_TYPE, SSE_TYPE } from "../route.ts";
import { executionId, readCursor } from "../runs/identify.ts";
import { executionText } from "../runs/respond.ts";
import { retryLater, isPassing, streamHead, streamResponse } from "../streaming/follower.ts";

const PATH = "/v1/executions/:id";
const EXECUTION = { 200: "PipelineExecution" } as const;
const ERRORS = ["EXECUTION_NOT_FOUND", ...OBJECT_ERRORS] as const;
const CONTROL_ERRORS = ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", ...OBJECT_ERRORS] as const;

const params = { id: executionId };

export const executions = [
  endpoint({
    id: "get_execution",
    method: "get",
    path: PATH,
    permission: "read",
    params,
    answers: EXECUTION,
    describe: () => ({
      summary: "Get an execution",
      answers: { 200: "The execution" },
      errors: ERRORS,
    }),
    handle: async ({ call, params: { id } }) => executionReply(call, id, await rpc(call, id).read()),
  }),
  endpoint({
    id: "delete_execution",
    method: "delete",
    path: PATH,
    permission: "execute",
    params,
    answers: { 204: null },
    describe: () => ({
      summary: "Delete an execution that has ended, and the results that it cached",
      answers: { 204: "Deleted" },
      errors: CONTROL_ERRORS,
    }),
    handle: async ({ call, params: { id } }) => {
      const forgotten = await rpc(call, id).forget();
      return forgotten.ok ? { status: 204 } : forgotten;
    },
  }),
  endpoint({
    id: "stream_events",
    method: "get",
    path: "/v1/executions/:id/events",
    permission: "follow",
    params,
    produces: [SSE_TYPE, JSON_TYPE],
    query: EventsQuery,
    answers: { 200: "EventList", 204: null },
    describe: () => ({
      summary: "Stream the events of an execution: replay, then live",
      parameters: {
        after: "The seq of the last event received; Last-Event-ID takes precedence",
        token: "The stream token of stream_url, for an EventSource, which cannot send headers",
      },
      headers: ["Last-Event-ID"],
      answers: { 200: "The event stream of the execution", 204: "No further events" },
      errors: ERRORS,
    }),
    handle: async ({ call, services, tenant, params: { id }, query, type }) => {
      const header = readCursor(call.req.header("last-event-id"));
      if (!header.ok) return header;
      const after = header.value ?? query.after ?? 0;
      if (type === JSON_TYPE) {
        const listed = await rpc(call, id).events(after, "events", call.var.token_start);
        return listed.ok ? { status: 200, text: asJson<{ data: LifecycleEvent[] }>(listed.value) } : listed;
      }
      if (call.req.method === "HEAD") {
        const there = await rpc(call, id).read();
        if (!there.ok) return there;
        const isOfToken = call.var.token_start === null || call.var.token_start === there.value.started_at;
        return isOfToken
          ? { stream: streamHead() }
          : err({ code: "UNAUTHORIZED", reason: "bad_token" as const });
      }
      const started_at = call.var.token_start;
      const attach = (seq: number, reattach: boolean) => {
        const resumes = header.value !== null || seq > after;
        const reader = { after: seq, resumes, reattach, rests: true, started_at };
        return services.executions.stream(tenant, id, reader, call.req.raw.signal);
      };
      const response = await attach(after, false).catch(() => null);
      if (response === null) return { stream: retryLater() };
      if (isComplete(response)) return { status: 204 };
      const refusal = await refusalOf(response);
      if (refusal !== null) return isPassing(refusal.code) ? { stream: retryLater() } : err(refusal);
      const reattach = {
        stream: (seq: number) => attach(seq, true),
        rest: (seq: number) => services.executions.rest(tenant, id, { after: seq, started_at }),
      };
      return { stream: streamResponse(response, after, reattach, services.clock) };
    },
  }),
  endpoint({
    id: "get_execution_trace",
    method: "get",
    path: "/v1/executions/:id/trace",
    permission: "read",
    params,
    answers: { 200: "ExecutionTrace" },
    describe: () => ({
      summary: "Get the trace of an execution",
      answers: { 200: "The trace so far" },
      errors: ERRORS,
    }),
    handle: async ({ call, params: { id } }) => {
      const listed = await rpc(call, id).events(0, "trace", null);
      return listed.ok ? { status: 200, text: asJson<ExecutionTrace>(listed.value) } : listed;
    },
  }),
  endpoint({
    id: "pause_execution",
    method: "post",
    path: "/v1/executions/:id/pause",
    permission: "execute",
    params,
    body: {
      name: "PauseRequest",
      schema: PauseRequest,
      any_integer: true,
      absent: { mode: "drain" },
    },
    answers: EXECUTION,
    describe: controls("Pause an execution: no further stage starts until it is resumed"),
    handle: ({ call, params: { id }, body: { mode } }) => control(call, id, { type: "pause", mode }),
  }),
  endpoint({
    id: "resume_execution",
    method: "post",
    path: "/v1/executions/:id/resume",
    permission: "execute",
    params,
    body: { name: "ResumeRequest", schema: ResumeRequest, absent: {} },
    answers: EXECUTION,
    describe: controls("Resume a paused execution; with a larger budget where it has spent its own"),
    handle: ({ call, params: { id }, body: { budget } }) =>
      control(call, id, { type: "resume", ...(budget === undefined ? {} : { budget }) }),
  }),
  endpoint({
    id: "cancel_execution",
    method: "post",
    path: "/v1/executions/:id/cancel",
    permission: "execute",
    params,
    answers: EXECUTION,
    describe: controls("Cancel an execution and abort its calls"),
    handle: ({ call, params: { id } }) =>
      control(call, id, { type: "cancel", reason: "cancelled by the caller" }),
  }),
];

function controls(summary: string) {
  return () => ({
    summary,
    answers: { 200: "The execution after the change" },
    errors: CONTROL_ERRORS,
  });
}

type ExecutionReply = { status: 200; text: JsonText<PipelineExecution> } | Refused;

async function control(call: Call, id: string, command: ControlCommand): Promise<ExecutionReply> {
  return executionReply(call, id, await rpc(call, id).control(command));
}

async function executionReply(call: Call, id: string, text: Result<ExecutionText>): Promise<ExecutionReply> {
  return text.ok ? { status: 200, text: await executionText(call, id, text.value) } : text;
}

/** The methods of an execution's object. */
function rpc(call: Call, execution_id: string) {
  return call.var.services.executions.rpc(call.var.tenant, execution_id);
}
