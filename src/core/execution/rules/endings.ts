// How stages and executions end. Every terminal execution.* event is made here, once, last (I8), with the
// execution as it is then.
import type { ErrorInfo } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import type { StageError, StageResult } from "../../../contract/stage.ts";
import { followedBy } from "../../../contract/usage.ts";
import type { CallEnding, Command } from "../command.ts";
import { isoTime, timeOf } from "../../time.ts";
import { evolve } from "../evolve.ts";
import { pricedUsage } from "../gates/prices.ts";
import { type CallEnd, keepText, type LogEventOf } from "../log-event.ts";
import { fallbackOf } from "../../resilience/fallback.ts";
import { jsonBytes } from "../../json/weight.ts";
import { repeatsOf } from "../log-format/repeats.ts";
import { specOf } from "../schedule.ts";
import { type AcceptedAnswer, type ExecutionState, stageOf } from "../state.ts";
import type { Batch } from "./batch.ts";
import { gathered, shownItems, totalsOf } from "../units/items.ts";
import { type UnitName, unitName, unitPlace } from "../units/unit-name.ts";
import { unitsOf } from "../units/units.ts";
import { terminalData } from "../view/view.ts";

type Answered = Extract<CallEnding, { ok: true }>;

/** The answer from outside that ends a stage. */
export interface Answering {
  answered?: AcceptedAnswer;
  /** Who has answered a wait stage, as `answered_by` has it. */
  by?: string;
}

/** The name of an execution's end in its last event. */
const ENDS = {
  completed: { type: "execution.completed", status: "completed" },
  failed: { type: "execution.failed", status: "failed" },
  cancelled: { type: "execution.cancelled", status: "cancelled" },
} as const;

/** @param outcome its `bytes` are what it adds to those of the execution */
export function completeStage(
  batch: Batch,
  name: UnitName,
  outcome: Answered,
  end: CallEnd,
  { answered, by }: Answering = {},
): void {
  const { answer, bytes, cached } = outcome;
  const { attempt, rescued } = stageOf(batch.state, name);
  const { used } = stageOf(batch.state, name);
  const result = finished(batch, name, {
    status: "completed",
    data: answer.data,
    error: null,
    usage: answer.usage === undefined ? used : followedBy(used, answer.usage),
    ...(cached === true ? { cached } : {}),
    ...(cached === true && rescued === null ? { attempts: attempt - 1 } : {}),
    ...(by === undefined ? {} : { answered_by: by }),
    // A callback may come for a call that a crash has interrupted.
    ...(answered !== undefined && rescued === null ? { attempts: attempt } : {}),
  });
  batch.emit({
    type: "stage.completed",
    stage: name,
    status: "completed",
    attempt,
    message: `${name} completed in ${result.duration_ms} ms`,
    data: result,
    internal: {
      ...end,
      bytes,
      ...(answer.context === undefined ? {} : { context: answer.context }),
      ...keepText(outcome.text, answer.data),
      ...(answered === undefined ? {} : { answered }),
      ...(used === null ? {} : { usage: answer.usage ?? {} }),
    },
  });
  itemEnded(batch, name);
}

/** Fails a unit, or starts its fallback if it has one; a failed fallback has no further one. */
export function failOrFallBack(
  batch: Batch,
  name: UnitName,
  error: StageError,
  end: CallEnd = {},
  answering: Answering = {},
): void {
  const { attempt, rescued } = stageOf(batch.state, name);
  if (rescued !== null) {
    const message = `${rescued.message}; its fallback also failed: ${error.message}`;
    failStage(batch, name, { ...rescued, message }, end, answering);
    return;
  }
  const fallback = fallbackOf(specOf(batch.state, name), batch.state.spec.config);
  const given = fallback?.strategy === "use_default" ? defaultAnswer(fallback.data) : null;
  if (fallback === null || (given !== null && !fitsContext(batch.state, given.bytes))) {
    failStage(batch, name, error, end, answering);
    return;
  }
  const { answered, ...by } = answering;
  const { strategy } = fallback;
  batch.emit({
    type: "stage.fallback",
    stage: name,
    status: "running",
    attempt,
    message: `${name} uses its fallback (${strategy}): ${error.message}`,
    data: { strategy, reason: error.message },
    internal: { ...end, rescued: error, ...(answered === undefined ? {} : { answered }) },
  });
  if (given !== null) completeStage(batch, name, given, {}, by);
}

function defaultAnswer(data: JsonObject): Answered {
  return { ok: true, answer: { data }, bytes: jsonBytes(data) };
}

/** The size limit of an execution's data and context, in bytes. */
export function contextLimit({ spec }: ExecutionState): number {
  return Math.floor(spec.config.memory_limit_mb * 1024 * 1024);
}

export function fitsContext(state: ExecutionState, bytes: number): boolean {
  return state.context_bytes + bytes <= contextLimit(state);
}

/** A unit's failure, with its fallback's where it has one. */
export function failStage(
  batch: Batch,
  name: UnitName,
  error: StageError,
  end: CallEnd = {},
  { answered, by }: Answering = {},
): void {
  const { attempt, rescued, used } = stageOf(batch.state, name);
  const tries =
    rescued !== null || (end.uncalled !== true && answered === undefined)
      ? {}
      : { attempts: answered === undefined ? attempt - 1 : attempt };
  const answered_by = by === undefined ? {} : { answered_by: by };
  const spent = { usage: end.usage === undefined ? used : followedBy(used, end.usage) };
  const result = finished(batch, name, {
    status: "failed",
    data: null,
    error,
    ...tries,
    ...answered_by,
    ...spent,
  });
  const internal = {
    ...end,
    ...(answered === undefined ? {} : { answered }),
    ...(used === null || end.usage !== undefined ? {} : { usage: {} }),
  };
  emitFailure(batch, name, result, error, internal);
  if (unitPlace(name).item !== undefined) itemEnded(batch, name);
}

