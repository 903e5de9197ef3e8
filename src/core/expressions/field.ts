// The expression fields of a stage, such as `when`: the only way to check one and to evaluate one. Each evaluation ends
// within the steps of its meter, and every error is the same three things: the field's key, its expression, and what was
// found in place of a value.
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { cutText } from "../../contract/text.ts";
import {
  checkExpression,
  evaluate,
  keysOf,
  type Meter,
  parseExpression,
  testedKeysOf,
  type Variables,
} from "./cel.ts";
import { type Kind, kindOf } from "./values/values.ts";

export { Meter } from "./cel.ts";
/** The names that an expression may see, each with its kind. */
export type { Variables as Names } from "./cel.ts";

/** What a field's expression gives. */
interface Gives {
  bool: boolean;
  string: string;
  list: readonly unknown[];
  object: JsonObject;
  any: unknown;
}

const KINDS: Readonly<Record<keyof Gives, Kind | null>> = {
  bool: "bool",
  string: "string",
  list: "list",
  object: "map",
  any: null,
};

export interface Field<G extends keyof Gives = keyof Gives> {
  /** Its place, as in `input.docs`. */
  readonly key: string;
  readonly text: string;
  readonly gives: G;
}

/** Why a field cannot be checked or evaluated. */
export interface FieldError {
  readonly key: string;
  /** The expression, on one line and cut to a bound. */
  readonly expression: string;
  /** What is wrong: the position of a mistake, the kind of a value, the limit that is exceeded. */
  readonly found: string;
}

/** Why `field` cannot be written, where its expression sees `names`; null where it can. */
export function checkField(field: Field, names: Variables): FieldError | null {
  const expression = parseExpression(field.text);
  if (!expression.ok) return fieldError(field, expression.error.message);
  const kind = checkExpression(expression.value, names);
  if (!kind.ok) return fieldError(field, kind.error.message);
  const wanted = KINDS[field.gives];
  return wanted === null || kind.value === "dyn" || kind.value === wanted
    ? null
    : fieldError(field, `returns ${kind.value}, not ${field.gives}`);
}

/**
 * The field's value as JSON.
 * @param values those of the names that it sees
 * @param meter the budget, which it may share with other fields
 */
export function evaluateField<G extends keyof Gives>(
  field: Field<G>,
  values: Readonly<Record<string, unknown>>,
  meter: Meter,
): Result<Gives[G], FieldError> {
  const expression = parseExpression(field.text);
  if (!expression.ok) return err(fieldError(field, expression.error.message));
  const result = evaluate(expression.value, values, meter);
  if (!result.ok) return err(fieldError(field, result.error.message));
  const wanted = KINDS[field.gives];
  const kind = kindOf(result.value);
  return wanted === null || kind === wanted
    ? ok(result.value as Gives[G])
    : err(fieldError(field, `returns ${kind}, not ${field.gives}`));
}

/** The keys of a variable that an expression contains literally; none if the text is not an expression. */
export function keysIn(text: string, variable: string): string[] {
  const expression = parseExpression(text);
  return expression.ok ? keysOf(expression.value, variable) : [];
}

/** Those of them that it tests by `has`. */
export function testedKeysIn(text: string, variable: string): string[] {
  const expression = parseExpression(text);
  return expression.ok ? testedKeysOf(expression.value, variable) : [];
}

export function fieldError({ key, text }: Pick<Field, "key" | "text">, found: string): FieldError {
  const line = text.replaceAll(SPACES, " ");
  const isLong = line.length > LIMITS.SHOWN_EXPRESSION_CHARS;
  return {
    key,
    expression: isLong ? `${cutText(line, LIMITS.SHOWN_EXPRESSION_CHARS)}…` : line.toWellFormed(),
    found,
  };
}

/** The error as one line of text. */
export function fieldMessage({ key, expression, found }: FieldError): string {
  return `${key}: ${found}, of ${expression}`;
}

/** What would break a line or change a terminal. */
// oxlint-disable-next-line no-control-regex
const SPACES = /[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
