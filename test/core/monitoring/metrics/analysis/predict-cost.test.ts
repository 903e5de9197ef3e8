// What the rest of a run costs, by what runs before it did.
import { expect, test } from "vitest";
import { predictCost } from "../../../../../src/core/monitoring/metrics/analysis/predict-cost.ts";

const runs = Array.from({ length: 20 }, (_, at) => ({ by_stage: { first: 5, second: at + 1, last: 0.5 } }));

test("the stages that have not ended count", () => {
  expect(predictCost(runs, new Set())).toEqual({ p50_usd: 15.5, p95_usd: 24.5, runs: 20 });
  expect(predictCost(runs, new Set(["first"]))).toEqual({ p50_usd: 10.5, p95_usd: 19.5, runs: 20 });
  expect(predictCost(runs, new Set(["first", "second", "last"]))).toEqual({
    p50_usd: 0,
    p95_usd: 0,
    runs: 20,
  });
});

test("without a recorded run there is no prediction", () => {
  expect(predictCost([], new Set())).toBeNull();
});
