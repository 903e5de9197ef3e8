// CEL expressions: the only entry point for parsing, checking and evaluating a caller's expression.
//
// The evaluator is own code because an expression is hostile input. The library @marcbachmann/cel-js counts no cost and
// keeps every function name that it parses and every type that it checks (54 MB after 30 bodies of 64 expressions).
// The tests compare both on random expressions.
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { Node } from "./parse/ast.ts";
import { check, type Variables } from "./check/check.ts";
import { compile } from "./evaluate/compile.ts";
import type { Run } from "./evaluate/frame.ts";
import { toJson } from "./values/json.ts";
import { CostExceeded, Meter } from "./evaluate/meter.ts";
import { keysNamed, keysTested } from "./parse/names.ts";
import { parse } from "./parse/parser.ts";
import { Fault, type Kind } from "./values/values.ts";

export { Meter } from "./evaluate/meter.ts";
export type { Variables } from "./check/check.ts";

/** A parsed expression. It can be evaluated any number of times. */
export interface Expression {
  readonly text: string;
  readonly tree: Node;
  readonly run: Run;
  /** Number of slots for the variables of its loops. */
  readonly slots: number;
}

/** Why an expression cannot be parsed, checked or evaluated, in one line. */
export interface ExpressionError {
  readonly expression: string;
  readonly message: string;
}

/** Parsed expressions by their text: an isolate evaluates the expressions of its definitions many times. */
const parsed = new Map<string, Result<Expression, ExpressionError>>();
let parsedChars = 0;
/** Characters of the texts in the cache: at most 2 MB of trees and functions. */
const PARSED_CHARS = 64 * 1024;

/** Parses a text; the error names the position. */
export function parseExpression(text: string): Result<Expression, ExpressionError> {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const tree = parse(text);
  const expression: Result<Expression, ExpressionError> = tree.ok
    ? ok({ text, tree: tree.value, ...compile(tree.value) })
    : err({ expression: text, message: tree.error });
  remember(text, expression);
  return expression;
}

function remember(text: string, expression: Result<Expression, ExpressionError>): void {
  if (text.length > LIMITS.CONDITION_CHARS) return;
  parsed.set(text, expression);
  parsedChars += text.length;
  for (const oldest of parsed.keys()) {
    if (parsedChars <= PARSED_CHARS) return;
    parsed.delete(oldest);
    parsedChars -= oldest.length;
  }
}

/** The result type of an expression (`dyn` if it depends on data), or why it cannot be evaluated. */
export function checkExpression(
  { text, tree }: Expression,
  variables: Variables,
): Result<Kind | "dyn", ExpressionError> {
  const kind = check(tree, variables);
  return kind instanceof Fault ? err({ expression: text, message: kind.message }) : ok(kind);
}

/** The keys of a variable that an expression contains literally, as `a` in `results.a`. */
export function keysOf({ tree }: Expression, variable: string): string[] {
  return keysNamed(tree, variable);
}

/** The keys of a variable that an expression tests by `has`, as `a` in `has(results.a)`. */
export function testedKeysOf({ tree }: Expression, variable: string): string[] {
  return keysTested(tree, variable);
}

/**
 * Evaluates an expression to JSON.
 * @param scope the values of its variables
 * @param meter the budget; it has the cost afterwards
 */
export function evaluate(
  { text, run, slots }: Expression,
  scope: Readonly<Record<string, unknown>>,
  meter: Meter = new Meter(),
): Result<unknown, ExpressionError> {
  try {
    const value = run({ meter, scope, slots: Array.from({ length: slots }, () => null) });
    const json = value instanceof Fault ? value : toJson(value, meter);
    return json instanceof Fault ? err({ expression: text, message: json.message }) : ok(json);
  } catch (cause) {
    if (!(cause instanceof CostExceeded)) throw cause;
    return err({ expression: text, message: cause.message });
  }
}
