// What a unit's `input` is in a state. It is evaluated where the unit may start, as one of the batch's expressions, and
// is at hand when its agent is called a moment later.
import type { JsonObject } from "../../contract/json.ts";
import type { Result } from "../../contract/problem.ts";
import type { ResolvedStage } from "../../contract/stage.ts";
import type { FieldError, Meter } from "../expressions/field.ts";
import { evaluateInput } from "../pipeline/stage-input.ts";
import type { RunSpec } from "./run-spec.ts";
import { scopeOf } from "./rules/scope.ts";
import { specOf } from "./schedule.ts";
import type { ExecutionState } from "./state.ts";
import type { UnitName } from "./units/unit-name.ts";
import { unitScope } from "./units/unit-scope.ts";

/** The last input of a stage, with all that it was made of. */
interface Evaluated {
  spec: RunSpec;
  unit: UnitName;
  iteration: number | undefined;
  context: JsonObject;
  data: readonly (JsonObject | null)[];
  input: Result<JsonObject, FieldError>;
}

const evaluated = new WeakMap<ResolvedStage, Evaluated>();

/**
 * Null for a unit without one.
 * @param meter what it may cost; absent where it has been evaluated for this state, or is a further try's
 */
export function stageInput(
  state: ExecutionState,
  unit: UnitName,
  meter?: Meter,
): Result<JsonObject, FieldError> | null {
  const stage = specOf(state, unit);
  if (stage.input === undefined) return null;
  const { spec, context, stages } = state;
  const about = unitScope(state, unit);
  const known = evaluated.get(stage);
  const isSame =
    known?.spec === spec &&
    known.unit === unit &&
    known.iteration === about.iteration &&
    known.context === context &&
    stages.every(({ result }, at) => result.data === known.data[at]);
  if (isSame) return known.input;
  const input = evaluateInput(stage.input, { ...scopeOf(state), ...about }, meter);
  const data = stages.map(({ result }) => result.data);
  evaluated.set(stage, { spec, unit, iteration: about.iteration, context, data, input });
  return input;
}
