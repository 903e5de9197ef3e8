// Reports of runs that have ended, as an execution sends them to its part of the index.
import type { MetricTotals } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import type { RunReport } from "../../../../src/core/monitoring/metrics/report.ts";

export type Report = Omit<RunReport, "shape">;

export function report(pipeline: string, stages: readonly string[] = [pipeline], single = false): Report {
  return {
    pipeline,
    ...(single ? { single: true as const } : {}),
    status: "completed",
    duration_ms: 10,
    context_bytes: 1,
    stages: stages.map((stage) => ({
      stage,
      status: "completed",
      duration_ms: 10,
      path_ms: 10,
      retries: 1,
      cached: false,
    })),
  };
}

export const names = (prefix: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => `${prefix}${from + at}`);

export const stagesOf = (figures: Iterable<MetricTotals>) =>
  Array.from(figures, ({ stages }) => [...stages.values()])
    .flat()
    .reduce((sum, { durations }) => sum + durations.count, 0);
