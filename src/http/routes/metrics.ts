// /v1/metrics: the specification's metrics, of the tenant's executions of the last `window_seconds`.
import { Hono } from "hono/tiny";
import { emptyFigures, mergeFigures } from "../../core/monitoring/metrics/run-metrics.ts";
import { metricsOf } from "../../core/monitoring/metrics/metrics.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type AppEnv, type Call, queryOf } from "../context.ts";

export const metrics = new Hono<AppEnv>().get("/", read);

async function read(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const { pipeline, window_seconds } = queryOf(call, "get_performance_metrics");
  const { by_pipeline, open, shapes } = await services.ledgers.figures(tenant, {
    period: { window_seconds },
    pipeline,
    shapes: TIMINGS.SAMPLED_RUNS,
  });
  const figures = emptyFigures();
  for (const of of by_pipeline.values()) mergeFigures(figures, of);
  return call.json(metricsOf(figures, open, shapes));
}
