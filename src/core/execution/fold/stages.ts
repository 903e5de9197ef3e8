// How the fold changes one stage of a state.
import { type ExecutionState, type StageState, stageOf } from "../state.ts";

/** @throws RangeError where the event names a stage that the execution does not have */
export function withStage(
  state: ExecutionState,
  { type, stage: name }: { type: string; stage: string },
  change: (stage: StageState) => Partial<StageState>,
): ExecutionState {
  const at = state.index.get(name);
  if (at === undefined) throw new RangeError(`${type} names the unknown stage ${name}`);
  const stage = stageOf(state, name);
  return { ...state, stages: state.stages.with(at, { ...stage, ...change(stage) }) };
}
