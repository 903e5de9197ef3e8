// What /v1/metrics says of costs: by pipeline, stage, model and tag, and what recorded runs cost.
import { expect, test } from "vitest";
import { LIMITS } from "../../../../../src/contract/limits.ts";
import { costRuns } from "../../../../../src/core/monitoring/metrics/costs/cost-metrics.ts";
import type { Used } from "../../../../../src/core/monitoring/metrics/costs/spending.ts";
import { metricsOf } from "../../../../../src/core/monitoring/metrics/metrics.ts";
import type { RunShape } from "../../../../../src/core/monitoring/metrics/report.ts";
import {
  addReport,
  emptyTotals,
  type MetricTotals,
} from "../../../../../src/core/monitoring/metrics/run-metrics.ts";
import { report } from "../reports.ts";

function pipeline(runs: readonly (readonly [Used | undefined, string[]?])[]): MetricTotals {
  const totals = emptyTotals();
  for (const [used, tags] of runs) {
    const one = report("p", ["only"]);
    const stages = one.stages.map((stage) => (used === undefined ? stage : { ...stage, used }));
    addReport(totals, { ...one, stages, ...(tags === undefined ? {} : { tags }) });
  }
  return totals;
}

const used = (model: string, cost_usd: number | null, tokens: number): Used => ({
  model,
  cost_usd,
  input_tokens: tokens,
  output_tokens: 1,
  unpriced_tokens: cost_usd === null ? tokens + 1 : 0,
});

const paid = pipeline([
  [used("large", 0.5, 10), ["user=u1"]],
  [used("large", 0.25, 10), ["user=u2"]],
  [used("new", null, 10), ["user=u3"]],
  [undefined, ["user=u4"]],
]);
const unknown = pipeline([[used("new", null, 7)]]);

test("costs are summed where they are known, and what is not known says so", () => {
  const { execution_metrics, stage_metrics, cost } = metricsOf(
    new Map([
      ["p", paid],
      ["q", unknown],
    ]),
    0,
    [],
  );
  const all = { input_tokens: 37, output_tokens: 4, unpriced_tokens: 19 };
  expect(execution_metrics).toMatchObject({ cost_usd: 0.75, ...all });
  expect(stage_metrics["only"]).toMatchObject({ cost_usd: 0.75, ...all });
  expect(stage_metrics["only"]?.p50_cost_usd).toBeCloseTo(0.25, 2);
  expect(stage_metrics["only"]?.p95_cost_usd).toBeCloseTo(0.5, 2);
  expect(cost).toEqual({
    total_usd: 0.75,
    unpriced_tokens: 19,
    by_pipeline: { p: 0.75 },
    by_model: {
      large: { cost_usd: 0.75, input_tokens: 20, output_tokens: 2, unpriced_tokens: 0 },
      new: { cost_usd: null, input_tokens: 17, output_tokens: 2, unpriced_tokens: 19 },
    },
    by_tag: { "user=u1": 0.5, "user=u2": 0.25 },
    recent_runs: [],
  });
  const none = metricsOf(new Map([["q", unknown]]), 0, []);
  expect([none.execution_metrics.cost_usd, none.cost.total_usd]).toEqual([null, null]);
  expect(none.stage_metrics["only"]).toMatchObject({
    cost_usd: null,
    p50_cost_usd: null,
    p95_cost_usd: null,
  });
  expect(metricsOf(new Map(), 0, []).cost.total_usd).toBe(0);
});

test("of one pipeline the last recorded runs are there whose costs are known", () => {
  const shape = (costs?: Record<string, number>): RunShape => ({
    started_at: 0,
    max_concurrent_stages: 1,
    cache_ttl_ms: 0,
    stages: [],
    ...(costs === undefined ? {} : { costs }),
  });
  const shapes = [shape({ a: 1 }), shape(), shape({ a: 2, b: 3 })];
  expect(costRuns(shapes)).toEqual([{ by_stage: { a: 1 } }, { by_stage: { a: 2, b: 3 } }]);
  expect(metricsOf(new Map(), 0, shapes, new Map(), true).cost.recent_runs).toHaveLength(2);
  expect(metricsOf(new Map(), 0, shapes).cost.recent_runs).toEqual([]);
  const many = Array.from({ length: LIMITS.METRICS_COST_RUNS + 1 }, (_, a) => shape({ a }));
  expect(costRuns(many).map(({ by_stage }) => by_stage["a"])).toEqual(
    many.slice(1).map(({ costs }) => costs?.["a"]),
  );
});
