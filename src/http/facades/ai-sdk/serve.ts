// A chat of the AI SDK: its POST starts a run, or attaches to the one that the same POST has started; its GET takes the
// stream up again; its stop ends the run.
import { type CoordinatorError, err, ok, type Result } from "../../../contract/problem.ts";
import { AiSdkEncoder, type AiSdkOptions } from "../../../core/dialects/ai-sdk.ts";
import { isTerminal } from "../../../core/execution/state.ts";
import { canonicalJson } from "../../../core/json/json.ts";
import type { Listed } from "../../../engine/worker-ports.ts";
import type { Call } from "../../context.ts";
import { invalid } from "../../request/body.ts";
import type { StartRequest } from "../../runs/start-or-attach.ts";
import {
  cancelRun,
  planFacadeRun,
  readExecution,
  type Served,
  served,
  streamExisting,
  streamStart,
} from "../facade.ts";
import { answerApproval } from "./approve.ts";
import {
  type ChatApprovals,
  chatApprovals,
  chatQuestion,
  type ChatRequest,
  type ChatStart,
  type StopRequest,
} from "./messages.ts";
import { planRegeneration } from "./regenerate.ts";

const HEADERS = { "x-vercel-ai-ui-message-stream": "v1" };
/** Where a field of the run is in the body. */
const PLACES = { query: "/messages", conversation_id: "/id" };

export async function startChat(
  call: Call,
  request: ChatRequest,
  sent: unknown,
  pipeline: string,
): Promise<Served> {
  const approvals = chatApprovals(request);
  if (approvals !== null) return goOn(call, request, approvals);
  const question = chatQuestion(request);
  if (!question.ok) return err(invalid([question.error]));
  const latest = await latestOf(call, request.id);
  // useChat sends a message twice where a page is opened twice, or its effect runs twice.
  const asked = [
    request.trigger ?? null,
    request.messageId ?? null,
    question.value.id ?? null,
    question.value.query,
  ];
  if (latest !== null && !isTerminal(latest.summary.status)) {
    const attached = await attach(call, request, latest, asked);
    if (attached.ok || !ELSEWHERE.has(attached.error.code)) return served(attached);
  }
  const execution_id = await idOf(call, request.id, latest, asked);
  const chat = { sent, asked, execution_id, pipeline, latest, question: question.value };
  const start = await planChat(call, request, chat);
  if (!start.ok) return start;
  const encoder = encoderOf(call, request, NEW);
  return served(await streamStart(call, start.value, encoder, HEADERS));
}

/** The run that goes on is another question's, or is gone. */
const ELSEWHERE: ReadonlySet<CoordinatorError["code"]> = new Set([
  "IDEMPOTENCY_MISMATCH",
  "EXECUTION_NOT_FOUND",
]);

async function attach(
  call: Call,
  request: ChatRequest,
  { id }: Listed,
  asked: unknown,
): Promise<Result<Response>> {
  const { platform, clock } = call.var.services;
  const digest = await platform.sha256Hex(canonicalJson(asked));
  const start = { digest, spec: null, health: null };
  const attaching: StartRequest = { execution_id: id, after: 0, start, at: clock.now(), unplanned: null };
  return streamStart(call, attaching, encoderOf(call, request, await readerOf(call, id)), HEADERS);
}

/**
 * The same for the same POST behind the same run, so that two at once are one run. Behind another run it is another:
 * useChat sends the ids of its messages again after an error.
 */
async function idOf(
  call: Call,
  chat_id: string,
  latest: Listed | null,
  asked: unknown,
): Promise<string | undefined> {
  if (call.req.header("idempotency-key") !== undefined) return undefined;
  const { services, tenant } = call.var;
  const text = canonicalJson([tenant, chat_id, latest?.id ?? null, asked]);
  return `ex_${(await services.platform.sha256Hex(text)).slice(0, 32)}`;
}

