// Of how it went, and of what needs no key.
import { Health } from "../../../contract/management.ts";
import { AlertList, Metrics } from "../../../contract/metrics.ts";
import { EXPOSITION_TYPES, JSON_TYPE } from "../../endpoints.ts";
import type { Description } from "./description.ts";

const HTML_TYPE = "text/html";

export const FIGURES = {
  get_performance_metrics: {
    summary: "How executions and stages did, where the time went, and what would save some",
    parameters: {
      pipeline: "Of this pipeline alone",
      window_seconds: "Of executions that ended in the last so many seconds, to the minute",
    },
    answers: { 200: { description: "The figures", schema: Metrics } },
    errors: [],
  },
  get_alerts: {
    summary: "Thresholds, values, and what fires",
    answers: { 200: { description: "Every alert; a stage's error rate by stage", schema: AlertList } },
    errors: [],
  },
  export_prometheus: {
    summary: "The figures for a Prometheus scraper, as text or as OpenMetrics",
    answers: { 200: { description: "The exposition", type: EXPOSITION_TYPES[0] } },
    errors: [],
  },
} satisfies Record<string, Description>;

export const ABOUT = {
  get_health: {
    summary: "Whether it is up",
    answers: { 200: { description: "It is", schema: Health } },
    errors: [],
  },
  get_openapi: {
    summary: "This document",
    answers: { 200: { description: "OpenAPI 3.1", type: JSON_TYPE } },
    errors: [],
  },
  get_pipeline_schema: {
    summary: "The JSON Schema of a pipeline's definition, for editors",
    answers: { 200: { description: "JSON Schema 2020-12", type: "application/schema+json" } },
    errors: [],
  },
  get_docs: {
    summary: "This reference as a page",
    answers: { 200: { description: "The page", type: HTML_TYPE } },
    errors: [],
  },
} satisfies Record<string, Description>;
