// Usage reported by agents (src/contract/README.md section 4): which members are stored, and how they are summed.
import { LIMITS } from "./limits.ts";
import type { Usage } from "./stage.ts";

/** Numbers with a meaning: they are kept before any others. */
const NUMBERS = [
  "input_tokens",
  "output_tokens",
  "reasoning_tokens",
  "cached_input_tokens",
  "cost_usd",
] as const;
const TEXTS: ReadonlySet<string> = new Set(["provider", "model"]);

/** The stored part of a reported usage; undefined if the value is not an object. */
export function keptUsage(reported: unknown): Usage | undefined {
  if (reported === null || typeof reported !== "object" || Array.isArray(reported)) return undefined;
  const members = reported as Readonly<Record<string, unknown>>;
  const names = Object.keys(members);
  const kept: Usage = {};
  let count = 0;
  for (const name of names.length > LIMITS.USAGE_KEYS ? [...NUMBERS, ...TEXTS, ...names] : names) {
    const isKept = Object.hasOwn(members, name) && !Object.hasOwn(kept, name) && isUsage(name, members[name]);
    if (!isKept) continue;
    kept[name] = members[name];
    count += 1;
    if (count === LIMITS.USAGE_KEYS) break;
  }
  return kept;
}

function isUsage(name: string, value: unknown): boolean {
  return (
    typeof value === "bigint" || Number.isFinite(value) || (typeof value === "string" && TEXTS.has(name))
  );
}

/**
 * The sum of two usages, by name. Sums stay finite: one that would not is the largest number that there is. A `cost_usd`
 * of null is one that is not known: the sum of those that are, and null where none is.
 */
export function addUsage(total: Usage, usage: Usage): Usage {
  const sum: Usage = { ...total };
  if (usage["cost_usd"] === null && !Object.hasOwn(sum, "cost_usd")) sum["cost_usd"] = null;
  for (const [name, value] of Object.entries(usage)) {
    if (!isAmount(value)) continue;
    const before = Object.hasOwn(sum, name) ? sum[name] : 0;
    sum[name] = plus(isAmount(before) ? before : 0, value);
  }
  return sum;
}

/** What one unit has used with a further call: the sum, and the provider and model of the later one. */
export function followedBy(before: Usage | null, usage: Usage): Usage {
  if (before === null) return usage;
  const texts = Object.entries(usage).filter(([name]) => TEXTS.has(name));
  return { ...addUsage(before, usage), ...Object.fromEntries(texts) };
}

/** A number of a usage; a BigInt is an integer that a double would change (core/json/exact-integer.ts). */
export function isAmount(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Integers of which one is a BigInt add up exactly; all else as doubles do. */
function plus(a: number | bigint, b: number | bigint): number | bigint {
  const isExact = typeof a === "bigint" || typeof b === "bigint";
  const added = Number(a) + Number(b);
  if (isExact && Number.isFinite(added) && isWhole(a) && isWhole(b)) {
    const sum = BigInt(a) + BigInt(b);
    return JSON.stringify(Number(sum)) === String(sum) ? Number(sum) : sum;
  }
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, added));
}

function isWhole(value: number | bigint): boolean {
  return typeof value === "bigint" || Number.isInteger(value);
}
