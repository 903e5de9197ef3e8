// What the expressions of a stage see: the question, the results so far and the context.
import type { ConditionScope } from "../../pipeline/condition.ts";
import type { ExecutionState } from "../state.ts";

export function scopeOf(state: ExecutionState): ConditionScope {
  return {
    query: state.spec.query,
    results: {
      ...Object.fromEntries((state.spec.left_out ?? []).map((name) => [name, null])),
      ...state.spec.inputs,
      ...Object.fromEntries(state.stages.map((stage) => [stage.result.stage, stage.result.data])),
    },
    context: state.context,
  };
}
