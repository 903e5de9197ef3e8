// The methods of A2A: a message starts a task, or answers what one has asked; tasks are read, listed, cancelled and
// subscribed to. A task is an execution, its context the conversation.
import type { PipelineExecution } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { ExecutionId } from "../../../contract/names.ts";
import { type CoordinatorError, err, ok, type Result } from "../../../contract/problem.ts";
import { cutText } from "../../../contract/text.ts";
import { A2aEncoder } from "../../../core/dialects/a2a/encoder.ts";
import { type OpenWait, taskOf, taskState } from "../../../core/dialects/a2a/task.ts";
import { isTerminal } from "../../../core/execution/state.ts";
import { type Call, problem } from "../../context.ts";
import { problemOf } from "../../problem.ts";
import { resumeWith } from "../raise.ts";
import { takeWork } from "../../middleware/rate-limit.ts";
import {
  type FacadeRun,
  planFacadeRun,
  readExecution,
  streamExisting,
  streamStart,
  waitForExecution,
} from "../facade.ts";
import { listTasks, readListParams } from "./list.ts";
import { readMessage, type Sent } from "./message.ts";
import { type A2aError, type A2aRequest, ERRORS, rpcFailure, type RpcId, rpcResult } from "./rpc.ts";

const PLACES = {
  query: "/params/message/parts",
  conversation_id: "/params/message/contextId",
  context: "/params/message/parts",
};
const DEFAULT_PIPELINE = "rag";
const TERMINAL_WAIT_MS = 0;
/** Of a caller's text in a message. */
const NAMED_CHARS = 128;

/** An error of the coordinator's as one of the call. */
function refused(call: Call, id: RpcId, error: CoordinatorError): Response {
  // What the client is to wait for, or to show a key for, is said by the status.
  if (error.code === "RATE_LIMITED" || error.code === "BUDGET_EXCEEDED") return problem(call, error);
  const { detail } = problemOf(error, call.req.path).problem;
  const isCallers = error.code === "INVALID_REQUEST" || error.code === "PIPELINE_NOT_FOUND";
  return rpcFailure(id, { code: isCallers ? -32_602 : -32_603, message: detail });
}

/** @param pipeline of the endpoint; null where it has all of them */
export async function serveA2a(call: Call, request: A2aRequest, pipeline: string | null): Promise<Response> {
  const { id, method, params } = request;
  switch (method) {
    case "SendMessage":
    case "SendStreamingMessage":
      return send(call, request, pipeline);
    case "GetTask":
    case "CancelTask":
    case "SubscribeToTask": {
      const task = await taskFor(call, params["id"], pipeline);
      if (!task.ok) return rpcFailure(id, task.error);
      if (method === "GetTask") return rpcResult(id, await withWaits(call, task.value));
      return method === "CancelTask"
        ? cancel(call, request, task.value)
        : subscribe(call, request, task.value);
    }
    case "ListTasks":
      return list(call, request, pipeline);
    default:
      if (/PushNotificationConfig/.test(method)) return rpcFailure(id, ERRORS.noPush);
      return rpcFailure(id, { code: -32_601, message: `there is no method ${method.slice(0, 80)}` });
  }
}

async function taskFor(
  call: Call,
  id: unknown,
  pipeline: string | null,
): Promise<Result<PipelineExecution, A2aError>> {
  const named = ExecutionId.safeParse(id);
  const missing = ERRORS.notFound(String(id));
  if (!named.success) return err(missing);
  const execution = await readExecution(call, named.data);
  if (!execution.ok) {
    const isGone = execution.error.code === "EXECUTION_NOT_FOUND";
    return err(isGone ? missing : { code: -32_603, message: execution.error.code });
  }
  const isOthers = pipeline !== null && execution.value.pipeline !== pipeline;
  return isOthers ? err(missing) : ok(execution.value);
}

/** The task with what it asks. */
async function withWaits(call: Call, execution: PipelineExecution): Promise<JsonObject> {
  const waits = await waitsOf(call, execution);
  return taskOf(
    execution,
    waits.map(({ stage, prompt, schema }) => ({ stage, prompt, schema })),
  );
}

