// GET /metrics: the tenant's metrics since its creation, as Prometheus text, or as OpenMetrics if the scraper
// asks for it.
import { Hono } from "hono/tiny";
import { exposition, type TextFormat } from "../../core/monitoring/metrics/exposition.ts";
import { familiesOf } from "../../core/monitoring/metrics/families.ts";
import { type AppEnv, type Call } from "../context.ts";
import { preferredType } from "../request/negotiate.ts";
import { EXPOSITION_TYPES } from "../endpoints.ts";

const FORMATS: Readonly<Record<string, { format: TextFormat; type: string }>> = {
  "text/plain": { format: "prometheus", type: "text/plain; version=0.0.4; charset=utf-8" },
  "application/openmetrics-text": {
    format: "openmetrics",
    type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  },
};

export const prometheus = new Hono<AppEnv>().get("/", scrape);

async function scrape(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const wanted = preferredType(call.req.header("accept") ?? null, EXPOSITION_TYPES);
  const { format, type } = FORMATS[wanted ?? "text/plain"] as (typeof FORMATS)[string];
  const { by_pipeline, open } = await services.executionIndex.metrics(tenant, { period: "ever", shapes: 0 });
  return call.body(exposition(familiesOf(by_pipeline, open), format), 200, { "content-type": type });
}
