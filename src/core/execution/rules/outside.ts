// The outside: how a stage asks for an answer, and how answers, callbacks, heartbeats and their absence change it. A wait
// is answered at most once (I17): each way out of it is an event that ends its phase. An answer at the very millisecond
// of `expires_at` is too late: waits expire before a command is looked at.
import { fieldError, fieldMessage, type Meter } from "../../expressions/field.ts";
import { evaluatePrompt, promptField } from "../../pipeline/condition.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { LIMITS } from "../../../contract/limits.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import type { StageError, WaitStage } from "../../../contract/stage.ts";
import { fnv1a, hash64 } from "../../hash.ts";
import { canonicalJson } from "../../json/json.ts";
import { jsonBytes } from "../../json/weight.ts";
import { isoTime } from "../../time.ts";
import type { AcceptedCall, CallEnding, Command, Refusal } from "../command.ts";
import { conforming } from "../output.ts";
import { agentStageOf, specOf } from "../schedule.ts";
import { unitPlace } from "../units/unit-name.ts";
import {
  type AcceptedAnswer,
  awaitsCallback,
  isTerminal,
  type OutsideAnswer,
  type OutsideWait,
  type StageState,
  stageOf,
} from "../state.ts";
import { calledUnit, isOpen, unitsOf } from "../units/units.ts";
import { replyExpired, takeReply } from "./agent-asks.ts";
import { callEnd, withinContext } from "./answer.ts";
import { askAgain } from "./child.ts";
import type { Batch } from "./batch.ts";
import {
  type Answering,
  completeStage,
  contextLimit,
  failOrFallBack,
  fitsContext,
  skipStage,
} from "./endings.ts";
import { takeAnswer } from "./iterate.ts";
import { callFailed } from "./retry.ts";
import { scopeOf } from "./scope.ts";
import { dataFaults } from "../../schemas/data-faults.ts";

type Signal = Extract<Command, { type: "signal" }>;
type Callback = Extract<Command, { type: "callback" }>;
type Heartbeat = Extract<Command, { type: "heartbeat" }>;

/** A wait stage begins: it asks its question, and takes the answer that is there already. */
export function ask(batch: Batch, stage: WaitStage, meter: Meter): void {
  const { name, wait } = stage;
  const asked = promptOf(batch, wait.prompt, meter);
  if (!asked.ok) {
    failOrFallBack(batch, name, asked.error);
    return;
  }
  const { prompt, bytes } = asked.value;
  batch.emit({
    type: "stage.waiting",
    stage: name,
    status: "waiting",
    attempt: 0,
    message: `${name} waits for an answer`,
    data: {
      reason: "wait",
      prompt,
      schema: wait.schema ?? null,
      expires_at: isoTime(batch.now + wait.timeout_seconds * 1_000),
    },
    ...(wait.prompt === undefined ? {} : { internal: { bytes } }),
  });
  const { early } = stageOf(batch.state, name);
  // Its bytes were counted when it came.
  if (early !== null) endWith(batch, name, early.answer, 0, { by: early.by });
}

/** What is shown to the person who answers. */
function promptOf(
  batch: Batch,
  text: string | undefined,
  meter: Meter,
): Result<{ prompt: JsonObject; bytes: number }, StageError> {
  // A question without a prompt adds nothing to the execution.
  if (text === undefined) return ok({ prompt: {}, bytes: 0 });
  const before = meter.given;
  const asked = evaluatePrompt(text, scopeOf(batch.state), meter);
  if (!asked.ok) {
    return err({ code: "INVALID_PIPELINE_CONFIG", message: fieldMessage(asked.error), retryable: false });
  }
  const bytes = meter.given - before;
  if (bytes <= LIMITS.PROMPT_BYTES && fitsContext(batch.state, bytes)) {
    return ok({ prompt: asked.value, bytes });
  }
  const limit = Math.min(LIMITS.PROMPT_BYTES, contextLimit(batch.state) - batch.state.context_bytes);
  const found = `its object is ${bytes} bytes, the limit is ${Math.max(0, limit)}`;
  const message = fieldMessage(fieldError(promptField(text), found));
  return err({ code: "RESOURCE_EXHAUSTED", message, retryable: false });
}

/** The agent has answered 202: from here on the try is the agent's, and a crash does not call it again (I4). */
export function awaitCallback(
  batch: Batch,
  name: string,
  { location }: AcceptedCall,
  began_at: number,
): void {
  const { attempt } = stageOf(batch.state, name);
  const { callback_timeout_seconds = 0, heartbeat_seconds = Number.POSITIVE_INFINITY } = agentStageOf(
    batch.state,
    name,
  );
  const seconds = Math.min(callback_timeout_seconds, heartbeat_seconds);
  batch.emit({
    type: "stage.waiting",
    stage: name,
    status: "waiting",
    attempt,
    message: `${name} waits for the callback of its agent`,
    data: { reason: "callback", expires_at: isoTime(batch.now + seconds * 1_000) },
    internal: { began_at, ...(location === undefined ? {} : { location }) },
  });
}

