// What an agent reports of its own consumption (API.md section 4): which members are kept, and how they add up.
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

/** What is kept of a reported usage; undefined where the value is no object. */
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
  return Number.isFinite(value) || (typeof value === "string" && TEXTS.has(name));
}

/** The sum of two usages, by name. Sums stay finite: one that would not is the largest number that there is. */
export function addUsage(total: Usage, usage: Usage): Usage {
  const sum: Usage = { ...total };
  for (const [name, value] of Object.entries(usage)) {
    if (typeof value !== "number") continue;
    const before = Object.hasOwn(sum, name) ? sum[name] : 0;
    const added = (typeof before === "number" ? before : 0) + value;
    sum[name] = Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, added));
  }
  return sum;
}