interface AskedWait extends OpenWait {
  seq: number;
}

async function waitsOf(
  call: Call,
  { execution_id, status, current_stages }: PipelineExecution,
): Promise<AskedWait[]> {
  if (status !== "waiting") return [];
  const { services, tenant } = call.var;
  const rpc = services.executions.rpc(tenant, execution_id);
  const asked = await Promise.all(
    current_stages.map(async (stage) => {
      const wait = await rpc.waitOf(stage, null);
      if (!wait.ok || wait.value.state !== "open" || wait.value.seq === null) return [];
      const { seq, prompt, schema } = wait.value;
      return [{ stage, seq, prompt: prompt ?? {}, schema: schema ?? null }];
    }),
  );
  return asked.flat();
}

async function send(call: Call, request: A2aRequest, pipeline: string | null): Promise<Response> {
  const { id, method, params } = request;
  const isStream = method === "SendStreamingMessage";
  const message = readMessage(params);
  if (!message.ok) return rpcFailure(id, ERRORS.invalid(message.error));
  const sent = message.value;
  if (sent.taskId !== null) return goOn(call, request, sent, pipeline);
  const limited = await takeWork(call);
  if (limited !== null) return problem(call, limited);
  const { platform } = call.var.services;
  const { tenant } = call.var;
  // The same message again is the same task, and is in the same context.
  const digest = (await platform.sha256Hex(`${tenant}\na2a.${sent.messageId}`)).slice(0, 32);
  const contextId = sent.contextId ?? `ctx_${digest}`;
  const run: FacadeRun = {
    query: sent.text === "" ? JSON.stringify(sent.data) : sent.text,
    conversation_id: contextId,
    pipeline: pipeline ?? sent.pipeline ?? DEFAULT_PIPELINE,
    ...(sent.data === null ? {} : { context: { data: sent.data } }),
    execution_id: `ex_${digest}`,
  };
  const planned = await planFacadeRun(
    call,
    run,
    params["message"],
    isStream || !sent.returnImmediately,
    PLACES,
  );
  if (!planned.ok) return refused(call, id, planned.error);
  if (isStream) {
    const encoder = new A2aEncoder({ id, contextId, answeredUpTo: 0 });
    const streamed = await streamStart(call, planned.value, encoder);
    return streamed.ok ? streamed.value : refused(call, id, streamed.error);
  }
  const execution = await waitForExecution(
    call,
    planned.value,
    sent.returnImmediately ? TERMINAL_WAIT_MS : null,
    false,
  );
  if (!execution.ok) return refused(call, id, execution.error);
  return rpcResult(id, { task: await withWaits(call, execution.value) });
}

/** A message to a task that is there: it answers its question, or makes it go on. */
async function goOn(
  call: Call,
  { id, method }: A2aRequest,
  sent: Sent,
  pipeline: string | null,
): Promise<Response> {
  const task = await taskFor(call, sent.taskId, pipeline);
  if (!task.ok) return rpcFailure(id, task.error);
  const execution = task.value;
  const { execution_id, conversation_id, status } = execution;
  if (sent.contextId !== null && sent.contextId !== conversation_id) {
    const named = `/params/message/contextId ${cutText(sent.contextId, NAMED_CHARS)}`;
    const why = `${named} is not the context of /params/message/taskId ${execution_id}`;
    return rpcFailure(id, ERRORS.invalid(why));
  }
  const { services, tenant, key_id } = call.var;
  const rpc = services.executions.rpc(tenant, execution_id);
  let answeredUpTo: number;
  if (status === "paused") {
    const events = await seqOf(call, execution_id);
    const command = resumeWith(sent.data, "/params/message/parts/data");
    if (!command.ok) return refused(call, id, command.error);
    const resumed = await rpc.control(command.value);
    if (!resumed.ok) return refused(call, id, resumed.error);
    if (typeof resumed.value.json !== "string") await resumed.value.json.cancel();
    answeredUpTo = events;
  } else {
    const [asked] = await waitsOf(call, execution);
    if (asked === undefined) {
      return rpcFailure(id, ERRORS.unsupported(`the task is ${taskState(status)} and takes no message`));
    }
    const { stage, seq } = asked;
    const answer = { ok: true as const, data: sent.data ?? { answer: sent.text } };
    const by = `key:${key_id ?? "local"}`;
    const command = { type: "signal" as const, stage, wait: seq, answer, by };
    const receipt = await rpc.signal({ command, started_at: null });
    if (!receipt.ok) {
      const { error } = receipt;
      if (error.code !== "SCHEMA_MISMATCH") return refused(call, id, error);
      const faults = error.errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ");
      return rpcFailure(id, ERRORS.invalid(`the answer does not fit the question: ${faults}`));
    }
    answeredUpTo = seq;
  }
  if (method === "SendStreamingMessage") {
    const encoder = new A2aEncoder({ id, contextId: conversation_id, answeredUpTo });
    const streamed = await streamExisting(call, execution_id, encoder);
    return streamed.ok ? streamed.value : refused(call, id, streamed.error);
  }
  const after = await waitForEnd(call, execution_id, answeredUpTo);
  return after.ok
    ? rpcResult(id, { task: await withWaits(call, after.value) })
    : refused(call, id, after.error);
}

