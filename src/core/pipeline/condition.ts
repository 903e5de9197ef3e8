// A stage's `when`: an expression over `query`, `results` and `context` that says whether the stage runs. Checked when
// a definition is written, evaluated before the stage would start.
import type { JsonObject } from "../../contract/json.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";
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
  /** Of a unit of a stage with `map` or `repeat`, see the contract's AgentCall; `result` is what `until` is about. */
  item?: unknown;
  index?: number | undefined;
  iteration?: number | undefined;
  previous?: JsonObject | null | undefined;
  result?: JsonObject;
}

const VARIABLES: Variables = {
  query: { kind: "string", least: 1 },
  results: { kind: "map" },
  context: { kind: "map" },
};

/** What a stage's expressions see beside them, by what the stage is. */
const OF_ITEMS: Variables = { item: { kind: "dyn" }, index: { kind: "int" } };
const OF_ITERATIONS: Variables = { iteration: { kind: "int" }, previous: { kind: "dyn" } };

/** The variables of a stage's `input`. */
export function inputVariables({ map, repeat }: Pick<PipelineStage, "map" | "repeat">): Variables {
  return {
    ...VARIABLES,
    ...(map === undefined ? {} : OF_ITEMS),
    ...(repeat === undefined ? {} : OF_ITERATIONS),
  };
}

/** The variables of `repeat.until`. */
export const UNTIL_VARIABLES: Variables = {
  ...VARIABLES,
  iteration: { kind: "int" },
  result: { kind: "map" },
};

/** The reason why `text` cannot be a condition, or null. */
export function conditionFault(text: string, variables = VARIABLES): string | null {
  return kindFault(text, "bool", "bool", variables);
}

/** The reason why `text` cannot be an expression, whatever kind of value it gives, or null. */
export function valueFault(text: string, variables = VARIABLES): string | null {
  return kindFault(text, null, "", variables);
}

/** The reason why `text` cannot be an expression that gives an object, or null. */
export function objectFault(text: string, variables = VARIABLES): string | null {
  return kindFault(text, "map", "an object", variables);
}

/** The reason why `text` cannot be an expression that gives a text, or null. */
export function textFault(text: string, variables = VARIABLES): string | null {
  return kindFault(text, "string", "a string", variables);
}

/** The reason why `text` cannot be an expression that gives a list, or null. */
export function listFault(text: string): string | null {
  return kindFault(text, "list", "a list", VARIABLES);
}

function kindFault(text: string, wanted: string | null, name: string, variables: Variables): string | null {
  const expression = parseExpression(text);
  if (!expression.ok) return expression.error.message;
  const kind = checkExpression(expression.value, variables);
  if (!kind.ok) return kind.error.message;
  return wanted === null || kind.value === wanted || kind.value === "dyn"
    ? null
    : `returns ${kind.value}, not ${name}`;
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

/** Evaluates an expression that gives a text; the error of one that does not is one line of text. */
export function evaluateText(text: string, scope: ConditionScope, meter?: Meter): Result<string, string> {
  const expression = parseExpression(text);
  if (!expression.ok) return err(expression.error.message);
  const result = evaluate(expression.value, { ...scope }, meter);
  if (!result.ok) return err(result.error.message);
  return typeof result.value === "string" ? ok(result.value) : err("does not give a string");
}

/** Evaluates an expression that gives a list; the error of one that does not is one line of text. */
export function evaluateList(text: string, scope: ConditionScope, meter?: Meter): Result<unknown[], string> {
  const expression = parseExpression(text);
  if (!expression.ok) return err(expression.error.message);
  const result = evaluate(expression.value, { ...scope }, meter);
  if (!result.ok) return err(result.error.message);
  return Array.isArray(result.value) ? ok(result.value) : err("does not give a list");
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
