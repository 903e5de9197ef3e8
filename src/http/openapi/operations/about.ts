// Descriptions of the metrics operations and of those that need no key.
import { Health } from "../../../contract/management.ts";
import { AlertList, Metrics } from "../../../contract/metrics.ts";
import { EXPOSITION_TYPES, JSON_TYPE } from "../../endpoints.ts";
import type { Description } from "./description.ts";

const HTML_TYPE = "text/html";

export const FIGURES = {
  get_performance_metrics: {
    summary: "Get metrics of executions and stages, with bottlenecks and recommendations",
    parameters: {
      pipeline: "Only executions of this pipeline",
      window_seconds: "Only executions that ended in the last this many seconds, rounded to the minute",
    },
    answers: { 200: { description: "The metrics", schema: Metrics } },
    errors: [],
  },
  get_alerts: {
    summary: "List alerts with their thresholds and values",
    answers: {
      200: { description: "Every alert, firing or not; error rates are per stage", schema: AlertList },
    },
    errors: [],
  },
  export_prometheus: {
    summary: "Export metrics for Prometheus, in its text format or as OpenMetrics",
    answers: { 200: { description: "The metrics in the requested format", type: EXPOSITION_TYPES[0] } },
    errors: [],
  },
} satisfies Record<string, Description>;

export const ABOUT = {
  get_health: {
    summary: "Check that the coordinator is up",
    answers: { 200: { description: "The coordinator is up", schema: Health } },
    errors: [],
  },
  get_openapi: {
    summary: "Get this OpenAPI document",
    answers: { 200: { description: "OpenAPI 3.1", type: JSON_TYPE } },
    errors: [],
  },
  get_pipeline_schema: {
    summary: "Get the JSON Schema of a pipeline definition, for editors",
    answers: { 200: { description: "JSON Schema 2020-12", type: "application/schema+json" } },
    errors: [],
  },
  get_docs: {
    summary: "Get the API reference as an HTML page",
    answers: { 200: { description: "The HTML page", type: HTML_TYPE } },
    errors: [],
  },
} satisfies Record<string, Description>;
