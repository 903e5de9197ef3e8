// /v1/metrics: the specification's metrics, of the tenant's executions of the last `window_seconds`.
import { Hono } from "hono/tiny";
import { emptyTotals, mergeTotals } from "../../core/monitoring/metrics/run-metrics.ts";
import { metricsOf } from "../../core/monitoring/metrics/metrics.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type AppEnv, type Call, queryOf } from "../context.ts";

export const metrics = new Hono<AppEnv>().get("/", read);

async function read(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const { pipeline, window_seconds } = queryOf(call, "get_performance_metrics");
  const { by_pipeline, open, shapes } = await services.executionIndex.metrics(tenant, {
    period: { window_seconds },
    pipeline,
    shapes: TIMINGS.SAMPLED_RUNS,
  });
  const metrics = emptyTotals();
  for (const of of by_pipeline.values()) mergeTotals(metrics, of);
  return call.json(metricsOf(metrics, open, shapes));
}
