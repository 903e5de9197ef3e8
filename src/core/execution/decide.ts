// decide(state, command, now): the events that a command causes. Pure: time and random numbers come with the
// command. Keeps I2 to I6, I8, I10 to I12: a terminal state refuses everything, stages start only through
// `advance`, and every end goes through `endExecution`.
import { TIMINGS } from "../timings.ts";
import { advance } from "./rules/advance.ts";
import type { Command, Refusal } from "./command.ts";
import { cancelExecution, failExecution } from "./rules/endings.ts";
import { takeAnswer } from "./rules/iterate.ts";
import type { LogEvent } from "./log-event.ts";
import { type ExecutionState, isTerminal, type StageState, stageOf } from "./state.ts";
import { checkBudget, interruptedUsage, raisedBudget, takeOverspent } from "./gates/budget.ts";
import { type Gates, OPEN_GATES } from "./gates/gates.ts";
import { type UnitName, unitPlace } from "./units/unit-name.ts";
import { unitsOf } from "./units/units.ts";
import { admitExecution, startExecution } from "./rules/start.ts";
import { Batch } from "./rules/batch.ts";
import { takeNoPlace, takeQueued } from "./gates/queue.ts";
import { callFailed } from "./rules/retry.ts";
import { takeChild, takeRest } from "./rules/child.ts";
import { takeQuestion } from "./rules/agent-asks.ts";
import { awaitCallback, expireWaits, takeCallback, takeHeartbeat, takeSignal } from "./rules/outside.ts";
import { callEnd, withinContext } from "./rules/answer.ts";

export interface Decision {
  /** What happened, to be committed together; none where nothing did. */
  events: LogEvent[];
  /** The state after them; null where there is no execution. */
  state: ExecutionState | null;
  refusal: Refusal | null;
  /** Units whose call waits until a place is asked for at its agent; null where the ones before still do. */
  blocked: ReadonlySet<UnitName> | null;
}

export function decide(
  state: ExecutionState | null,
  command: Command,
  now: number,
  gates: Gates = OPEN_GATES,
): Decision {
  if (command.type === "start") {
    return state === null
      ? accept(startExecution(command.spec, now, command.queued, gates))
      : refuse(state, { reason: "exists" });
  }
  if (state === null) return refuse(state, { reason: "absent" });
  // A clock that was set back must not make an event older than the one before it.
  const batch = new Batch(state, Math.max(now, state.updated_at), gates);
  if (isTerminal(state.status)) return ended(batch, command);
  endOverdue(batch);
  if (!isTerminal(batch.state.status) && expireWaits(batch)) advance(batch);
  if (isTerminal(batch.state.status)) return { ...accept(batch), refusal: ended(batch, command).refusal };
  const refusal = applyCommand(batch, command);
  return { ...accept(batch), refusal };
}

function applyCommand(batch: Batch, command: Exclude<Command, { type: "start" }>): Refusal | null {
  switch (command.type) {
    case "answer":
      return answer(batch, command);
    case "signal":
      return advanced(batch, takeSignal(batch, command));
    case "callback":
      return checked(batch, takeCallback(batch, command));
    case "heartbeat":
      return takeHeartbeat(batch, command);
    case "no_place":
      return advanced(batch, takeNoPlace(batch, command));
    case "child":
      return advanced(batch, takeChild(batch, command));
    case "tick":
      advance(batch);
      return null;
    case "recover":
      recover(batch, command.crashes ?? 0, command.cut ?? 0);
      return null;
    case "admit":
      // Of a message that comes twice the second one changes nothing.
      if (batch.state.status === "queued") admitExecution(batch, command.history);
      return null;
    case "pause":
      if (batch.state.status === "paused") return null;
      if (batch.state.status === "queued") return conflict(batch.state, "pause");
      batch.emit({
        type: "execution.paused",
        status: "paused",
        message: `paused (${command.mode})`,
        data: { mode: command.mode },
        ...interruptedUsage(batch, command.mode),
      });
      return null;
    case "resume":
      return resume(batch, command);
    case "usage":
      checkBudget(batch);
      return null;
    case "cancel":
      cancelExecution(batch, command.reason, command.superseded);
      return null;
  }
}

/** What an answer from outside makes possible begins in the same batch. */
function advanced(batch: Batch, refusal: Refusal | null): Refusal | null {
  if (refusal === null) advance(batch);
  return refusal;
}

/** The same where a call has ended with it. */
function checked(batch: Batch, refusal: Refusal | null): Refusal | null {
  if (refusal === null) checkBudget(batch);
  return advanced(batch, refusal);
}

/** Handles a command to an execution that has ended (I2): nothing changes it. */
function ended(batch: Batch, command: Exclude<Command, { type: "start" }>): Decision {
  const { state } = batch;
  switch (command.type) {
    case "answer":
      return refuse(state, { reason: "stale" });
    case "signal":
      return refuse(state, takeSignal(batch, command));
    case "callback":
      return refuse(state, takeCallback(batch, command));
    case "heartbeat":
      return refuse(state, takeHeartbeat(batch, command));
    case "admit":
    case "child":
    case "no_place":
    case "usage":
    case "tick":
    case "recover":
      return refuse(state, null);
    case "cancel":
      return refuse(state, state.status === "cancelled" ? null : conflict(state, "cancel"));
    case "pause":
    case "resume":
      return refuse(state, conflict(state, command.type));
  }
}

