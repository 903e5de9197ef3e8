// evolve(state, event): the only function that makes state. It applies an event without checking it again, so that the
// log of an earlier version always folds to the same state. `upcast` adds the fields that the first event of an earlier
// version lacks.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StageResult, Usage } from "../../contract/stage.ts";
import { addUsage, followedBy } from "../../contract/usage.ts";
import { timeOf } from "../time.ts";
import type { LogEvent, LogEventOf, TerminalEvent } from "./log-event.ts";
import { callEnded, holdCall, holdCalls } from "./fold/calls.ts";
import { pausedSpansAt, settle } from "./fold/clock.ts";
import { asked, outsideEnded, signalled } from "./fold/outside.ts";
import { queuedCall, queueLeft } from "./fold/queue.ts";
import { iterated } from "./fold/iterations.ts";
import { withInterrupted, withUsage } from "./fold/usage.ts";
import { newUnit, withStage } from "./fold/stages.ts";
import { type ExecutionState, type StageState, stageOf } from "./state.ts";
import { gathered, spansOf, totalsOf } from "./units/items.ts";
import { cachePolicy } from "../caching/cached-result.ts";
import { specOf } from "./schedule.ts";
import { upcast } from "./log-format/upcast.ts";

type WithError<Event> = Event extends { data: unknown }
  ? Omit<Event, "data"> & { data: Pick<PipelineExecution, "error_info"> }
  : never;
/** An event as it is folded: of the execution that a terminal one carries, only the error. */
export type FoldedEvent = Exclude<LogEvent, TerminalEvent> | WithError<TerminalEvent>;

/** Folds one event. `state` is null before the first, which must be execution.started. */
export function evolve(state: ExecutionState | null, event: FoldedEvent): ExecutionState {
  const at = timeOf(event.timestamp);
  if (state === null) return begin(event, at);
  return settle(fold({ ...state, seq: event.seq, updated_at: at }, event, at), at);
}

/** The state of a whole log, or null for an empty one. */
export function replay(events: Iterable<LogEvent>): ExecutionState | null {
  let state: ExecutionState | null = null;
  for (const event of events) state = evolve(state, event);
  return state;
}

function begin(event: FoldedEvent, at: number): ExecutionState {
  if (event.type !== "execution.started" && event.type !== "execution.queued") {
    throw new RangeError(`a log begins with execution.started or execution.queued, not with ${event.type}`);
  }
  const { spec, context_bytes } = upcast(event);
  const isQueued = event.type === "execution.queued";
  return {
    spec,
    status: isQueued ? "queued" : "running",
    seq: event.seq,
    started_at: at,
    updated_at: at,
    ended_at: null,
    deadline_at: at + spec.config.pipeline_timeout_seconds * 1_000,
    paused_at: null,
    lastPause: null,
    isOverspent: false,
    // The deadline counts from its start.
    drained_at: isQueued ? at : null,
    pausedSpans: [],
    stages: spec.stages.map((stage) => newUnit(stage.name, stage.agent_type ?? null)),
    index: new Map(spec.stages.map((stage, at) => [stage.name, at])),
    context: spec.context,
    context_bytes,
    usage: {},
    error_info: null,
    superseded_by: null,
    recoveries: 0,
    recoveriesWithoutProgress: 0,
  };
}

