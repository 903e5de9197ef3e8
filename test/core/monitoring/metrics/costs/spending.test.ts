// What stages use, as their usage has it: what counts, what is not known, and which models have figures of their own.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../../../src/contract/limits.ts";
import type { Usage } from "../../../../../src/contract/stage.ts";
import {
  addUsed,
  costOf,
  emptySpent,
  type StageSpent,
  sumOf,
  type Used,
  usedOf,
} from "../../../../../src/core/monitoring/metrics/costs/spending.ts";
import {
  addReport,
  emptyTotals,
  mergeTotals,
} from "../../../../../src/core/monitoring/metrics/run-metrics.ts";
import { OTHER } from "../../../../../src/core/monitoring/metrics/names.ts";
import { names, report } from "../reports.ts";

const NOTHING = { model: "", cost_usd: null, input_tokens: 0, output_tokens: 0, unpriced_tokens: 0 };
const used = (fields: Partial<Used>): Used => ({ ...NOTHING, ...fields });

describe("a usage", () => {
  test.each<[Usage | null, Used | null]>([
    [null, null],
    [{}, null],
    [{ pages: 3, model: "m" }, null],
    [{ cost_usd: 0 }, used({ cost_usd: 0 })],
    [{ cost_usd: null, unpriced_tokens: 5, model: "m" }, used({ unpriced_tokens: 5, model: "m" })],
    [{ prompt_tokens: 1, completion_tokens: 2 }, used({ input_tokens: 1, output_tokens: 2 })],
    [{ input_tokens: 4, prompt_tokens: 1 }, used({ input_tokens: 4 })],
    // A counter does not fall, and a sum stays finite.
    [{ cost_usd: -1, input_tokens: -2 }, used({ cost_usd: 0 })],
    [{ cost_usd: 1e300, output_tokens: 2n ** 70n }, used({ cost_usd: 1e9, output_tokens: 2 ** 53 - 1 })],
  ])("%o", (usage, figures) => {
    expect(usedOf(usage)).toEqual(figures);
  });
});

test("a cost that is not known is none of zero", () => {
  expect(costOf(emptySpent())).toBe(0);
  expect(costOf({ ...emptySpent(), unpriced_tokens: 1 })).toBeNull();
  expect(costOf({ ...emptySpent(), input_tokens: 1 })).toBeNull();
  expect(costOf({ ...emptySpent(), unpriced_tokens: 1, priced: 1 })).toBe(0);
});

test("of a pipeline so many models have figures of their own, and none of the others' is lost", () => {
  const stages = new Map<string, { spent?: StageSpent }>([
    ["a", {}],
    ["b", {}],
  ]);
  const [a, b] = [stages.get("a") ?? {}, stages.get("b") ?? {}];
  for (const model of names("m", LIMITS.METRICS_MODELS)) addUsed(stages, a, used({ model, cost_usd: 1 }));
  for (const model of ["m1", "further", "x".repeat(LIMITS.MODEL_CHARS + 1)])
    addUsed(stages, b, used({ model, cost_usd: 2 }));
  expect([...(b.spent?.models.keys() ?? [])]).toEqual(["m1", OTHER]);
  expect(sumOf(b.spent?.models.values() ?? []).cost_usd).toBe(6);
});

test("a run's cost counts for each of its tags, of which so many have figures of their own", () => {
  const [stage] = report("p").stages;
  const totals = emptyTotals();
  const tagged = (tag: string) => ({
    ...report("p"),
    stages: [stage, stage].flatMap((of) =>
      of === undefined ? [] : [{ ...of, used: used({ cost_usd: 0.5 }) }],
    ),
    tags: ["kind=test", tag],
  });
  for (const tag of names("user=u", LIMITS.METRICS_TAGS + 4)) addReport(totals, tagged(tag));
  expect(totals.tags?.get("kind=test")).toBe(LIMITS.METRICS_TAGS + 4);
  expect(totals.tags?.get("user=u0")).toBe(1);
  expect(totals.tags?.get(OTHER)).toBe(5);
  const twice = emptyTotals();
  for (let time = 0; time < 2; time += 1) mergeTotals(twice, totals);
  expect(twice.tags?.size).toBe(LIMITS.METRICS_TAGS + 1);
  expect(twice.tags?.get(OTHER)).toBe(10);
  expect(twice.stages.get("p")?.spent?.models.get("")?.cost_usd).toBe(2 * (LIMITS.METRICS_TAGS + 4));
});
