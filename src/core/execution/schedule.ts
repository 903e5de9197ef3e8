// Which stage goes next (I3, I10): ready stages in definition order, exclusive ones alone, and nothing overtakes an
// exclusive stage that waits.
import type { AgentStage, ResolvedStage } from "../../contract/stage.ts";
import { type ExecutionState, isActive, stageOf } from "./state.ts";

interface Ready {
  stage: ResolvedStage;
  exclusive: boolean;
  /** The `seq` at which the last dependency ended, from which on it was ready. */
  since: number;
}

/** The stage that may start now, or null. To be asked again after it has started. */
export function nextToStart(state: ExecutionState): ResolvedStage | null {
  const ready = readyStages(state);
  // An exclusive stage that was there first is not overtaken by what became ready later.
  const first = ready.find(
    (candidate) => !ready.some((other) => other.exclusive && other.since < candidate.since),
  );
  // A stage that waits for the outside takes no place.
  const question = ready.find(({ stage }) => stage.wait !== undefined);
  if (question !== undefined) return question.stage;
  return first !== undefined && hasPlaceFor(state, first.stage) ? first.stage : null;
}

/** True where a call of the stage may begin beside those that are active. */
export function hasPlaceFor(state: ExecutionState, stage: ResolvedStage): boolean {
  const active = state.stages.filter(isActive);
  if (active.length === 0) return true;
  if (isExclusive(state, stage) || active.length >= state.spec.config.max_concurrent_stages) return false;
  return !active.some(({ result }) => isExclusive(state, specOf(state, result.stage)));
}

function readyStages(state: ExecutionState): Ready[] {
  const ready: Ready[] = [];
  for (const [at, stage] of state.spec.stages.entries()) {
    if (state.stages[at]?.phase !== "pending") continue;
    let since = 0;
    let waits = false;
    for (const name of stage.depends_on) {
      const { phase, ended_seq } = stageOf(state, name);
      if (phase !== "ended") {
        waits = true;
        break;
      }
      since = Math.max(since, ended_seq);
    }
    if (!waits) ready.push({ stage, exclusive: isExclusive(state, stage), since });
  }
  return ready;
}

/** True where the stage runs with no other beside it. */
export function isExclusive(state: ExecutionState, stage: ResolvedStage): boolean {
  if (stage.wait !== undefined) return false;
  return !stage.parallel || !state.spec.config.enable_parallel_execution;
}

/** True where starting the stage evaluates an expression. */
export function hasExpression({ when, wait, input }: ResolvedStage): boolean {
  return when !== undefined || wait?.prompt !== undefined || input !== undefined;
}

/** The definition of a stage that the run has. */
export function specOf(state: ExecutionState, name: string): ResolvedStage {
  return state.spec.stages[state.index.get(name) as number] as ResolvedStage;
}

/** The definition of a stage that calls an agent. */
export function agentStageOf(state: ExecutionState, name: string): AgentStage {
  return specOf(state, name) as AgentStage;
}
