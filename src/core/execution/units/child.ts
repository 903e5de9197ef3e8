// The execution that a unit runs: its id, which is the same whenever it is asked for, so that there is one however often
// parent or child crash, and what it is started with.
import type { JsonObject } from "../../../contract/json.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import type { PipelineRunStage } from "../../../contract/stage.ts";
import { evaluateField, type FieldError, fieldMessage, Meter } from "../../expressions/field.ts";
import { hash64 } from "../../hash.ts";
import { callTraceparent } from "../../monitoring/tracing/trace-context.ts";
import { contextField, queryField } from "../../pipeline/condition.ts";
import { budgetLeft } from "../gates/budget.ts";
import { scopeOf } from "../rules/scope.ts";
import type { RunSpec } from "../run-spec.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, stageOf } from "../state.ts";
import { type UnitName, unitName, unitPlace } from "./unit-name.ts";
import { iterationOf, unitScope } from "./unit-scope.ts";

/** The id of the execution that the unit runs, or is to run, in its present iteration. */
export function childId({ spec, started_at }: ExecutionState, unit: UnitName, iteration: number): string {
  // An id may be used again once its execution is deleted: the start tells two of them apart.
  const of = `${spec.tenant}/${spec.execution_id}/${started_at}/${unit}/${iteration}`;
  return `ex_${hash64(of)}${hash64(`child of ${of}`)}`;
}

/** The execution that the unit runs now; null of a unit that runs none, or has begun none. */
export function childOf(state: ExecutionState, unit: UnitName): string | null {
  const { call } = stageOf(state, unit);
  if (specOf(state, unit).pipeline === undefined || call === 0) return null;
  return childId(state, unit, iterationOf(state, unit));
}

/** True where the unit has ended, so that nothing waits for its execution any more. */
export function isOver(state: ExecutionState, unit: UnitName): boolean {
  const { stage, item } = unitPlace(unit);
  const at = state.index.get(stage);
  const of = at === undefined ? undefined : state.stages[at];
  if (of === undefined || of.phase === "ended") return true;
  return item !== undefined && of.items?.units[item]?.phase === "ended";
}

/**
 * The executions of units that may not have ended, as far as their run knows: those that it waits for, and those of units
 * that have ended without the end of theirs. A unit that has failed may have, too: its text may have been too long.
 */
export function liveChildren(state: ExecutionState): { wanted: string[]; unwanted: string[] } {
  const live: { wanted: string[]; unwanted: string[] } = { wanted: [], unwanted: [] };
  for (const { items, result } of state.stages) {
    if (specOf(state, result.stage).pipeline === undefined) continue;
    const units =
      items === null ? [result.stage] : items.units.map((_, item) => unitName(result.stage, item));
    for (const unit of units) {
      const { status, fallback } = stageOf(state, unit).result;
      const child = status === "completed" && fallback === null ? null : childOf(state, unit);
      if (child !== null) (isOver(state, unit) ? live.unwanted : live.wanted).push(child);
    }
  }
  return live;
}

/** Every execution that a run's stages may have run, those of earlier iterations included; some may never have been. */
export function everyChild(state: ExecutionState): string[] {
  return state.stages.flatMap(({ items, began_seq, result }) => {
    const { pipeline, map, repeat } = specOf(state, result.stage);
    if (pipeline === undefined || began_seq === 0) return [];
    const given = result.data?.["items"];
    const count = items?.units.length ?? (Array.isArray(given) ? given.length : 0);
    const units =
      map === undefined
        ? [result.stage]
        : Array.from({ length: count }, (_, item) => unitName(result.stage, item));
    const iterations = repeat === undefined ? [0] : Array.from({ length: repeat.max }, (_, at) => at + 1);
    return units.flatMap((unit) => iterations.map((iteration) => childId(state, unit, iteration)));
  });
}

/** What a unit's pipeline is asked. */
export interface ChildQuestion {
  query: string;
  context: JsonObject;
}

/** @param meter what it may cost */
export function childQuestion(
  state: ExecutionState,
  unit: UnitName,
  meter: Meter = new Meter(),
): Result<ChildQuestion, FieldError> {
  const { query, context } = specOf(state, unit);
  const scope = { ...scopeOf(state), ...unitScope(state, unit) };
  const asked = query === undefined ? ok(state.spec.query) : evaluateField(queryField(query), scope, meter);
  if (!asked.ok) return asked;
  const given =
    context === undefined ? ok(state.context) : evaluateField(contextField(context), scope, meter);
  if (!given.ok) return given;
  return ok({ query: asked.value, context: given.value });
}

/** A stage on its own is of no pipeline. */
function outerOf({ outer_pipelines = [], pipeline, pipeline_version }: RunSpec): string[] {
  return pipeline_version === 0 ? outer_pipelines : [...outer_pipelines, pipeline];
}

/**
 * What the unit's execution is started with: definitions, agents and config are those that this one is pinned to.
 * @param call the `seq` of its stage.started
 */
export function childSpec(
  state: ExecutionState,
  unit: UnitName,
  call: number,
  now: number,
): Result<RunSpec, string> {
  const { spec } = state;
  const { pipeline, timeout_seconds } = specOf(state, unit) as PipelineRunStage;
  const pinned = spec.pipelines?.[pipeline];
  if (pinned === undefined)
    return err(`the pipeline ${pipeline} is not among those that the run is pinned to`);
  const question = childQuestion(state, unit);
  if (!question.ok) return err(fieldMessage(question.error));
  const { version, stages } = pinned;
  const left_seconds = Math.max(0.001, (state.deadline_at - now) / 1_000);
  const execution_id = childId(state, unit, iterationOf(state, unit));
  const {
    forked_from: _fork,
    reused: _reused,
    replaces: _turn,
    left_out: _left,
    on_busy: _busy,
    former_shards: _former,
    rests_alone: _alone,
    budget: _budget,
    ...own
  } = spec;
  const budget = budgetLeft(state);
  return ok({
    ...own,
    ...question.value,
    ...(budget === undefined ? {} : { budget }),
    execution_id,
    pipeline,
    pipeline_version: version,
    stages,
    inputs: {},
    on_disconnect: "continue",
    watched: false,
    config: { ...spec.config, pipeline_timeout_seconds: Math.min(timeout_seconds, left_seconds) },
    digest: `child of ${spec.execution_id}`,
    traceparent:
      spec.traceparent === null ? null : callTraceparent(spec.traceparent, spec.execution_id, call),
    // Its caller is the run, which has the conversation's turn.
    no_turn: true,
    keeps_history: true,
    parent: { execution_id: spec.execution_id, unit },
    ...(spec.config.budgets.length === 0 ? {} : { outer_pipelines: outerOf(spec) }),
  });
}