/** Ends every wait that has had no answer in time. True where there was one. */
export function expireWaits(batch: Batch): boolean {
  let expired = false;
  for (const [name, { wait }] of unitsOf(batch.state)) {
    if (wait === null || batch.now < wait.expires_at || isTerminal(batch.state.status)) continue;
    // The end of an item before it may have ended its stage.
    if (!isOpen(batch.state, name)) continue;
    expired = true;
    if (wait.continuation !== null) replyExpired(batch, name);
    else if (wait.reason === "execution") askAgain(batch, name);
    else if (wait.reason === "wait") questionExpired(batch, name);
    else callbackExpired(batch, name, wait);
  }
  return expired;
}

function questionExpired(batch: Batch, name: string): void {
  const { timeout_seconds, on_timeout } = (specOf(batch.state, name) as WaitStage).wait;
  const message = `no answer within ${timeout_seconds} s`;
  if (on_timeout === "skip") {
    skipStage(batch, name, message);
    return;
  }
  const bytes = on_timeout === "fail" ? 0 : jsonBytes(on_timeout.data);
  if (on_timeout !== "fail" && fitsContext(batch.state, bytes)) {
    endWith(batch, name, { ok: true, data: on_timeout.data }, bytes, { by: "timeout" });
    return;
  }
  failOrFallBack(batch, name, { code: "STAGE_TIMEOUT", message, retryable: false }, {}, { by: "timeout" });
}

/** The end without a callback is a try's timeout. */
function callbackExpired(batch: Batch, name: string, wait: OutsideWait): void {
  const { callback_timeout_seconds = 0, heartbeat_seconds } = agentStageOf(batch.state, name);
  const whole_ms = callback_timeout_seconds * 1_000;
  const isSilent = heartbeat_seconds !== undefined && wait.expires_at < wait.since + whole_ms;
  const timeout_ms = isSilent ? heartbeat_seconds * 1_000 : whole_ms;
  const failure = { kind: "timeout" as const, timeout_ms, idle: isSilent };
  const end = { began_at: stageOf(batch.state, name).call_at };
  callFailed(batch, name, { ok: false, failure }, end, chanceOf(batch));
}

/** The answer to a question. */
export function takeSignal(batch: Batch, { stage: name, wait, answer, by }: Signal): Refusal | null {
  const { state } = batch;
  const stage = known(batch, name);
  if (stage === null) return { reason: "unknown_stage", stage: name };
  const spec = specOf(state, name);
  if (spec.wait === undefined)
    return takeReply(batch, stage, { type: "signal", stage: name, wait, answer, by }, digestOf(answer));
  const answered = { call: null, digest: digestOf(answer) };
  if (isKnown(stage, answered)) return { reason: "repeated", stage: name };
  const over = whyOver(batch, stage);
  if (over !== null) return unanswerable(name, over);
  if (stage.answers.length > 0) return unanswerable(name, ANSWERED);
  if (wait !== null && stage.wait?.seq !== wait)
    return unanswerable(name, "the answer is to another question");
  const errors = answer.ok ? dataFaults(spec.wait.schema ?? {}, answer.data) : [];
  if (errors.length > 0) return { reason: "mismatch", stage: name, errors };
  const bytes = answer.ok ? jsonBytes(answer.data) : 0;
  if (!fitsContext(state, bytes)) {
    return unanswerable(name, `its data would exceed memory_limit_mb (${contextLimit(state)} bytes in all)`);
  }
  if (stage.phase === "waiting") endWith(batch, name, answer, bytes, { by, answered });
  else keepEarly(batch, name, answer, bytes, { by, answered });
  return null;
}

const ANSWERED = "it has been answered already";

/** Why the wait of a stage is over; null where an answer may still be taken. */
function whyOver({ state }: Batch, { phase, result }: StageState): string | null {
  if (phase === "ended") {
    if (result.answered_by === "timeout") return "its time to answer is over";
    if (result.answered_by !== null) return ANSWERED;
    return `it is ${result.status}`;
  }
  if (isTerminal(state.status)) return `the execution is ${state.status}`;
  return phase === "pending" || phase === "waiting" ? null : "it does not wait any more";
}