async function planChat(call: Call, request: ChatRequest, start: ChatStart): Promise<Result<StartRequest>> {
  if (request.trigger === "regenerate-message") {
    const again = await planRegeneration(call, request, start);
    if (again !== null) return again;
  }
  const { sent, asked, execution_id, pipeline, question } = start;
  const { pipeline_config, context, on_disconnect = "continue" } = request;
  const run = {
    query: question.query,
    conversation_id: request.id,
    pipeline,
    on_disconnect,
    ...(pipeline_config === undefined ? {} : { pipeline_config }),
    ...(context === undefined ? {} : { context }),
    ...(question.history === undefined ? {} : { history: question.history }),
    ...(execution_id === undefined ? {} : { execution_id }),
  };
  return planFacadeRun(call, run, execution_id === undefined ? sent : asked, true, PLACES);
}

/** The stream of the chat's run again; 204 where none goes on. */
export async function resumeChat(call: Call, chat_id: string): Promise<Served | { status: 204 }> {
  const latest = await latestOf(call, chat_id);
  if (latest === null || isTerminal(latest.summary.status)) return { status: 204 };
  const encoder = encoderOf(call, {}, await readerOf(call, latest.id));
  const streamed = await streamExisting(call, latest.id, encoder, HEADERS);
  const isGone = !streamed.ok && streamed.error.code === "EXECUTION_NOT_FOUND";
  return isGone ? { status: 204 } : served(streamed);
}

/** Cancels the chat's run, unless it is another one than the client means. */
export async function stopChat(call: Call, chat_id: string, request: StopRequest): Promise<Result<null>> {
  const latest = await latestOf(call, chat_id);
  const meant = request.assistantMessage?.metadata?.execution_id ?? request.activeStreamId ?? latest?.id;
  if (latest === null || meant !== latest.id || isTerminal(latest.summary.status)) return ok(null);
  return cancelRun(call, latest.id, "stopped by its reader");
}

/** The last run of a chat, as its shard of the index knows it: a start is known from its own request on. */
async function latestOf(call: Call, conversation_id: string): Promise<Listed | null> {
  const { services, tenant } = call.var;
  const { listed } = await services.executionIndex.list(tenant, { conversation_id, limit: 1, before: null });
  return listed[0] ?? null;
}

/** The approvals are answered, and the message that asked for them goes on. */
async function goOn(
  call: Call,
  request: ChatRequest,
  { execution_id, approvals, after }: ChatApprovals,
): Promise<Served> {
  for (const approval of approvals) {
    const answered = await answerApproval(call, request.id, approval);
    if (!answered.ok) return answered;
  }
  const reader = await readerOf(call, execution_id, after);
  return served(await streamExisting(call, execution_id, encoderOf(call, request, reader), HEADERS));
}

/** What a reader's message has already. */
type Reader = NonNullable<AiSdkOptions["approvals"]>;

const NEW: Reader = { settled: new Map(), after: 0 };

/** @param after the last `seq` that the message knows; 0 where it has nothing yet */
async function readerOf(call: Call, execution_id: string, after = 0): Promise<Reader> {
  if (!hasApprovals(call)) return NEW;
  const read = await readExecution(call, execution_id);
  if (!read.ok) return { ...NEW, after };
  const { stage_results, current_stages } = read.value;
  const ended = Object.values(stage_results).filter(({ status }) => SETTLED.has(status));
  const settled = new Map(ended.map(({ stage }) => [stage, Number.POSITIVE_INFINITY]));
  const { services, tenant } = call.var;
  const rpc = services.executions.rpc(tenant, execution_id);
  for (const stage of current_stages) {
    const asked = await rpc.waitOf(stage, null);
    if (!asked.ok || asked.value.seq === null) continue;
    const { seq, state } = asked.value;
    settled.set(stage, state === "open" ? seq - 1 : seq);
  }
  return { settled, after };
}

const SETTLED: ReadonlySet<string> = new Set(["completed", "failed", "skipped", "cancelled"]);

function hasApprovals({ req }: Call): boolean {
  return req.query("approvals") !== undefined;
}

/** The client's version is not in its request: its URL or its body says it. */
function encoderOf(call: Call, { ui }: Pick<ChatRequest, "ui">, reader: Reader): AiSdkEncoder {
  const { req } = call;
  return new AiSdkEncoder({
    isVersion7: ui === 7 || req.query("ui") === "7",
    reasoning: req.query("reasoning") !== undefined,
    ...(hasApprovals(call) ? { approvals: reader } : {}),
  });
}