function fold(state: ExecutionState, event: FoldedEvent, at: number): ExecutionState {
  switch (event.type) {
    case "execution.queued":
      throw new RangeError("execution.queued is not the first event");
    case "execution.started":
      return admitted(state, event);
    case "execution.paused": {
      const { mode } = event.data;
      const { unsent, used } = event.internal ?? {};
      const held = unsent === undefined ? state : holdCall(state, unsent);
      return {
        ...(mode === "abort" ? withInterrupted(holdCalls(held, at), used) : held),
        status: "paused",
        // It may be paused already: each call that was not made says so.
        paused_at: state.paused_at ?? at,
        lastPause: mode,
        isOverspent: "scope" in event.data,
      };
    }
    case "execution.resumed":
      return resumed(state, event);
    case "execution.recovered":
      return {
        ...holdCalls(state),
        recoveries: state.recoveries + 1,
        recoveriesWithoutProgress: state.recoveriesWithoutProgress + 1,
      };
    case "execution.completed":
    case "execution.failed":
    case "execution.cancelled":
      return {
        ...state,
        status: event.status,
        ended_at: at,
        pausedSpans: pausedSpansAt(state, at),
        error_info: event.data.error_info ?? null,
        superseded_by: event.internal?.superseded_by ?? null,
      };
    case "stage.queued":
      return queuedCall(state, event, at);
    case "stage.started":
      if (event.data.items !== undefined) return mapBegan(state, event);
      return withStage(state, event, (stage) => ({
        phase: "calling",
        call: event.seq,
        call_at: at,
        first_call: stage.phase === "interrupted" && stage.first_call > 0 ? stage.first_call : event.seq,
        began_seq: stage.began_seq || event.seq,
        attempt: event.attempt,
        repeated: event.internal?.repeated === true,
        iteration: event.data.iteration ?? 0,
        result: {
          ...stage.result,
          status: "running",
          ...(event.data.iteration === undefined ? {} : { iterations: event.data.iteration }),
          // A fallback's call is no try.
          attempts: stage.rescued === null ? event.attempt : stage.result.attempts,
          start_time: stage.result.start_time ?? event.timestamp,
        },
        waits: stage.phase === "delayed" ? closeWait(stage, at) : stage.waits,
        ...queueLeft(stage, at),
        displaced: false,
      }));
    case "stage.iterated":
      return withUsage(iterated(state, event, at), event);
    case "stage.waiting":
      return withUsage(asked(state, event, at), event);
    case "stage.signalled":
      return signalled(state, event);
    case "stage.retrying":
      return withUsage(retrying(state, event, at), event);
    case "stage.fallback":
      return withUsage(
        {
          ...withStage(state, event, (stage) => fallenBack(stage, event, at)),
          recoveriesWithoutProgress: 0,
        },
        event,
      );
    case "stage.completed":
    case "stage.failed":
    case "stage.skipped":
    case "stage.cancelled":
      return stageEnded(state, event, at);
  }
}

function retrying(state: ExecutionState, event: LogEventOf<"stage.retrying">, at: number): ExecutionState {
  return {
    ...withStage(state, event, (stage) => ({
      ...callEnded(stage, event, at),
      ...outsideEnded(stage, event, at),
      phase: "delayed",
      due_at: at + event.data.delay_ms,
      contract_faults: stage.contract_faults + (event.internal?.contract === true ? 1 : 0),
      previous_error: event.internal?.contract === true ? event.data.error : null,
      result: {
        ...stage.result,
        status: "running",
        attempts: event.attempt,
        error: event.data.error,
      },
      waits: [...stage.waits, [at, at + event.data.delay_ms]],
    })),
    recoveriesWithoutProgress: 0,
  };
}

type EndOfStage = LogEventOf<"stage.completed" | "stage.failed" | "stage.skipped" | "stage.cancelled">;

function stageEnded(state: ExecutionState, event: EndOfStage, at: number): ExecutionState {
  const next = withStage(state, event, (stage) => {
    const hasResult = event.type === "stage.completed" || event.type === "stage.failed";
    const isEventData = hasResult && hasKeysOf(event.data, stage.result);
    const whole = hasResult
      ? isEventData
        ? event.data
        : // A field that came after the event was written has the value of a stage that has no such thing.
          { ...stage.result, ...event.data }
      : endedWithoutResult(stage, event);
    const { items } = stage;
    const isCut = items !== null && whole.data?.truncated === true;
    const result = isCut ? { ...whole, data: gathered(items) } : whole;
    return {
      ...(items === null
        ? { ...callEnded(stage, event, at), ...outsideEnded(stage, event, at) }
        : spansOf(items)),
      phase: "ended",
      // The executions that its items run end after it.
      items: event.status !== "completed" && specOf(state, event.stage).pipeline !== undefined ? items : null,
      values: cachePolicy(specOf(state, event.stage), state.spec.config) === null ? [] : stage.values,
      previous: null,
      early: null,
      said: event.type === "stage.cancelled" ? (event.internal?.text ?? null) : null,
      // A stage may fail without a call, where its condition cannot be evaluated.
      began_seq: stage.began_seq || (result.start_time === null ? 0 : event.seq),
      ended_seq: event.seq,
      isEventData: isEventData && !isCut,
      ...(stage.phase === "delayed" ? { waits: closeWait(stage, at) } : {}),
      result,
    };
  });
  const kept = event.type === "stage.completed" ? event.internal : undefined;
  const patch = kept?.context;
  const usage = usageOf(event);
  return {
    ...next,
    context: patch === undefined ? next.context : mergeContext(next.context, patch),
    context_bytes: next.context_bytes + (kept?.bytes ?? 0),
    usage: usage !== null ? addUsage(next.usage, usage) : next.usage,
    recoveriesWithoutProgress: 0,
  };
}

