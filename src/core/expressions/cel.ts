// CEL expressions: parsed, checked before they are stored, and evaluated within a budget. The only entry point:
// nothing else evaluates a caller's expression.
//
// Own code instead of a library, because an expression is hostile input: @marcbachmann/cel-js counts no cost, and
// remembers every function name that it parses and every type that it checks (54 MB after 30 bodies of 64
// expressions). The tests compare both on random expressions.
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { Node } from "./ast.ts";
import { check, type Variables } from "./check.ts";
import { compile } from "./compile.ts";
import type { Run } from "./frame.ts";
import { toJson } from "./json.ts";
import { CostExceeded, Meter } from "./meter.ts";
import { keysNamed } from "./names.ts";
import { parse } from "./parser.ts";
import { Fault, type Kind } from "./values.ts";

export { Meter } from "./meter.ts";
export type { Variables } from "./check.ts";

/** An expression that was parsed; evaluated any number of times. */
export interface Expression {
  readonly text: string;
  readonly tree: Node;
  readonly run: Run;
  /** Places for the variables of its loops. */
  readonly slots: number;
}

/** Why an expression cannot be parsed, checked or evaluated: one line. */
export interface ExpressionError {
  readonly expression: string;
  readonly message: string;
}

/** Expressions of the definitions that an isolate runs, by text; a run evaluates the same ones over and over. */
const parsed = new Map<string, Result<Expression, ExpressionError>>();
let parsedChars = 0;
/** Characters of the texts that are kept: 2 MB of trees and functions at most. */
const PARSED_CHARS = 64 * 1024;

/** The expression of a text, or where it is none. */
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

/** The keys of a variable that an expression writes down, as `a` in `results.a`. */
export function keysOf({ tree }: Expression, variable: string): string[] {
  return keysNamed(tree, variable);
}

/**
 * Evaluates an expression. What it gives is JSON.
 * @param scope the values of its variables
 * @param meter the budget, which afterwards holds the cost
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