/** An answer that comes before its question is kept until then (I17). */
function keepEarly(
  batch: Batch,
  name: string,
  answer: OutsideAnswer,
  bytes: number,
  { by, answered }: { by: string; answered: AcceptedAnswer },
): void {
  batch.emit({
    type: "stage.signalled",
    stage: name,
    status: "pending",
    attempt: 0,
    message: `${name} has an answer before its question`,
    data: { signal: answer.ok ? "complete" : "fail", answered_by: by },
    internal: { answer, bytes, answered },
  });
}

/** @param bytes that the answer adds to the execution */
function endWith(
  batch: Batch,
  name: string,
  answer: OutsideAnswer,
  bytes: number,
  answering: Answering,
): void {
  if (answer.ok) {
    completeStage(batch, name, { ok: true, answer: { data: answer.data }, bytes }, {}, answering);
    return;
  }
  const error = { code: "AGENT_PROCESSING_ERROR", message: answer.message, retryable: false };
  failOrFallBack(batch, name, error, {}, answering);
}

/** The result of an agent that answers later, which may come before its 202. */
export function takeCallback(batch: Batch, { stage: unit, call, outcome }: Callback): Refusal | null {
  const { stage: of } = unitPlace(unit);
  if (!batch.state.index.has(of)) return { reason: "unknown_stage", stage: of };
  const name = calledUnit(batch.state, unit);
  const stage = stageOf(batch.state, name);
  const answered = { call, digest: digestOf(outcome) };
  if (isKnown(stage, answered)) return { reason: "repeated", stage: of };
  if (!awaitsCallback(batch.state, stage, call)) return unanswerable(of, TRY_ENDED);
  const taken = withinContext(batch.state, conforming(agentStageOf(batch.state, name), outcome));
  const end = callEnd(outcome, taken, stageOf(batch.state, name).call_at);
  if (taken.ok) takeAnswer(batch, name, taken, end, { answered });
  else callFailed(batch, name, taken, end, chanceOf(batch), answered);
  return null;
}

const TRY_ENDED = "the try that the callback belongs to has ended";

/**
 * A sign of life moves `expires_at`: with `heartbeat_seconds` within the time of the callback, without within the longest
 * that any wait has. Each is an event,
 * so those that would move it by less than a tenth are dropped; a tenth is added, so that none of them has less time
 * than it was promised.
 */
export function takeHeartbeat(batch: Batch, { stage: unit, call }: Heartbeat): Refusal | null {
  const { stage: of } = unitPlace(unit);
  if (!batch.state.index.has(of)) return { reason: "unknown_stage", stage: of };
  const name = calledUnit(batch.state, unit);
  const stage = stageOf(batch.state, name);
  if (!awaitsCallback(batch.state, stage, call)) return unanswerable(of, TRY_ENDED);
  const { wait } = stage;
  // Before its 202 the try has its own time limit.
  if (wait === null) return null;
  const { callback_timeout_seconds = 0, heartbeat_seconds } = agentStageOf(batch.state, name);
  const step_ms = (heartbeat_seconds ?? callback_timeout_seconds) * 1_000;
  const whole_seconds = heartbeat_seconds === undefined ? LIMITS.WAIT_SECONDS : callback_timeout_seconds;
  const most = wait.since + whole_seconds * 1_000;
  if (Math.min(most, batch.now + step_ms) <= wait.expires_at) return null;
  const expires_at = Math.min(most, Math.round(batch.now + step_ms * 1.1));
  batch.emit({
    type: "stage.signalled",
    stage: name,
    status: "waiting",
    attempt: stage.attempt,
    message: `${name}: its agent is at work`,
    data: { signal: "heartbeat", expires_at: isoTime(expires_at) },
  });
  return null;
}

function known({ state }: Batch, name: string): StageState | null {
  const at = state.index.get(name);
  return at === undefined ? null : (state.stages[at] ?? null);
}

function isKnown({ answers }: StageState, { call, digest }: AcceptedAnswer): boolean {
  return answers.some((answer) => answer.call === call && answer.digest === digest);
}

/**
 * Distinguishes an answer from another one: who can forge a collision only has a 200 for a 409. What the coordinator adds
 * to an agent's answer is another at each callback, and is left out.
 */
function digestOf(given: OutsideAnswer | CallEnding): string {
  const content = given.ok
    ? "data" in given
      ? { data: given.data }
      : { answer: given.answer }
    : "message" in given
      ? { message: given.message }
      : { failure: given.failure };
  return hash64(canonicalJson(content));
}

/** The random number of a delay that no command brings one for: spread over runs, and the same at every replay. */
function chanceOf({ state }: Batch): number {
  return fnv1a(`${state.spec.execution_id}.${state.seq}`) / 2 ** 32;
}

function unanswerable(stage: string, why: string): Refusal {
  return { reason: "unanswerable", stage, why };
}
