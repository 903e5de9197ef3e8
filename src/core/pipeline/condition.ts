// A stage's `when`: a CEL expression over `query`, `results`, `context`. Parsed when a definition is written,
// evaluated when the stage's turn has come; without side effects and with bounded work.
import { type ASTNode, Environment, type ParseResult } from "@marcbachmann/cel-js";
import { err, ok, type Result } from "../../contract/problem.ts";

/** What an expression may see; a stage without data is null in `results`. */
export interface ConditionScope {
  query: string;
  results: Record<string, unknown>;
  context: Record<string, unknown>;
}

let environment: Environment | null = null;

/** Made for the first condition: most pipelines have none, and an isolate starts without. */
function parse(expression: string): ParseResult {
  environment ??= new Environment({
    enableOptionalTypes: true,
    // A condition is a line, not a program.
    limits: { maxAstNodes: 256, maxDepth: 32, maxListElements: 64, maxMapEntries: 64, maxCallArguments: 8 },
  })
    .registerVariable("query", "string")
    .registerVariable("results", "map<string, dyn>")
    .registerVariable("context", "map<string, dyn>");
  return environment.parse(expression);
}

const COMPREHENSIONS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** The reason why `expression` cannot be a condition, or null. */
export function conditionFault(expression: string): string | null {
  try {
    const parsed = parse(expression);
    const work = unboundedWork(parsed.ast, false);
    if (work !== null) return work;
    const checked = parsed.check();
    if (!checked.valid) return firstLine(checked.error);
    if (checked.type !== "bool" && checked.type !== "dyn") return `gives ${checked.type}, not bool`;
    return null;
  } catch (cause) {
    return firstLine(cause);
  }
}

/** Evaluates a condition; an error, or a value that is not a boolean, is told as text. */
export function evaluateCondition(expression: string, scope: ConditionScope): Result<boolean, string> {
  try {
    const value: unknown = parse(expression)({ ...scope });
    return typeof value === "boolean" ? ok(value) : err(`gives ${typeof value}, not bool`);
  } catch (cause) {
    return err(firstLine(cause));
  }
}

/**
 * `matches` would run a caller's regular expression on an engine that backtracks, and a loop in a loop over a
 * stage's data takes hours: both could hold the object for good, so neither is a condition.
 */
function unboundedWork(node: unknown, inLoop: boolean): string | null {
  if (Array.isArray(node)) {
    for (const child of node) {
      const fault = unboundedWork(child, inLoop);
      if (fault !== null) return fault;
    }
    return null;
  }
  if (node === null || typeof node !== "object" || !("op" in node)) return null;
  const { op, args } = node as ASTNode;
  if (op === "call" || op === "rcall") {
    const name = (args as unknown[])[0];
    if (name === "matches") return "matches is not supported: use contains, startsWith or endsWith";
    if (typeof name === "string" && COMPREHENSIONS.has(name)) {
      return inLoop ? `${name} inside another loop is not supported` : unboundedWork(args, true);
    }
  }
  return unboundedWork(args, inLoop);
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split("\n", 1)[0] ?? "cannot be evaluated";
}
