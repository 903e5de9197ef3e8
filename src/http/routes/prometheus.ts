// GET /metrics: the tenant's metrics since its creation, as Prometheus text, or as OpenMetrics if the scraper
// asks for it.
import { exposition, type TextFormat } from "../../core/monitoring/metrics/exposition.ts";
import { familiesOf } from "../../core/monitoring/metrics/families.ts";
import { endpoint } from "../endpoint.ts";

const PROMETHEUS_TYPE = "text/plain";
const OPENMETRICS_TYPE = "application/openmetrics-text";

const FORMATS: Readonly<Record<string, { format: TextFormat; type: string }>> = {
  [PROMETHEUS_TYPE]: { format: "prometheus", type: "text/plain; version=0.0.4; charset=utf-8" },
  [OPENMETRICS_TYPE]: {
    format: "openmetrics",
    type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  },
};

export const prometheus = [
  endpoint({
    id: "export_prometheus",
    method: "get",
    path: "/metrics",
    permission: "read",
    produces: [PROMETHEUS_TYPE, OPENMETRICS_TYPE],
    answers: { 200: { media: PROMETHEUS_TYPE } },
    describe: () => ({
      summary: "Export metrics for Prometheus, in its text format or as OpenMetrics",
      answers: { 200: "The metrics in the requested format" },
    }),
    handle: async ({ services, tenant, type: wanted }) => {
      const { format, type } = FORMATS[wanted] as (typeof FORMATS)[string];
      const { by_pipeline, open, waits } = await services.executionIndex.metrics(tenant, {
        period: "ever",
        shapes: 0,
      });
      return { status: 200, media: exposition(familiesOf(by_pipeline, open, waits), format), type };
    },
  }),
];
