// /v1/metrics: the specification's metrics, of the tenant's executions of the last `window_seconds`.
import { MetricsFilter } from "../../contract/requests.ts";
import { metricsOf } from "../../core/monitoring/metrics/metrics.ts";
import { TIMINGS } from "../../core/timings.ts";
import { endpoint } from "../endpoint.ts";

export const metrics = [
  endpoint({
    id: "get_performance_metrics",
    method: "get",
    path: "/v1/metrics",
    permission: "read",
    query: MetricsFilter,
    answers: { 200: "Metrics" },
    describe: () => ({
      summary: "Get metrics of executions and stages, with bottlenecks and recommendations",
      parameters: {
        pipeline: "Only executions of this pipeline",
        window_seconds: "Only executions that ended in the last this many seconds, rounded to the minute",
      },
      answers: { 200: "The metrics" },
    }),
    handle: async ({ services, tenant, query: { pipeline, window_seconds } }) => {
      const { by_pipeline, open, waits, shapes } = await services.executionIndex.metrics(tenant, {
        period: { window_seconds },
        pipeline,
        shapes: TIMINGS.SAMPLED_RUNS,
      });
      return { status: 200, json: metricsOf(by_pipeline, open, shapes, waits, pipeline !== undefined) };
    },
  }),
];
