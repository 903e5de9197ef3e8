// What a unit is about, as its agent's call and its expressions have it: an item of a list, an iteration.
import type { AgentCall } from "../../../contract/agent.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, stageOf } from "../state.ts";
import { type UnitName, unitPlace } from "./unit-name.ts";

/** The members of a call that a unit has beside those of any stage. */
export type UnitScope = Pick<AgentCall, "item" | "index" | "iteration" | "previous">;

export function unitScope(state: ExecutionState, name: UnitName): UnitScope {
  const { stage, item: index } = unitPlace(name);
  const iteration = iterationOf(state, name);
  return {
    ...(index === undefined ? {} : { item: stageOf(state, stage).values[index], index }),
    ...(iteration === 0 ? {} : { iteration, previous: stageOf(state, name).previous }),
  };
}

/** The iteration that a unit is in or is to begin, from 1; 0 of one without `repeat`. It begins with its first call. */
export function iterationOf(state: ExecutionState, name: UnitName): number {
  if (specOf(state, name).repeat === undefined) return 0;
  const { iteration, attempt } = stageOf(state, name);
  return attempt === 0 ? iteration + 1 : iteration;
}
