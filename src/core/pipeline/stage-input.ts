// A stage's `input`: an object whose members are expressions over the question, the results and the context, so that its
// agent need not know the names of other stages. Checked when a definition is written, evaluated for each call.
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { evaluateField, type Field, type FieldError, fieldError, Meter } from "../expressions/field.ts";
import { textBytes } from "../json/weight.ts";
import type { ConditionScope } from "./condition.ts";

/** One member of an `input`. */
export function inputField(key: string, text: string): Field<"any"> {
  return { key: `input.${key}`, text, gives: "any" };
}

/** The object, or the error of the first member that cannot be evaluated. */
export function evaluateInput(
  input: Readonly<Record<string, string>>,
  scope: ConditionScope,
  meter: Meter = new Meter(),
): Result<JsonObject, FieldError> {
  const whole: [string, unknown][] = [];
  let bytes = 1;
  for (const [key, text] of Object.entries(input)) {
    const field = inputField(key, text);
    const before = meter.given;
    const value = evaluateField(field, { ...scope }, meter);
    if (!value.ok) return value;
    // With its colon and its comma.
    bytes += textBytes(key) + meter.given - before + 2;
    if (bytes > LIMITS.RESULT_BYTES) {
      return err(fieldError(field, `makes the input larger than ${LIMITS.RESULT_BYTES} bytes`));
    }
    whole.push([key, value.value]);
  }
  return ok(Object.fromEntries(whole));
}
