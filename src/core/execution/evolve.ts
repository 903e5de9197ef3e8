// evolve(state, event): the only function that makes state. It applies an event without checking it again, so that the
// log of an earlier version always folds to the same state. `upcast` adds the fields that the first event of an earlier
// version lacks.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StageResult } from "../../contract/stage.ts";
import { addUsage } from "../../contract/usage.ts";
import { timeOf } from "../time.ts";
import type { CallEnd, LogEvent, LogEventOf, TerminalEvent } from "./log-event.ts";
import { pausedSpansAt, settle } from "./fold/clock.ts";
import { asked, type CallEndEvent, outsideEnded, signalled } from "./fold/outside.ts";
import { withStage } from "./fold/stages.ts";
import { type ExecutionState, type StageState, stageOf } from "./state.ts";
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
    // The deadline counts from its start.
    drained_at: isQueued ? at : null,
    pausedSpans: [],
    stages: spec.stages.map((stage) => ({
      phase: "pending",
      result: pendingResult(stage.name, stage.agent_type ?? null),
      call: 0,
      call_at: 0,
      first_call: 0,
      attempt: 0,
      repeated: false,
      due_at: 0,
      rescued: null,
      contract_faults: 0,
      previous_error: null,
      began_seq: 0,
      ended_seq: 0,
      isEventData: false,
      calls: [],
      waits: [],
      wait: null,
      outside: [],
      displaced: false,
      early: null,
      answers: [],
      said: null,
      questions: 0,
      asked: null,
      reply: null,
    })),
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
      const interrupted = event.data.mode === "abort" ? holdCalls(state, at) : state;
      return { ...interrupted, status: "paused", paused_at: at };
    }
    case "execution.resumed":
      return resumed(state);
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
    case "stage.started":
      return withStage(state, event, (stage) => ({
        phase: "calling",
        call: event.seq,
        call_at: at,
        first_call: stage.phase === "interrupted" && stage.first_call > 0 ? stage.first_call : event.seq,
        began_seq: stage.began_seq || event.seq,
        attempt: event.attempt,
        repeated: event.internal?.repeated === true,
        result: {
          ...stage.result,
          status: "running",
          // A fallback's call is no try.
          attempts: stage.rescued === null ? event.attempt : stage.result.attempts,
          start_time: stage.result.start_time ?? event.timestamp,
        },
        waits: stage.phase === "delayed" ? closeWait(stage, at) : stage.waits,
        displaced: false,
      }));
    case "stage.waiting":
      return asked(state, event, at);
    case "stage.signalled":
      return signalled(state, event);
    case "stage.retrying":
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
    case "stage.fallback":
      return {
        ...withStage(state, event, (stage) => fallenBack(stage, event, at)),
        recoveriesWithoutProgress: 0,
      };
    case "stage.completed":
    case "stage.failed":
    case "stage.skipped":
    case "stage.cancelled":
      return stageEnded(state, event, at);
  }
}

type EndOfStage = LogEventOf<"stage.completed" | "stage.failed" | "stage.skipped" | "stage.cancelled">;

function stageEnded(state: ExecutionState, event: EndOfStage, at: number): ExecutionState {
  const next = withStage(state, event, (stage) => {
    const hasResult = event.type === "stage.completed" || event.type === "stage.failed";
    const isEventData = hasResult && hasKeysOf(event.data, stage.result);
    const result = hasResult
      ? isEventData
        ? event.data
        : // A field that came after the event was written has the value of a stage that has no such thing.
          { ...stage.result, ...event.data }
      : endedWithoutResult(stage, event);
    return {
      ...callEnded(stage, event, at),
      ...outsideEnded(stage, event, at),
      phase: "ended",
      early: null,
      said: event.type === "stage.cancelled" ? (event.internal?.text ?? null) : null,
      // A stage may fail without a call, where its condition cannot be evaluated.
      began_seq: stage.began_seq || (result.start_time === null ? 0 : event.seq),
      ended_seq: event.seq,
      isEventData,
      waits: stage.phase === "delayed" ? closeWait(stage, at) : stage.waits,
      result,
    };
  });
  const kept = event.type === "stage.completed" ? event.internal : undefined;
  const patch = kept?.context;
  const { usage } = stageOf(next, event.stage).result;
  return {
    ...next,
    context: patch === undefined ? next.context : mergeContext(next.context, patch),
    context_bytes: next.context_bytes + (kept?.bytes ?? 0),
    usage: usage !== null ? addUsage(next.usage, usage) : next.usage,
    recoveriesWithoutProgress: 0,
  };
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
  { result, wait }: StageState,
  event: LogEventOf<"stage.skipped" | "stage.cancelled">,
): StageResult {
  return {
    ...result,
    status: event.status,
    end_time: event.timestamp,
    duration_ms: result.start_time === null ? 0 : timeOf(event.timestamp) - timeOf(result.start_time),
    skip_reason: event.type === "stage.skipped" ? event.data.reason : null,
    // A question that is open when its stage is skipped has had no answer in time.
    answered_by: event.type === "stage.skipped" && wait?.reason === "wait" ? "timeout" : result.answered_by,
  };
}

