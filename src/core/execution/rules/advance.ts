// advance: starts everything that may start now, and completes the execution when nothing is left. The only place
// that begins a call; does nothing unless the execution runs (I11).
import { type FieldError, fieldMessage, Meter } from "../../expressions/field.ts";
import { TIMINGS } from "../../timings.ts";
import { evaluateCondition } from "../../pipeline/condition.ts";
import { endExecution, failOrFallBack, skipStage } from "./endings.ts";
import { calledType, hasExpression, hasPlaceAgain, nextItem, nextToStart, specOf } from "../schedule.ts";
import { stageInput } from "../stage-input.ts";
import { type ExecutionState, type StageState, stageOf } from "../state.ts";
import { checkBudget } from "../gates/budget.ts";
import { gateOf } from "../gates/gates.ts";
import type { Batch } from "./batch.ts";
import type { UnitName } from "../units/unit-name.ts";
import { iterationOf } from "../units/unit-scope.ts";
import { childId, childQuestion } from "../units/child.ts";
import { isOpen, unitsOf } from "../units/units.ts";
import { beginMap } from "./map.ts";
import { ask } from "./outside.ts";
import { FIRST_TRY, nextTry, queueUnit, type Try } from "../gates/queue.ts";
import { scopeOf } from "./scope.ts";
import type { ResolvedStage } from "../../../contract/stage.ts";

export function advance(batch: Batch): void {
  const blocked = new Set<UnitName>();
  batch.blocked = blocked;
  goOn(batch);
  let steps = 0;
  while (batch.state.status === "running") {
    if (batch.state.stages.every((stage) => stage.phase === "ended")) {
      endExecution(batch, "completed", null);
      return;
    }
    const item = nextItem(batch.state, blocked);
    const next = item === null ? nextToStart(batch.state, blocked) : specOf(batch.state, item);
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

/** Calls again what was interrupted, and what has waited for its next try or for its agent. */
function goOn(batch: Batch): void {
  for (const [name, unit] of unitsOf(batch.state)) {
    if (batch.state.status !== "running") return;
    // One that has left its place to wait for the outside needs one again.
    if (unit.displaced && !hasPlaceAgain(batch.state, name)) continue;
    if (isDue(unit, batch.now)) callUnit(batch, name, nextTry(unit));
  }
}

function isDue({ phase, due_at, queue }: StageState, now: number): boolean {
  switch (phase) {
    case "interrupted":
      return true;
    case "delayed":
      return due_at <= now;
    case "queued":
      // Its agent's object says when there is a place: no timer does.
      return queue?.reason !== "retry_after" || (queue.until ?? 0) <= now;
    default:
      return false;
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
  else callUnit(batch, name, FIRST_TRY);
}

/** The unit fails by one of its expressions, or its fallback begins. */
function cannotEvaluate(batch: Batch, name: UnitName, error: FieldError): void {
  const message = fieldMessage(error);
  failOrFallBack(batch, name, { code: "INVALID_PIPELINE_CONFIG", message, retryable: false });
  // The failure of an item may have ended its stage.
  if (isOpen(batch.state, name) && stageOf(batch.state, name).phase === "interrupted") {
    callUnit(batch, name, { attempt: 1, repeated: true });
  }
}

/** A call begins with this event, durably, before it is made; one that must wait begins to wait. */
function callUnit(batch: Batch, name: UnitName, { attempt, repeated }: Try): void {
  const agent_type = calledType(batch.state, name);
  if (checkBudget(batch)) return;
  const gate = gateOf(batch.state, batch.gates, name, agent_type);
  if (gate === "ask") {
    batch.blocked?.add(name);
    return;
  }
  if (gate !== "open") {
    queueUnit(batch, name, { attempt, repeated }, gate);
    return;
  }
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
