// advance: starts everything that may start now, and completes the execution when nothing is left. The only place
// that begins a call; does nothing unless the execution runs (I11).
import { Meter } from "../../expressions/cel.ts";
import { TIMINGS } from "../../timings.ts";
import { evaluateCondition } from "../../pipeline/condition.ts";
import { endExecution, failOrFallBack, skipStage } from "./endings.ts";
import { fallbackOf } from "../../resilience/fallback.ts";
import { agentStageOf, hasExpression, hasPlaceFor, nextToStart, specOf } from "../schedule.ts";
import { stageInput } from "../stage-input.ts";
import { type ExecutionState, stageOf } from "../state.ts";
import type { Batch } from "./batch.ts";
import { ask } from "./outside.ts";
import { scopeOf } from "./scope.ts";
import type { ResolvedStage } from "../../../contract/stage.ts";

export function advance(batch: Batch): void {
  for (const stage of batch.state.stages) {
    if (batch.state.status !== "running") return;
    const name = stage.result.stage;
    // A fallback's call has the attempt of the try that it follows.
    // One that has left its place to wait for the outside needs one again.
    if (stage.displaced && !hasPlaceFor(batch.state, specOf(batch.state, name))) continue;
    if (stage.phase === "interrupted") callStage(batch, name, Math.max(1, stage.attempt), true);
    else if (stage.phase === "delayed" && stage.due_at <= batch.now)
      callStage(batch, name, stage.attempt + 1, false);
  }
  let steps = 0;
  while (batch.state.status === "running") {
    if (batch.state.stages.every((stage) => stage.phase === "ended")) {
      endExecution(batch, "completed", null);
      return;
    }
    const next = nextToStart(batch.state);
    if (next === null) return;
    // The rest waits for a later batch: nextActions asks for it.
    if (hasExpression(next) && steps >= TIMINGS.CONDITION_STEPS) return;
    const meter = new Meter();
    startStage(batch, next, meter);
    steps += meter.spent;
  }
}

/** @param meter what its condition, its prompt and its input may cost */
function startStage(batch: Batch, stage: ResolvedStage, meter: Meter): void {
  if (stage.when !== undefined) {
    const verdict = evaluateCondition(stage.when, scopeOf(batch.state), meter);
    if (!verdict.ok) {
      cannotEvaluate(batch, stage.name, `when: ${verdict.error}`);
      return;
    }
    if (!verdict.value) {
      skipStage(batch, stage.name, `when is false: ${stage.when}`);
      return;
    }
  }
  const input = stageInput(batch.state, stage, meter);
  if (input !== null && !input.ok) cannotEvaluate(batch, stage.name, input.error);
  else if (stage.wait === undefined) callStage(batch, stage.name, 1, false);
  else ask(batch, stage, meter);
}

/** The stage fails by one of its expressions, or its fallback begins. */
function cannotEvaluate(batch: Batch, name: string, message: string): void {
  failOrFallBack(batch, name, { code: "INVALID_PIPELINE_CONFIG", message, retryable: false });
  if (stageOf(batch.state, name).phase === "interrupted") callStage(batch, name, 1, true);
}

/** A call begins with this event, durably, before it is made. */
function callStage(batch: Batch, name: string, attempt: number, repeated: boolean): void {
  const agent_type = calledAgent(batch.state, name);
  batch.emit({
    type: "stage.started",
    stage: name,
    status: "running",
    attempt,
    message: attempt === 1 ? `${name} started` : `${name} started, try ${attempt}`,
    data: { agent_type },
    ...(repeated ? { internal: { repeated } } : {}),
  });
}

/** The stage's agent, or the one that its fallback names. */
function calledAgent(state: ExecutionState, name: string): string {
  const stage = agentStageOf(state, name);
  if (stageOf(state, name).rescued === null) return stage.agent_type;
  const fallback = fallbackOf(stage, state.spec.config);
  return fallback?.strategy === "use_simple_model" ? fallback.agent_type : stage.agent_type;
}