function callEnded(stage: StageState, event: CallEndEvent, at: number): Pick<StageState, "calls"> {
  // An agent that answers later works until its callback.
  if (stage.phase !== "calling" && stage.wait?.reason !== "callback") return { calls: stage.calls };
  // No agent was called: the stage is on the path, and takes no agent's time.
  // A cancelled call has no time of sending: it counts from its stage.started.
  const hasCallEnd = event.type !== "stage.cancelled" && event.type !== "stage.skipped";
  const end: CallEnd = (hasCallEnd ? event.internal : null) ?? {};
  if (end.uncalled === true) return { calls: [...stage.calls, [at, at]] };
  // A clock that was set back meanwhile must not make the call longer than it can have been.
  const began = Math.max(end.began_at ?? stage.call_at, stage.call_at);
  return { calls: [...stage.calls, [Math.min(began, at), at]] };
}

/** A wait is written with its planned end; it may have ended earlier (a cancel) or later (a pause). */
function closeWait(stage: StageState, at: number): StageState["waits"] {
  const last = stage.waits.at(-1);
  return last === undefined ? stage.waits : [...stage.waits.slice(0, -1), [last[0], at]];
}

/**
 * Interrupted calls are not tries: the stage has its earlier number of attempts again, and is called again. A crash does
 * not interrupt the work of an agent that answers later (I4), a pause in mode abort does.
 * @param pausedAt when a pause interrupted them; absent for a crash, whose calls count as no agent's time
 */
function holdCalls(state: ExecutionState, pausedAt?: number): ExecutionState {
  return {
    ...state,
    stages: state.stages.map((stage) =>
      stage.phase === "calling" || (pausedAt !== undefined && stage.wait?.reason === "callback")
        ? {
            ...stage,
            phase: "interrupted",
            // Its answer comes too late after a pause, and not after a crash.
            first_call: pausedAt === undefined ? stage.first_call : 0,
            wait: null,
            waits: pausedAt === undefined ? stage.waits : [...stage.waits, [stage.call_at, pausedAt]],
            result: {
              ...stage.result,
              status: "pending",
              attempts: stage.rescued === null ? stage.attempt - 1 : stage.result.attempts,
            },
          }
        : stage,
    ),
  };
}

/** The execution before it has ended: from here on its clock runs. */
function admitted(state: ExecutionState, event: LogEventOf<"execution.started">): ExecutionState {
  if (state.status !== "queued") throw new RangeError("duplicate execution.started");
  const history = event.internal?.history ?? state.spec.history;
  // What it takes over are the events that follow.
  const { reused: _, ...spec } = state.spec;
  return { ...state, status: "running", spec: { ...spec, history } };
}

function resumed(state: ExecutionState): ExecutionState {
  return { ...state, status: "running", paused_at: null, recoveriesWithoutProgress: 0 };
}

/** The context with an answer's patch laid over it, key by key. */
function mergeContext(context: JsonObject, patch: JsonObject): JsonObject {
  return { ...context, ...patch };
}

function pendingResult(stage: string, agent_type: string | null): StageResult {
  return {
    stage,
    agent_type,
    status: "pending",
    attempts: 0,
    start_time: null,
    end_time: null,
    duration_ms: null,
    data: null,
    error: null,
    cached: false,
    fallback: null,
    skip_reason: null,
    usage: null,
    answered_by: null,
    reused_from: null,
  };
}

/** What a dependant gets of a stage: its data, or null where it was skipped or failed. */
export function dataOf(state: ExecutionState, name: string): JsonObject | null {
  return stageOf(state, name).result.data;
}
