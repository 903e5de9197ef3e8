// The specification's two objects (GET /v1/metrics) out of totals and recorded runs. Pure arithmetic; nothing is
// counted here.
import type { Metrics } from "../../../contract/metrics.ts";
import { bottlenecksIn } from "./analysis/bottlenecks.ts";
import { costMetrics, costQuantiles, costRuns, shown } from "./costs/cost-metrics.ts";
import { emptyTotals, type MetricTotals, mergeTotals, spentIn, type StageTotals } from "./run-metrics.ts";
import { opportunitiesIn } from "./analysis/opportunities.ts";
import type { RunEnd, RunShape } from "./report.ts";
import { mean, quantile } from "./sketch.ts";
import { waitMetrics } from "./waits.ts";

/**
 * @param byPipeline all of them count
 * @param open executions that have begun, have not ended and do not wait
 * @param waits open questions by pipeline
 * @param shapes of recent runs, in the order in which they began
 * @param isOne they are of one pipeline
 */
export function metricsOf(
  byPipeline: ReadonlyMap<string, MetricTotals>,
  open: number,
  shapes: readonly RunShape[],
  waits: Parameters<typeof waitMetrics>[1] = new Map(),
  isOne = false,
): Metrics {
  const totals = emptyTotals();
  for (const of of byPipeline.values()) mergeTotals(totals, of);
  const ended = (status: RunEnd) => totals.by.get(status) ?? 0;
  const { durations } = totals;
  const average = mean(durations);
  return {
    execution_metrics: {
      total_executions: durations.count,
      successful_executions: ended("completed"),
      failed_executions: ended("failed"),
      cancelled_executions: ended("cancelled"),
      success_rate: share(ended("completed"), durations.count, 1),
      average_duration_ms: average,
      avg_duration_ms: average,
      p50_duration_ms: quantile(durations, 0.5),
      p95_duration_ms: quantile(durations, 0.95),
      p99_duration_ms: quantile(durations, 0.99),
      concurrent_executions: open,
      ...shown(spentIn(totals.stages.values())),
    },
    stage_metrics: Object.fromEntries(
      Array.from(totals.stages, ([name, stage]) => [name, stageMetrics(stage)]),
    ),
    waits: waitMetrics(totals.waits ?? new Map(), waits),
    cost: costMetrics(totals, byPipeline, isOne ? costRuns(shapes) : []),
    performance_analytics: {
      bottlenecks: bottlenecksIn(totals, shapes),
      optimization_opportunities: opportunitiesIn(shapes),
    },
  };
}

function stageMetrics(stage: StageTotals): Metrics["stage_metrics"][string] {
  const { durations, retries, cache_hits } = stage;
  const average = mean(durations);
  return {
    executions: durations.count,
    average_duration_ms: average,
    avg_duration_ms: average,
    p95_duration_ms: quantile(durations, 0.95),
    success_rate: share(stage.by.get("completed")?.count ?? 0, durations.count, 1),
    error_rate: errorRate(stage),
    retries,
    cache_hits,
    ...shown(spentIn([stage])),
    ...costQuantiles(stage.spent),
  };
}

/** The share of a stage's executions that failed. */
export function errorRate(stage: StageTotals): number {
  return share(stage.by.get("failed")?.count ?? 0, stage.durations.count, 0);
}

function share(part: number, whole: number, otherwise: number): number {
  return whole === 0 ? otherwise : part / whole;
}
