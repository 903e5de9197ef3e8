// A stage's `input`: an object whose members are expressions over the question, the results and the context, so that its
// agent need not know the names of other stages. Checked when a definition is written, evaluated for each call.
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { evaluate, Meter, parseExpression } from "../expressions/cel.ts";
import { jsonBytes } from "../json/weight.ts";
import type { ConditionScope } from "./condition.ts";

/** The object, or the first member that cannot be evaluated and what was found there, in one line. */
export function evaluateInput(
  input: Readonly<Record<string, string>>,
  scope: ConditionScope,
  meter = new Meter(),
): Result<JsonObject, string> {
  const values: [string, unknown][] = [];
  for (const [key, text] of Object.entries(input)) {
    const expression = parseExpression(text);
    const value = expression.ok ? evaluate(expression.value, { ...scope }, meter) : expression;
    if (!value.ok) return err(`input.${key}: ${value.error.message}, of ${text}`);
    values.push([key, value.value]);
  }
  const whole: JsonObject = Object.fromEntries(values);
  const bytes = jsonBytes(whole);
  if (bytes <= LIMITS.RESULT_BYTES) return ok(whole);
  return err(`input: its values are ${bytes} bytes, the limit is ${LIMITS.RESULT_BYTES}`);
}