/** I1: the deadline, and the longest pause, before anything else. */
function endOverdue(batch: Batch): void {
  const { state, now } = batch;
  const { max_pause_seconds, pipeline_timeout_seconds } = state.spec.config;
  if (state.drained_at === null && now >= state.deadline_at) {
    const at = state.stages.find((stage) => stage.result.status === "running");
    failExecution(batch, {
      code: "PIPELINE_TIMEOUT",
      message: `the pipeline did not end within ${pipeline_timeout_seconds} s`,
      failed_stage: at?.result.stage ?? null,
      retry_attempts: at?.result.attempts ?? 0,
    });
  } else if (state.paused_at !== null && now >= state.paused_at + max_pause_seconds * 1_000) {
    cancelExecution(batch, `paused for longer than ${max_pause_seconds} s`);
  } else if (state.status === "queued" && now >= state.started_at + max_pause_seconds * 1_000) {
    cancelExecution(batch, `queued for longer than ${max_pause_seconds} s`);
  }
}

function answer(batch: Batch, command: Extract<Command, { type: "answer" }>): Refusal | null {
  const isKnown = batch.state.index.has(unitPlace(command.stage).stage);
  const unit: StageState | undefined = isKnown ? stageOf(batch.state, command.stage) : undefined;
  const expected = unit?.phase === "calling" || unit?.phase === "lookup";
  if (!expected || unit.call !== command.call) return { reason: "stale" };
  if (command.outcome.ok === "later") {
    awaitCallback(batch, command.stage, command.outcome, command.began_at);
  } else if (command.outcome.ok === "rests") {
    takeRest(batch, command.stage, command.outcome, command.began_at);
  } else if (command.outcome.ok === "queued") {
    takeQueued(batch, command.stage, command.outcome);
  } else if (command.outcome.ok === "overspent") {
    takeOverspent(batch, command.outcome, command.stage);
  } else if (command.outcome.ok === "asks") {
    takeQuestion(batch, command.stage, command.outcome, command.began_at, command.chance);
  } else {
    const outcome = withinContext(batch.state, command.outcome);
    const end = callEnd(command.outcome, outcome, command.began_at);
    if (outcome.ok) takeAnswer(batch, command.stage, outcome, end);
    else callFailed(batch, command.stage, outcome, end, command.chance);
  }
  checkBudget(batch);
  advance(batch);
  return null;
}

function resume(batch: Batch, { budget: raise }: Extract<Command, { type: "resume" }>): Refusal | null {
  if (batch.state.status !== "paused") return conflict(batch.state, "resume");
  const { budget, refusal } = raisedBudget(batch, raise);
  if (refusal !== null) return refusal;
  const data = raise === undefined || budget === undefined ? {} : { budget };
  batch.emit({ type: "execution.resumed", status: "running", message: "resumed", data });
  advance(batch);
  return null;
}

/**
 * A new instance of the object has opened this log: calls without an end were lost with the previous instance. A run
 * fails by recoveries without progress only if its own work was in flight at each crash (calls that were lost, or an
 * interrupted recovery) and the platform has counted as many: the crash of another object in the process ends this
 * object, too.
 */
function recover(batch: Batch, crashes: number, cut: number): void {
  const calling = [...unitsOf(batch.state)].flatMap(([, { phase, result }]) =>
    phase === "calling" ? [result.stage] : [],
  );
  // Of a stage that maps, several items may have lost theirs.
  const lost = [...new Set(calling)];
  const withoutProgress = Math.min(
    crashes,
    cut + (lost.length === 0 ? 0 : batch.state.recoveriesWithoutProgress),
  );
  if (lost.length > 0 && !batch.state.spec.config.enable_state_recovery) {
    endUnrecovered(batch, lost, "the coordinator restarted, and enable_state_recovery is false");
    return;
  }
  if (withoutProgress >= TIMINGS.RECOVERIES_WITHOUT_PROGRESS) {
    endUnrecovered(batch, lost, `recovered ${withoutProgress} times in a row without progress`);
    return;
  }
  if (lost.length === 0) {
    advance(batch);
    return;
  }
  batch.emit({
    type: "execution.recovered",
    status: batch.state.status === "paused" ? "paused" : "running",
    message: `recovered; interrupted: ${lost.join(", ")}`,
    data: { stages: lost, recoveries: batch.state.recoveries + 1 },
  });
  advance(batch);
}

function endUnrecovered(batch: Batch, lost: string[], message: string): void {
  const failed_stage = lost[0] ?? null;
  const retry_attempts = failed_stage === null ? 0 : stageOf(batch.state, failed_stage).result.attempts;
  failExecution(batch, { code: "INTERNAL_ERROR", message, failed_stage, retry_attempts });
}

function conflict(state: ExecutionState, verb: string): Refusal {
  return { reason: "conflict", verb, status: state.status };
}

function accept(batch: Batch): Decision {
  return { events: batch.events, state: batch.state, refusal: null, blocked: batch.blocked };
}

function refuse(state: ExecutionState | null, refusal: Refusal | null): Decision {
  return { events: [], state, refusal, blocked: null };
}
