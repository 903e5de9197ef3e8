// advance: starts everything that may start now, and completes the execution when nothing is left. The only place
// that begins a call; does nothing unless the execution runs (I11).
import { type FieldError, fieldMessage, Meter } from "../../expressions/field.ts";
import { TIMINGS } from "../../timings.ts";
import { evaluateCondition } from "../../pipeline/condition.ts";
import { endExecution, failOrFallBack, skipStage } from "./endings.ts";
import { fallbackOf } from "../../resilience/fallback.ts";
import { hasExpression, hasPlaceAgain, nextItem, nextToStart, specOf } from "../schedule.ts";
import { stageInput } from "../stage-input.ts";
import { type ExecutionState, stageOf } from "../state.ts";
import type { Batch } from "./batch.ts";
import type { UnitName } from "../units/unit-name.ts";
import { iterationOf } from "../units/unit-scope.ts";
import { childId, childQuestion } from "../units/child.ts";
import { isOpen, unitsOf } from "../units/units.ts";
import { beginMap } from "./map.ts";
import { ask } from "./outside.ts";
import { scopeOf } from "./scope.ts";
import type { ResolvedStage } from "../../../contract/stage.ts";

export function advance(batch: Batch): void {
  goOn(batch);
  let steps = 0;
  while (batch.state.status === "running") {
    if (batch.state.stages.every((stage) => stage.phase === "ended")) {
      endExecution(batch, "completed", null);
      return;
    }
    const item = nextItem(batch.state);
    const next = item === null ? nextToStart(batch.state) : specOf(batch.state, item);
    if (next === null) return;
    // The rest waits for a later batch: nextActions asks for it.
    if (hasExpression(next) && steps >= TIMINGS.CONDITION_STEPS) return;
    const meter = new Meter();
    if (item === null) startStage(batch, next, meter);
    else startUnit(batch, item, meter);
    steps += meter.spent;
    // What has ended without a call has left its place to those that were there before.
    if (batch.events.at(-1)?.type !== "stage.started") goOn(batch);
  }
}

/** Calls again what was interrupted, and what has waited for its next try. */
function goOn(batch: Batch): void {
  for (const [name, unit] of unitsOf(batch.state)) {
    if (batch.state.status !== "running") return;
    // A fallback's call has the attempt of the try that it follows.
    // One that has left its place to wait for the outside needs one again.
    if (unit.displaced && !hasPlaceAgain(batch.state, name)) continue;
    if (unit.phase === "interrupted") {
      // The first try of an iteration is no repetition.
      callUnit(batch, name, Math.max(1, unit.attempt), unit.attempt > 0 || unit.rescued !== null);
    } else if (unit.phase === "delayed" && unit.due_at <= batch.now)
      callUnit(batch, name, unit.attempt + 1, false);
  }
}

/** @param meter what its condition, its prompt and its input may cost */
function startStage(batch: Batch, stage: ResolvedStage, meter: Meter): void {
  if (stage.when !== undefined) {
    const verdict = evaluateCondition(stage.when, scopeOf(batch.state), meter);
    if (!verdict.ok) {
      cannotEvaluate(batch, stage.name, verdict.error);
      return;
    }
    if (!verdict.value) {
      skipStage(batch, stage.name, `when is false: ${stage.when}`);
      return;
    }
  }
  if (stage.wait !== undefined) ask(batch, stage, meter);
  else if (stage.map !== undefined) beginMap(batch, stage, stage.map, meter);
  else startUnit(batch, stage.name, meter);
}

/** @param meter what its input may cost */
function startUnit(batch: Batch, name: UnitName, meter: Meter): void {
  const isNested = specOf(batch.state, name).pipeline !== undefined;
  const input = isNested ? childQuestion(batch.state, name, meter) : stageInput(batch.state, name, meter);
  if (input !== null && !input.ok) cannotEvaluate(batch, name, input.error);
  else callUnit(batch, name, 1, false);
}

/** The unit fails by one of its expressions, or its fallback begins. */
function cannotEvaluate(batch: Batch, name: UnitName, error: FieldError): void {
  const message = fieldMessage(error);
  failOrFallBack(batch, name, { code: "INVALID_PIPELINE_CONFIG", message, retryable: false });
  // The failure of an item may have ended its stage.
  if (isOpen(batch.state, name) && stageOf(batch.state, name).phase === "interrupted") {
    callUnit(batch, name, 1, true);
  }
}

/** A call begins with this event, durably, before it is made. */
function callUnit(batch: Batch, name: UnitName, attempt: number, repeated: boolean): void {
  const agent_type = calledAgent(batch.state, name);
  const child = childIn(batch.state, name);
  const iteration = iterationOf(batch.state, name);
  const again = attempt > 1 ? `, try ${attempt}` : "";
  batch.emit({
    type: "stage.started",
    stage: name,
    status: "running",
    attempt,
    message: `${name} started${iteration > 1 ? `, iteration ${iteration}` : ""}${again}`,
    data: { agent_type, ...child, ...(iteration === 0 ? {} : { iteration }) },
    ...(repeated ? { internal: { repeated } } : {}),
  });
}

/** The execution that the call starts or follows. */
function childIn(state: ExecutionState, name: UnitName): { child_execution_id?: string } {
  if (specOf(state, name).pipeline === undefined) return {};
  return { child_execution_id: childId(state, name, iterationOf(state, name)) };
}

/** The unit's agent, or the one that its fallback names; null where it runs a pipeline. */
function calledAgent(state: ExecutionState, name: UnitName): string | null {
  const stage = specOf(state, name);
  if (stage.agent_type === undefined) return null;
  if (stageOf(state, name).rescued === null) return stage.agent_type;
  const fallback = fallbackOf(stage, state.spec.config);
  return fallback?.strategy === "use_simple_model" ? fallback.agent_type : stage.agent_type;
}