/** Of a stage: one that is required fails the execution (I12). */
function emitFailure(
  batch: Batch,
  name: UnitName,
  result: StageResult,
  error: StageError,
  internal: LogEventOf<"stage.failed">["internal"] & object,
): void {
  batch.emit({
    type: "stage.failed",
    stage: name,
    status: "failed",
    attempt: stageOf(batch.state, name).attempt,
    message: `${name} failed: ${error.message}`,
    data: result,
    ...(Object.keys(internal).length === 0 ? {} : { internal }),
  });
  if (unitPlace(name).item !== undefined || !specOf(batch.state, name).required) return;
  failExecution(batch, {
    code: error.code,
    message: `${name}: ${error.message}`,
    failed_stage: name,
    retry_attempts: result.attempts,
  });
}

export function skipStage(batch: Batch, name: string, reason: string): void {
  batch.emit({
    type: "stage.skipped",
    stage: name,
    status: "skipped",
    message: `${name} skipped`,
    data: { reason },
  });
}

export function failExecution(batch: Batch, error: ErrorInfo): void {
  endExecution(batch, "failed", error);
}

/** @param superseded by which execution, and what its stages have said so far */
export function cancelExecution(batch: Batch, reason: string, superseded?: Superseded): void {
  endExecution(batch, "cancelled", null, reason, superseded);
}

type Superseded = NonNullable<Extract<Command, { type: "cancel" }>["superseded"]>;

/** Ends the execution; running stages are cancelled, stages that have not started stay pending. */
export function endExecution(
  batch: Batch,
  status: "completed" | "failed" | "cancelled",
  error: ErrorInfo | null,
  reason?: string,
  superseded?: Superseded,
): void {
  for (const [name, unit] of unitsOf(batch.state)) {
    if (unit.phase !== "pending" && unit.phase !== "ended") cancelUnit(batch, name, superseded?.texts[name]);
  }
  for (const { phase, result } of batch.state.stages)
    if (phase === "mapping") cancelUnit(batch, result.stage);
  const event = batch.draw({
    ...ENDS[status],
    message: reason ?? (error === null ? status : `${status}: ${error.message}`),
    data: { error_info: error },
    ...(superseded === undefined ? {} : { internal: { superseded_by: superseded.by } }),
  });
  // The event carries the execution as it is after the event, of whose data only the error is folded.
  const after = evolve(batch.state, event);
  const data = terminalData(after);
  const repeats = repeatsOf(data, after);
  const internal = { ...event.internal, ...(repeats === undefined ? {} : { repeats }) };
  batch.take({ ...event, data, ...(Object.keys(internal).length === 0 ? {} : { internal }) }, after);
}

/** @param text what it had said */
function cancelUnit(batch: Batch, name: UnitName, text?: string): void {
  const { attempt, seen } = stageOf(batch.state, name);
  // Of an execution within that is at rest: as it was then.
  const reported = batch.gates.reported().get(name) ?? seen?.usage;
  const internal = {
    ...(text === undefined ? {} : { text }),
    ...(reported === undefined ? {} : { usage: pricedUsage(reported, batch.state.spec.config.prices) }),
  };
  batch.emit({
    type: "stage.cancelled",
    stage: name,
    status: "cancelled",
    attempt,
    message: `${name} cancelled`,
    data: {},
    ...(Object.keys(internal).length === 0 ? {} : { internal }),
  });
}

/** Where it was the last item, or one that fails its stage, the stage ends. */
function itemEnded(batch: Batch, name: UnitName): void {
  const { stage, item } = unitPlace(name);
  if (item === undefined) return;
  const { error } = stageOf(batch.state, name).result;
  if (error !== null && specOf(batch.state, name).map?.on_error !== "collect") {
    for (const at of stageOf(batch.state, stage).items?.open ?? []) cancelUnit(batch, unitName(stage, at));
    endMap(batch, stage, { ...error, message: `item ${item}: ${error.message}` });
    return;
  }
  const { items } = stageOf(batch.state, stage);
  if (items?.open.length === 0 && items.begun === items.units.length) endMap(batch, stage, null);
}

/** The stage ends, with what its items have given or by the error of one. */
export function endMap(batch: Batch, name: string, error: StageError | null): void {
  const { items } = stageOf(batch.state, name);
  if (items === null) return;
  const totals = totalsOf(items);
  // The execution has the usage of its items.
  const internal = { usage: {} };
  if (error !== null) {
    const result = finished(batch, name, { status: "failed", data: null, error, ...totals });
    emitFailure(batch, name, result, error, internal);
    return;
  }
  const data = gathered(items);
  const result = finished(batch, name, { status: "completed", data, error: null, ...totals });
  batch.emit({
    type: "stage.completed",
    stage: name,
    status: "completed",
    attempt: 1,
    message: `${name} completed in ${result.duration_ms} ms`,
    data: { ...result, data: shownItems(data) },
    internal,
  });
}

function finished(
  batch: Batch,
  name: UnitName,
  end: Pick<StageResult, "status" | "data" | "error"> &
    Partial<Pick<StageResult, "usage" | "cached" | "attempts" | "answered_by">>,
): StageResult {
  const before = stageOf(batch.state, name).result;
  const start_time = before.start_time ?? isoTime(batch.now);
  return {
    ...before,
    ...end,
    start_time,
    end_time: isoTime(batch.now),
    duration_ms: batch.now - timeOf(start_time),
  };
}
