// The PipelineExecution of a state: what GET answers and what the terminal event carries.
import type { PerformanceMetrics, PipelineExecution } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { LIMITS } from "../../../contract/limits.ts";
import type { StageResult } from "../../../contract/stage.ts";
import { jsonPieces } from "../../json/json-pieces.ts";
import { sinks } from "../../pipeline/graph.ts";
import { isoTime } from "../../time.ts";
import { utf8Bytes } from "../../json/weight.ts";
import { covered, criticalPathOf, stagesOn } from "./critical-path.ts";
import type { ParentStage } from "../run-spec.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, isTerminal, type StageState, stageOf } from "../state.ts";
import { shownItems } from "../units/items.ts";
import { unitPlace } from "../units/unit-name.ts";

/** The current execution. */
export function viewExecution(state: ExecutionState): PipelineExecution {
  const { spec } = state;
  const running = state.stages.filter(
    ({ result }) => result.status === "running" || result.status === "waiting",
  );
  const current_stages = running.map((stage) => stage.result.stage);
  const results = state.stages.map((stage) => shownResult(state, stage));
  const isCut = results.some((result, at) => result !== state.stages[at]?.result);
  return {
    execution_id: spec.execution_id,
    status: state.status,
    query: spec.query,
    conversation_id: spec.conversation_id,
    pipeline: spec.pipeline,
    pipeline_version: spec.pipeline_version,
    start_time: isoTime(state.started_at),
    end_time: state.ended_at === null ? null : isoTime(state.ended_at),
    duration_ms: state.ended_at === null ? null : state.ended_at - state.started_at,
    current_stage: current_stages[0] ?? null,
    current_stages,
    stage_results: Object.fromEntries(results.map((result) => [result.stage, result])),
    final_result: finalResult(state),
    final_stages: finalStages(state),
    context_data: state.context,
    performance_metrics: performanceOf(state),
    error_info: state.error_info,
    usage: state.usage,
    execution_metadata: {
      recoveries: state.recoveries,
      storage: spec.storage,
      ...(spec.storage === "memory" ? { storage_note: MEMORY_NOTE } : {}),
      traceparent: spec.traceparent,
      config: spec.config,
      ...(state.superseded_by === null ? {} : { superseded_by: state.superseded_by }),
    },
    tags: spec.tags ?? {},
    ...(spec.budget === undefined ? {} : { budget: spec.budget }),
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    forked_from: spec.forked_from ?? null,
    ...(spec.parent === undefined ? {} : { parent: parentOf(spec.parent) }),
    ...(isCut ? { truncated: true } : {}),
  };
}

/** The stage that runs an execution, as readers see it. */
export function parentOf({ execution_id, unit }: ParentStage): NonNullable<PipelineExecution["parent"]> {
  return { execution_id, stage: unitPlace(unit).stage };
}

/** The result of a stage as readers get it: of one that maps, many large items are shown without their data. */
function shownResult(state: ExecutionState, { result }: StageState): StageResult {
  const { stage, data } = result;
  if (data === null || specOf(state, stage).map === undefined) return result;
  const shown = shownItems(data);
  return shown === data ? result : { ...result, data: shown };
}

const MEMORY_NOTE =
  "kept in memory only: a restart, a deploy or an eviction loses this execution and its events, " +
  "and they are deleted a minute after its end";

interface Shown {
  execution: PipelineExecution;
  json: string;
}

/** Cached views of states whose JSON is small: at its end the same view goes to the log and to every waiting caller. */
const remembered = new WeakMap<ExecutionState, Shown>();

function show(state: ExecutionState): Shown {
  const known = remembered.get(state);
  if (known !== undefined) return known;
  const execution = viewExecution(state);
  const shown = { execution, json: JSON.stringify(execution) };
  if (shown.json.length <= LIMITS.TERMINAL_EVENT_BYTES) remembered.set(state, shown);
  return shown;
}

/** The levels of an execution at which its JSON is cut: each stage's result and each context key is one piece. */
const PIECE_DEPTH = 2;

