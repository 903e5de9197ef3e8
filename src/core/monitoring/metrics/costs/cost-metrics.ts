// What executions cost, as GET /v1/metrics shows it. Each stage's cost is counted once, in its own run: a stage that runs
// a pipeline has none beside those of the execution that it ran (I20).
import { LIMITS } from "../../../../contract/limits.ts";
import type { CostMetrics, CostRun, Metrics } from "../../../../contract/metrics.ts";
import type { RunShape } from "../report.ts";
import { type MetricTotals, spentIn } from "../run-metrics.ts";
import { quantile } from "../sketch.ts";
import { addSpent, costOf, emptySpent, type Spent, type StageSpent, usdOf } from "./spending.ts";

/** @param merged the totals of all of them */
export function costMetrics(
  merged: MetricTotals,
  byPipeline: ReadonlyMap<string, MetricTotals>,
  runs: readonly CostRun[],
): CostMetrics {
  const { cost_usd: total_usd, unpriced_tokens } = shown(spentIn(merged.stages.values()));
  const models = new Map<string, Spent>();
  for (const { spent } of merged.stages.values())
    for (const [model, of] of spent?.models ?? []) {
      const known = models.get(model) ?? emptySpent();
      addSpent(known, of);
      models.set(model, known);
    }
  return {
    total_usd,
    unpriced_tokens,
    by_pipeline: Object.fromEntries(
      Array.from(byPipeline, ([name, { stages }]) => [name, spentIn(stages.values())] as const)
        .filter(([, { priced }]) => priced > 0)
        .map(([name, { cost_usd }]) => [name, cost_usd]),
    ),
    by_model: Object.fromEntries(Array.from(models, ([model, spent]) => [model, shown(spent)])),
    by_tag: Object.fromEntries(merged.tags ?? []),
    recent_runs: [...runs],
  };
}

/** The costs of recorded runs, of those whose costs are known. @param shapes in the order in which they began */
export function costRuns(shapes: readonly RunShape[]): CostRun[] {
  return shapes
    .flatMap(({ costs }) => (costs === undefined ? [] : [{ by_stage: costs }]))
    .slice(-LIMITS.METRICS_COST_RUNS);
}

type Shown = Pick<
  Metrics["execution_metrics"],
  "cost_usd" | "input_tokens" | "output_tokens" | "unpriced_tokens"
>;

export function shown(spent: Spent): Shown {
  const { input_tokens, output_tokens, unpriced_tokens } = spent;
  return { cost_usd: costOf(spent), input_tokens, output_tokens, unpriced_tokens };
}

/** Of the executions of a stage. */
export function costQuantiles(spent: StageSpent | undefined) {
  const of = (q: number) =>
    spent === undefined || spent.costs.count === 0 ? null : usdOf(quantile(spent.costs, q));
  return { p50_cost_usd: of(0.5), p95_cost_usd: of(0.95) };
}