/** What an end adds to the execution's usage (I20): of items and of iterations it has the usage already. */
function usageOf(event: EndOfStage): Usage | null {
  if (event.type === "stage.skipped") return null;
  if (event.type === "stage.cancelled") return event.internal?.usage ?? null;
  return event.internal?.usage ?? event.data.usage ?? null;
}

/** The list of a stage that maps is known: its items are to be called. */
function mapBegan(state: ExecutionState, event: LogEventOf<"stage.started">): ExecutionState {
  const { over = [], bytes = 0 } = event.internal ?? {};
  const none = newUnit(event.stage, event.data.agent_type);
  const next = withStage(state, event, (stage) => ({
    phase: "mapping",
    attempt: event.attempt,
    began_seq: event.seq,
    items: { units: over.map(() => none), begun: 0, open: [] },
    values: over,
    result: { ...stage.result, status: "running", start_time: event.timestamp },
  }));
  return { ...next, context_bytes: next.context_bytes + bytes, recoveriesWithoutProgress: 0 };
}

/** True where both have the same keys in the same order. */
function hasKeysOf(result: StageResult, other: StageResult): boolean {
  const keys = Object.keys(other);
  const own = Object.keys(result);
  return own.length === keys.length && own.every((key, at) => key === keys[at]);
}

/** A fallback keeps the stage's place: its lookup is in flight, or its agent is called as soon as possible. */
function fallenBack(stage: StageState, event: LogEventOf<"stage.fallback">, at: number): Partial<StageState> {
  const uncalled = stage.phase === "calling" && event.internal?.uncalled === true;
  const isLookup = event.data.strategy === "use_cached_results";
  return {
    ...callEnded(stage, event, at),
    ...outsideEnded(stage, event, at),
    phase: isLookup ? "lookup" : "interrupted",
    call: isLookup ? event.seq : stage.call,
    call_at: isLookup ? at : stage.call_at,
    first_call: 0,
    began_seq: stage.began_seq || event.seq,
    rescued: event.internal?.rescued ?? null,
    waits: stage.phase === "delayed" ? closeWait(stage, at) : stage.waits,
    result: {
      ...stage.result,
      status: "running",
      attempts: uncalled
        ? stage.attempt - 1
        : event.internal?.answered === undefined
          ? stage.result.attempts
          : stage.attempt,
      start_time: stage.result.start_time ?? event.timestamp,
      fallback: event.data,
    },
  };
}

function endedWithoutResult(
  { result, wait, items, used }: StageState,
  event: LogEventOf<"stage.skipped" | "stage.cancelled">,
): StageResult {
  const last = event.type === "stage.cancelled" ? event.internal?.usage : undefined;
  const usage = last === undefined ? used : followedBy(used, last);
  return {
    ...result,
    ...(usage === null ? {} : { usage }),
    ...(items === null ? {} : totalsOf(items)),
    status: event.status,
    end_time: event.timestamp,
    duration_ms: result.start_time === null ? 0 : timeOf(event.timestamp) - timeOf(result.start_time),
    skip_reason: event.type === "stage.skipped" ? event.data.reason : null,
    // A question that is open when its stage is skipped has had no answer in time.
    answered_by: event.type === "stage.skipped" && wait?.reason === "wait" ? "timeout" : result.answered_by,
  };
}

/** A wait is written with its planned end; it may have ended earlier (a cancel) or later (a pause). */
function closeWait(stage: StageState, at: number): StageState["waits"] {
  const last = stage.waits.at(-1);
  return last === undefined ? stage.waits : [...stage.waits.slice(0, -1), [last[0], at]];
}

/** The execution before it has ended: from here on its clock runs. */
function admitted(state: ExecutionState, event: LogEventOf<"execution.started">): ExecutionState {
  if (state.status !== "queued") throw new RangeError("duplicate execution.started");
  const history = event.internal?.history ?? state.spec.history;
  // What it takes over are the events that follow.
  const { reused: _, ...spec } = state.spec;
  return { ...state, status: "running", spec: { ...spec, history } };
}

function resumed(state: ExecutionState, { data }: LogEventOf<"execution.resumed">): ExecutionState {
  const spec = data.budget === undefined ? state.spec : { ...state.spec, budget: data.budget };
  return {
    ...state,
    spec,
    status: "running",
    paused_at: null,
    isOverspent: false,
    recoveriesWithoutProgress: 0,
  };
}

/** The context with an answer's patch laid over it, key by key. */
function mergeContext(context: JsonObject, patch: JsonObject): JsonObject {
  return { ...context, ...patch };
}

/** What a dependant gets of a stage: its data, or null where it was skipped or failed. */
export function dataOf(state: ExecutionState, name: string): JsonObject | null {
  return stageOf(state, name).result.data;
}
