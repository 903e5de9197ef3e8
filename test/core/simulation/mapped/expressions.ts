// The expressions of the scenarios' stages with `map` and `repeat`, and what each gives: written down a second time,
// without the core's evaluator.
import type { AgentStage } from "../../../../src/contract/stage.ts";

type Members = Readonly<Record<string, unknown>>;

/** The list that `over` gives; null where it gives none. */
export function listOf(
  over: string,
  context: Members,
  dataOf: (stage: string) => Members | null,
): unknown[] | null {
  if (over.startsWith("[")) return JSON.parse(over) as unknown[];
  const [, key] = /^context\.(\w+)$/.exec(over) ?? [];
  if (key !== undefined) return member(context, key);
  const [, stage = "", name = ""] = /^results\["(.+)"\]\.(\w+)$/.exec(over) ?? [];
  const data = dataOf(stage);
  return data === null ? null : member(data, name);
}

function member(of: Members, name: string): unknown[] | null {
  const value = Object.hasOwn(of, name) ? of[name] : null;
  return Array.isArray(value) ? value : null;
}

const amount = ({ n }: Members) => (typeof n === "number" ? n : null);

/** Null where it cannot be evaluated. */
const UNTILS = new Map<string, (result: Members, iteration: number) => boolean | null>([
  ["true", () => true],
  ["false", () => false],
  ["iteration >= 3", (_, iteration) => iteration >= 3],
  ["result.n > 1", (result) => above(amount(result), 1)],
  ["result.n > 0 && iteration > 1", (result, iteration) => above(amount(result), 0, iteration > 1)],
  ["iteration > 1 && 1 / 0 == 1", (_, iteration) => (iteration > 1 ? null : false)],
  ["result.missing", () => null],
]);

function above(n: number | null, least: number, also = true): boolean | null {
  if (n === null) return also ? null : false;
  return n > least && also;
}

export const UNTIL_TEXTS: readonly string[] = [...UNTILS.keys()];

export function untilOf(until: string, result: Members, iteration: number): boolean | null {
  return UNTILS.get(until)?.(result, iteration) ?? null;
}

const ITEM_INPUT = { n: "item.n" };

export const INPUTS: readonly NonNullable<AgentStage["input"]>[] = [{ it: "item", at: "index" }, ITEM_INPUT];

/** Whether the `input` of an item can be evaluated. */
export function hasInput({ input }: AgentStage, item: unknown): boolean {
  if (input?.["n"] !== ITEM_INPUT.n) return true;
  return typeof item === "object" && item !== null && Object.hasOwn(item, "n");
}
