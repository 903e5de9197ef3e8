// The units of a state that may have a call.
import { type ExecutionState, type StageState, stageOf } from "../state.ts";
import { type UnitName, unitName, unitPlace } from "./unit-name.ts";

/** Each stage, or in its place the open items of a stage with `map`. */
export function* unitsOf({ stages }: ExecutionState): Generator<readonly [name: UnitName, unit: StageState]> {
  for (const stage of stages) {
    const { items, phase, result } = stage;
    if (items === null || phase === "ended") yield [result.stage, stage];
    else for (const item of items.open) yield [unitName(result.stage, item), items.units[item] as StageState];
  }
}

/** True where any unit satisfies the condition. */
export function someUnit(state: ExecutionState, condition: (unit: StageState) => boolean): boolean {
  for (const [, unit] of unitsOf(state)) if (condition(unit)) return true;
  return false;
}

/** The unit that a callback names; its stage where that has no items any more. */
export function calledUnit(state: ExecutionState, name: UnitName): UnitName {
  const { stage, item = -1 } = unitPlace(name);
  const { items } = stageOf(state, stage);
  return items?.units[item] === undefined ? stage : name;
}

/** False where an item's stage has ended, and its items with it. */
export function isOpen(state: ExecutionState, name: UnitName): boolean {
  const { stage, item } = unitPlace(name);
  return item === undefined || stageOf(state, stage).phase === "mapping";
}
