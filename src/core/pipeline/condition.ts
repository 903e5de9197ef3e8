// A stage's `when`: an expression over `query`, `results` and `context` that says whether the stage runs. Checked when
// a definition is written, evaluated before the stage would start.
import type { JsonObject } from "../../contract/json.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import {
  checkExpression,
  evaluate,
  keysOf,
  type Meter,
  parseExpression,
  type Variables,
} from "../expressions/cel.ts";

/** The variables of an expression; a stage without data is null in `results`. */
export interface ConditionScope {
  query: string;
  results: Record<string, unknown>;
  context: Record<string, unknown>;
}

const VARIABLES: Variables = {
  query: { kind: "string", least: 1 },
  results: { kind: "map" },
  context: { kind: "map" },
};

/** The reason why `text` cannot be a condition, or null. */
export function conditionFault(text: string): string | null {
  const expression = parseExpression(text);
  if (!expression.ok) return expression.error.message;
  const kind = checkExpression(expression.value, VARIABLES);
  if (!kind.ok) return kind.error.message;
  return kind.value === "bool" || kind.value === "dyn" ? null : `returns ${kind.value}, not bool`;
}

/** The reason why `text` cannot be an expression, of whatever it gives, or null. */
export function valueFault(text: string): string | null {
  const expression = parseExpression(text);
  if (!expression.ok) return expression.error.message;
  const kind = checkExpression(expression.value, VARIABLES);
  return kind.ok ? null : kind.error.message;
}

/** The reason why `text` cannot be an expression that gives an object, or null. */
export function objectFault(text: string): string | null {
  const expression = parseExpression(text);
  if (!expression.ok) return expression.error.message;
  const kind = checkExpression(expression.value, VARIABLES);
  if (!kind.ok) return kind.error.message;
  return kind.value === "map" || kind.value === "dyn" ? null : `returns ${kind.value}, not an object`;
}

/** Evaluates an expression that gives an object; the error of one that does not is one line of text. */
export function evaluateObject(
  text: string,
  scope: ConditionScope,
  meter?: Meter,
): Result<JsonObject, string> {
  const expression = parseExpression(text);
  if (!expression.ok) return err(expression.error.message);
  const result = evaluate(expression.value, { ...scope }, meter);
  if (!result.ok) return err(result.error.message);
  const { value } = result;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? ok(value as JsonObject) : err("does not give an object");
}

/** The stages whose results a condition names; none if the text is not a condition. */
export function stagesNamed(text: string): string[] {
  const expression = parseExpression(text);
  return expression.ok ? keysOf(expression.value, "results") : [];
}

/** Evaluates a condition. The error of one that cannot be evaluated, or gives no boolean, is one line of text. */
export function evaluateCondition(
  text: string,
  scope: ConditionScope,
  meter?: Meter,
): Result<boolean, string> {
  const expression = parseExpression(text);
  if (!expression.ok) return err(expression.error.message);
  const result = evaluate(expression.value, { ...scope }, meter);
  if (!result.ok) return err(result.error.message);
  return typeof result.value === "boolean"
    ? ok(result.value)
    : err(`returns ${typeof result.value}, not bool`);
}