/** The execution where it has ended, or asks again. */
async function waitForEnd(
  call: Call,
  execution_id: string,
  after: number,
): Promise<Result<PipelineExecution>> {
  const encoder = new A2aEncoder({ id: 0, contextId: "", answeredUpTo: after });
  const streamed = await streamExisting(call, execution_id, encoder);
  if (!streamed.ok) return streamed;
  // Read to its end, which is the task's, or its next question.
  await streamed.value.body?.pipeTo(new WritableStream());
  return readExecution(call, execution_id);
}

/** The last `seq` of an execution. */
async function seqOf(call: Call, execution_id: string): Promise<number> {
  const { services, tenant } = call.var;
  const listed = await services.executions.rpc(tenant, execution_id).events(0, "events", null);
  if (!listed.ok) return 0;
  const text = typeof listed.value === "string" ? listed.value : await new Response(listed.value).text();
  const { data } = JSON.parse(text) as { data: { seq: number }[] };
  return data.at(-1)?.seq ?? 0;
}

async function cancel(call: Call, { id }: A2aRequest, execution: PipelineExecution): Promise<Response> {
  const { execution_id, status } = execution;
  if (isTerminal(status)) return rpcFailure(id, ERRORS.notCancelable(execution_id));
  const { services, tenant } = call.var;
  const command = { type: "cancel", reason: "by its caller" } as const;
  const cancelled = await services.executions.rpc(tenant, execution_id).control(command);
  if (!cancelled.ok) {
    const isOver = cancelled.error.code === "EXECUTION_CONFLICT";
    return isOver ? rpcFailure(id, ERRORS.notCancelable(execution_id)) : refused(call, id, cancelled.error);
  }
  if (typeof cancelled.value.json !== "string") await cancelled.value.json.cancel();
  const ended = await readExecution(call, execution_id);
  return ended.ok ? rpcResult(id, taskOf(ended.value)) : refused(call, id, ended.error);
}

async function subscribe(call: Call, { id }: A2aRequest, execution: PipelineExecution): Promise<Response> {
  const { execution_id, conversation_id, status } = execution;
  if (isTerminal(status))
    return rpcFailure(id, ERRORS.unsupported(`the task has ended: ${taskState(status)}`));
  const encoder = new A2aEncoder({ id, contextId: conversation_id, answeredUpTo: 0 });
  const streamed = await streamExisting(call, execution_id, encoder);
  return streamed.ok ? streamed.value : refused(call, id, streamed.error);
}

async function list(call: Call, { id, params }: A2aRequest, pipeline: string | null): Promise<Response> {
  const asked = readListParams(params, pipeline);
  if (!asked.ok) return rpcFailure(id, ERRORS.invalid(asked.error));
  const whole = async (task: string) => {
    const read = await readExecution(call, task);
    return read.ok ? withWaits(call, read.value) : null;
  };
  return rpcResult(id, await listTasks(call, asked.value, whole));
}
