// Which stage goes next (I3, I10): ready stages in definition order, exclusive ones alone, and nothing overtakes an
// exclusive stage that waits.
import type { AgentStage, ResolvedStage } from "../../contract/stage.ts";
import { fallbackOf } from "../resilience/fallback.ts";
import { LIMITS } from "../../contract/limits.ts";
import { type ExecutionState, isActive, type MappedItems, stageOf } from "./state.ts";
import { type UnitName, unitName, unitPlace } from "./units/unit-name.ts";

interface Ready {
  stage: ResolvedStage;
  exclusive: boolean;
  /** The `seq` at which the last dependency ended, from which on it was ready. */
  since: number;
}

/** Units that cannot start now, for a reason that the schedule does not know. */
type Blocked = ReadonlySet<UnitName>;
const NONE: Blocked = new Set();

/** The stage that may start now, or null. To be asked again after it has started, or is found to be blocked. */
export function nextToStart(state: ExecutionState, blocked: Blocked = NONE): ResolvedStage | null {
  const ready = readyStages(state).filter(({ stage }) => !blocked.has(stage.name));
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
function hasPlaceFor(state: ExecutionState, stage: ResolvedStage): boolean {
  const active = state.stages.filter(isActive);
  if (active.length === 0) return true;
  if (isExclusive(state, stage) || active.length >= state.spec.config.max_concurrent_stages) return false;
  return !active.some(({ result }) => isExclusive(state, specOf(state, result.stage)));
}

/** The item that may start now, or null. To be asked again after it has started, or is found to be blocked. */
export function nextItem(state: ExecutionState, blocked: Blocked = NONE): UnitName | null {
  for (const { items, phase, result } of state.stages) {
    if (items === null || phase === "ended" || items.begun >= items.units.length) continue;
    const item = unitName(result.stage, items.begun);
    if (blocked.has(item)) continue;
    const { map, agent_type } = specOf(state, result.stage);
    // One that waits for its agent's callback is at work.
    const isFull = items.open.length >= (map?.concurrency ?? 0);
    if (!isFull && (agent_type === undefined || hasConnection(items)) && hasPlaceAgain(state, result.stage))
      return item;
  }
  return null;
}

/** False where further items would queue for a connection, and the calls of other stages behind them. */
function hasConnection({ open, units }: MappedItems): boolean {
  const sent = open.filter((at) => units[at]?.phase === "calling");
  return sent.length < LIMITS.CONCURRENT_STAGES;
}

/** True where a further call may begin, of a unit that may have left its place. */
export function hasPlaceAgain(state: ExecutionState, name: UnitName): boolean {
  const stage = stageOf(state, unitPlace(name).stage);
  return isActive(stage) || hasPlaceFor(state, specOf(state, name));
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
export function hasExpression({ when, wait, input, map, query, context }: ResolvedStage): boolean {
  return [when, wait?.prompt, input, map, query, context].some((text) => text !== undefined);
}

/** The definition of a stage that the run has, or of an item's stage. */
export function specOf(state: ExecutionState, name: UnitName): ResolvedStage {
  return state.spec.stages[state.index.get(unitPlace(name).stage) as number] as ResolvedStage;
}

/** The definition of a stage that calls an agent; of one that runs a pipeline what both have. */
export function agentStageOf(state: ExecutionState, name: UnitName): AgentStage {
  return specOf(state, name) as AgentStage;
}

/** The type of the unit's agent, or of the one that its fallback names; null where it runs a pipeline. */
export function calledType(state: ExecutionState, name: UnitName): string | null {
  const stage = specOf(state, name);
  if (stage.agent_type === undefined) return null;
  if (stageOf(state, name).rescued === null) return stage.agent_type;
  const fallback = fallbackOf(stage, state.spec.config);
  return fallback?.strategy === "use_simple_model" ? fallback.agent_type : stage.agent_type;
}
