// How stages and executions end. Every terminal execution.* event is made here, once, last (I8), with the
// execution as it then stands.
import type { ErrorInfo } from "../../contract/execution.ts";
import type { StageError, StageResult } from "../../contract/stage.ts";
import type { CallOutcome } from "./command.ts";
import { evolve } from "./evolve.ts";
import { keepText } from "./log-event.ts";
import { specOf } from "./schedule.ts";
import { isActive, stageOf } from "./state.ts";
import type { Draft, Turn } from "./turn.ts";
import { terminalData, viewExecution } from "./view.ts";

type Answered = Extract<CallOutcome, { ok: true }>;

export function completeStage(turn: Turn, name: string, outcome: Answered, began_at: number): void {
  const { answer, bytes } = outcome;
  const result = finished(turn, name, {
    status: "completed",
    data: answer.data,
    error: null,
    usage: answer.usage ?? null,
  });
  turn.emit({
    type: "stage.completed",
    stage: name,
    status: "completed",
    attempt: result.attempts,
    message: `${name} completed in ${result.duration_ms} ms`,
    data: result,
    internal: {
      began_at,
      bytes,
      ...(answer.context === undefined ? {} : { context: answer.context }),
      ...keepText(outcome.text, answer.data),
    },
  });
}

/** A stage's failure; a required one takes the execution with it (I12). */
export function failStage(turn: Turn, name: string, error: StageError, began_at?: number): void {
  const result = finished(turn, name, { status: "failed", data: null, error });
  turn.emit({
    type: "stage.failed",
    stage: name,
    status: "failed",
    attempt: result.attempts,
    message: `${name} failed: ${error.message}`,
    data: result,
    ...(began_at === undefined ? {} : { internal: { began_at } }),
  });
  if (!specOf(turn.state, name).required) return;
  failExecution(turn, {
    code: error.code,
    message: `${name}: ${error.message}`,
    failed_stage: name,
    retry_attempts: result.attempts,
  });
}

export function skipStage(turn: Turn, name: string, reason: string): void {
  turn.emit({
    type: "stage.skipped",
    stage: name,
    status: "skipped",
    message: `${name} skipped`,
    data: { reason },
  });
}

export function failExecution(turn: Turn, error: ErrorInfo): void {
  endExecution(turn, "failed", error);
}

export function cancelExecution(turn: Turn, reason: string): void {
  endExecution(turn, "cancelled", null, reason);
}

/** Ends the execution; what is under way is cancelled, what has not begun stays pending. */
export function endExecution(
  turn: Turn,
  status: "completed" | "failed" | "cancelled",
  error: ErrorInfo | null,
  reason?: string,
): void {
  for (const stage of turn.state.stages.filter(isActive)) {
    const name = stage.result.stage;
    turn.emit({
      type: "stage.cancelled",
      stage: name,
      status: "cancelled",
      attempt: stage.attempt,
      message: `${name} cancelled`,
      data: {},
    });
  }
  const draft: Draft = {
    type: `execution.${status}`,
    status,
    message: reason ?? (error === null ? status : `${status}: ${error.message}`),
    data: { error_info: error },
  };
  // The event carries the execution as it is after the event: drawn once to see it, then made with it.
  const after = evolve(turn.state, turn.draw(draft));
  turn.emit({ ...draft, data: { ...terminalData(viewExecution(after)) } });
}

function finished(
  turn: Turn,
  name: string,
  end: Pick<StageResult, "status" | "data" | "error"> & Partial<Pick<StageResult, "usage">>,
): StageResult {
  const before = stageOf(turn.state, name).result;
  const start_time = before.start_time ?? new Date(turn.now).toISOString();
  return {
    ...before,
    ...end,
    start_time,
    end_time: new Date(turn.now).toISOString(),
    duration_ms: turn.now - Date.parse(start_time),
  };
}