/** The execution as JSON, in pieces; one piece where it is short. */
export function executionPieces(state: ExecutionState): Iterator<string> {
  if (state.context_bytes <= LIMITS.TERMINAL_EVENT_BYTES) return [show(state).json].values();
  return jsonPieces(viewExecution(state), PIECE_DEPTH);
}

/** The execution in the terminal event: whole, or without stage data if that is too large. */
export function terminalData(state: ExecutionState): PipelineExecution {
  // Far beyond the limit the check does not need the text.
  if (state.context_bytes <= SURELY_TOO_LARGE) {
    const { execution, json } = show(state);
    if (utf8AtMost(json, LIMITS.TERMINAL_EVENT_BYTES)) return execution;
  }
  const execution = viewExecution(state);
  const stage_results = Object.fromEntries(
    Object.entries(execution.stage_results).map(([name, result]) => [
      name,
      { ...result, data: null, usage: null },
    ]),
  );
  const bulk = { stage_results, final_result: null, context_data: {}, usage: {} };
  return { ...execution, ...bulk, truncated: true };
}

/** Of `context_bytes`, which logs of earlier versions overstate where context keys were overwritten. */
const SURELY_TOO_LARGE = 16 * LIMITS.TERMINAL_EVENT_BYTES;

function utf8AtMost(text: string, limit: number): boolean {
  // A UTF-16 unit is one to three bytes: only the doubtful range needs counting.
  if (text.length > limit) return false;
  return text.length * 3 <= limit || utf8Bytes(text) <= limit;
}

/**
 * The data of the last stage; of several last stages, an object by name. Null where those are so large together that
 * an answer would hold them twice: they are in `stage_results` under the names of `final_stages`.
 */
export function finalResult(state: ExecutionState): unknown {
  return finalOf(state, (name) => shownResult(state, stageOf(state, name)).data);
}

/** The same as the stage of another execution gets it, with the data of all items. */
export function wholeResult(state: ExecutionState): unknown {
  return finalOf(state, (name) => stageOf(state, name).result.data);
}

function finalOf(state: ExecutionState, data: (name: string) => JsonObject | null): unknown {
  if (state.status !== "completed") return null;
  const last = finalStages(state);
  if (last.length === 1) return data(last[0] as string);
  const isLarge =
    state.context_bytes > LIMITS.FINAL_RESULT_BYTES &&
    last.reduce((sum, name) => sum + JSON.stringify(data(name)).length, 0) > LIMITS.FINAL_RESULT_BYTES;
  return isLarge ? null : Object.fromEntries(last.map((name) => [name, data(name)]));
}

/** The names of the stages that no other stage depends on, in definition order. */
function finalStages(state: ExecutionState): string[] {
  return sinks(state.spec.stages).map((stage) => stage.name);
}

function performanceOf(state: ExecutionState): PerformanceMetrics {
  const called = state.stages.filter((stage) => stage.calls.length > 0);
  // A Map: a stage may be called like something that every object inherits.
  const stage_ms = new Map(called.map((stage) => [stage.result.stage, total(stage.calls)]));
  const links = criticalPathOf(state);
  return {
    critical_path: stagesOn(links),
    critical_path_ms: links.reduce((sum, { kind, ms }) => (kind === "stage" ? sum + ms : sum), 0),
    critical_path_links: [...links],
    overhead_ms: overhead(state),
    stage_ms: Object.fromEntries(stage_ms),
    retries: state.stages.reduce((sum, stage) => sum + Math.max(0, stage.result.attempts - 1), 0),
    cache_hits: state.stages.filter((stage) => stage.result.cached).length,
  };
}

function total(spans: readonly (readonly [number, number])[]): number {
  return spans.reduce((sum, [from, to]) => sum + (to - from), 0);
}

/** The run's time less every moment in which an agent worked or was waited for, a delay or a pause lasted. */
function overhead(state: ExecutionState): number {
  if (!isTerminal(state.status) || state.ended_at === null) return 0;
  const spans = state.stages
    .flatMap((stage) => [...stage.calls, ...stage.waits, ...stage.queued])
    .concat(state.pausedSpans);
  return state.ended_at - state.started_at - covered(spans, state.started_at, state.ended_at);
}
