// What a compiled schema is made of, and how one is applied to a value.
import type { Pattern } from "../pattern.ts";
import type { Evaluated, Place, Run } from "../run.ts";

/**
 * One keyword, applied to a value.
 * @param seen what has been evaluated of the value's members so far; null where nothing asks for it
 */
export type Check = (value: unknown, place: Place, run: Run, seen: Evaluated | null) => boolean;

export interface Node {
  readonly checks: readonly Check[];
  /** It asks which members have been evaluated. */
  readonly watches: boolean;
}

/** What a keyword is compiled with. */
export interface CompileScope {
  /** The subschema under a keyword, or under a key of it. */
  node(keyword: string, key?: string | number): Node;
  /** What a reference leads to. */
  target(reference: string): Node;
  pattern(source: string): Pattern;
}

/** Applies a schema to a value: true where the value satisfies it, else the run has its faults. */
export function apply(node: Node, value: unknown, place: Place, run: Run, seen: Evaluated | null): boolean {
  run.enter();
  const own = seen ?? (node.watches ? nothingEvaluated() : null);
  let ok = true;
  for (const check of node.checks) {
    if (check(value, place, run, own)) continue;
    ok = false;
    if (run.isSilent) break;
  }
  run.leave();
  return ok;
}

/** Applies a subschema to the same value. What it evaluates counts where the value satisfies it. */
export function applyInPlace(
  node: Node,
  value: unknown,
  place: Place,
  run: Run,
  seen: Evaluated | null,
): boolean {
  if (seen === null) return apply(node, value, place, run, null);
  const own = nothingEvaluated();
  const ok = apply(node, value, place, run, own);
  if (ok) {
    run.spend(own.keys.size + own.items.size);
    for (const key of own.keys) seen.keys.add(key);
    for (const item of own.items) seen.items.add(item);
  }
  return ok;
}

function nothingEvaluated(): Evaluated {
  return { keys: new Set(), items: new Set() };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
