// Every operation of the surface, once: who may call it, what it takes and what it answers. The guard reads it to let
// a call in, openapi.ts to describe it; a test holds it against the router.
import type * as z from "../contract/zod.ts";
import { AgentRegistration } from "../contract/agent.ts";
import { ConfigPatch, CoordinatorConfig } from "../contract/config.ts";
import { EventList } from "../contract/event.ts";
import { CleanupRequest, CleanupResult, ExecutionFilter, ExecutionList } from "../contract/execution-list.ts";
import {
  ExecutionRequest,
  PauseRequest,
  PipelineExecution,
  StageExecutionRequest,
} from "../contract/execution.ts";
import { LIMITS } from "../contract/limits.ts";
import {
  Agent,
  AgentList,
  Health,
  PipelineList,
  Validation,
  ValidationRequest,
} from "../contract/management.ts";
import { AlertList, Metrics, MetricsFilter } from "../contract/metrics.ts";
import { Pipeline, PipelineDefinition } from "../contract/pipeline.ts";
import type { ErrorCode } from "../contract/problem.ts";
import { PipelineStage, StageResult } from "../contract/stage.ts";
import { ExecutionTrace } from "../contract/trace.ts";

export const JSON_TYPE = "application/json";
export const SSE_TYPE = "text/event-stream";
export const EXPOSITION_TYPES: [string, string] = ["text/plain", "application/openmetrics-text"];
const HTML_TYPE = "text/html";

/**
 * Who may call. `public`: anybody. `execute`, `admin`: a key with that scope. `read`: a key with either, since whoever
 * writes definitions must see them. `follow`: as `execute`, or a stream token of this execution.
 */
export type Permission = "public" | "read" | "execute" | "admin" | "follow";

interface Answer {
  description: string;
  schema?: z.ZodMiniType;
  /** Where it is not JSON of that schema alone. */
  type?: string;
  headers?: readonly string[];
}

export interface Operation {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As the router writes it. */
  path: string;
  id: string;
  tag: string;
  summary: string;
  permission: Permission;
  /** Media types that it answers with; a caller who takes none of them gets 406. */
  produces: readonly string[];
  body?: { schema: z.ZodMiniType; optional?: true };
  query?: Readonly<Record<string, { description: string; schema: z.ZodMiniType | Record<string, unknown> }>>;
  /** Request headers that change what it does. */
  headers?: readonly string[];
  answers: Readonly<Record<number, Answer>>;
  /** Beside those that every operation may answer. */
  errors: readonly ErrorCode[];
}

const JSON_ONLY = [JSON_TYPE];
const JSON_OR_SSE = [JSON_TYPE, SSE_TYPE];
const text = (description: string) => ({ description, schema: { type: "string" } });
const DEFINITION = ["INVALID_PIPELINE_CONFIG", "CIRCULAR_DEPENDENCY", "MISSING_DEPENDENCY"] as const;
const RUN_HEADERS = ["Idempotency-Key", "Last-Event-ID", "Prefer", "traceparent"];
const STREAM = { description: "The event stream of the execution", type: SSE_TYPE };
const WINDOW = {
  type: "integer",
  minimum: 1,
  maximum: LIMITS.METRICS_WINDOW_SECONDS,
  default: LIMITS.METRICS_WINDOW_SECONDS,
};
const DELETED = { description: "It is gone" };
const execution = (description: string): Answer => ({ description, schema: PipelineExecution });
const pipeline = (description: string): Answer => ({ description, schema: Pipeline, headers: ["ETag"] });
const agent = (description: string): Answer => ({ description, schema: Agent });

const verb = (name: string, summary: string): Operation => ({
  method: "post",
  path: `/v1/executions/:id/${name}`,
  id: `${name}_execution`,
  tag: "executions",
  summary,
  permission: "execute",
  produces: JSON_ONLY,
  ...(name === "pause" ? { body: { schema: PauseRequest, optional: true } } : {}),
  answers: { 200: execution("The execution as it then stands") },
  errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", "CONTEXT_CORRUPTED"],
});

export const OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/executions",
    id: "start_execution",
    tag: "executions",
    summary: "Run a pipeline: stream it, wait for it, or start it and go",
    permission: "execute",
    produces: JSON_OR_SSE,
    body: { schema: ExecutionRequest },
    headers: RUN_HEADERS,
    answers: {
      200: { ...execution("The execution, ended; or its event stream"), headers: ["Location"] },
      202: { ...execution("The execution, still running or paused"), headers: ["Location"] },
    },
    errors: [
      "PIPELINE_NOT_FOUND",
      "IDEMPOTENCY_MISMATCH",
      ...DEFINITION,
      "RATE_LIMITED",
      "COORDINATOR_DISABLED",
    ],
  },
  {
    method: "get",
    path: "/v1/executions",
    id: "list_executions",
    tag: "executions",
    summary: "List executions, newest first",
    permission: "execute",
    produces: JSON_ONLY,
    query: {
      status: { description: "Only those of this status", schema: ExecutionFilter.shape.status },
      pipeline: { description: "Only those of this pipeline", schema: ExecutionFilter.shape.pipeline },
      conversation_id: {
        description: "Only those of this conversation",
        schema: ExecutionFilter.shape.conversation_id,
      },
      limit: {
        description: "How many at most",
        schema: { type: "integer", minimum: 1, maximum: 100, default: 20 },
      },
      cursor: { description: "next_cursor of the page before", schema: ExecutionFilter.shape.cursor },
    },
    answers: { 200: { description: "One page", schema: ExecutionList } },
    errors: [],
  },
  {
    method: "post",
    path: "/v1/executions/cleanup",
    id: "cleanup_completed_executions",
    tag: "executions",
    summary: "Forget executions that ended long enough ago",
    permission: "execute",
    produces: JSON_ONLY,
    body: { schema: CleanupRequest },
    answers: { 200: { description: "How many are gone, and whether there are more", schema: CleanupResult } },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/executions/:id",
    id: "get_execution",
    tag: "executions",
    summary: "The execution as it stands",
    permission: "execute",
    produces: JSON_ONLY,
    answers: { 200: execution("The execution") },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  {
    method: "delete",
    path: "/v1/executions/:id",
    id: "delete_execution",
    tag: "executions",
    summary: "Forget an execution that has ended",
    permission: "execute",
    produces: JSON_ONLY,
    answers: { 204: DELETED },
    errors: ["EXECUTION_NOT_FOUND", "EXECUTION_CONFLICT", "CONTEXT_CORRUPTED"],
  },
  {
    method: "get",
    path: "/v1/executions/:id/events",
    id: "stream_events",
    tag: "executions",
    summary: "Follow an execution: replay after the last event seen, then live",
    permission: "follow",
    produces: [SSE_TYPE, JSON_TYPE],
    query: {
      after: text("The seq of the last event seen; Last-Event-ID wins over it"),
      token: text("The stream token of stream_url, for an EventSource, which cannot send headers"),
    },
    headers: ["Last-Event-ID"],
    answers: { 200: { ...STREAM, schema: EventList }, 204: { description: "Nothing will come any more" } },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  {
    method: "get",
    path: "/v1/executions/:id/trace",
    id: "get_execution_trace",
    tag: "executions",
    summary: "Every event of an execution with its timing",
    permission: "execute",
    produces: JSON_ONLY,
    answers: { 200: { description: "The trace so far", schema: ExecutionTrace } },
    errors: ["EXECUTION_NOT_FOUND", "CONTEXT_CORRUPTED"],
  },
  verb("pause", "Start no further stage until resume"),
  verb("resume", "Go on after a pause"),
  verb("cancel", "End an execution and abort its calls"),
  {
    method: "post",
    path: "/v1/stages/execute",
    id: "execute_stage",
    tag: "executions",
    summary: "Run one stage on its own",
    permission: "execute",
    produces: JSON_ONLY,
    body: { schema: StageExecutionRequest },
    headers: ["Idempotency-Key", "traceparent"],
    answers: {
      200: {
        description: "What became of it, also where it failed",
        schema: StageResult,
        headers: ["Location"],
      },
    },
    errors: ["IDEMPOTENCY_MISMATCH", ...DEFINITION, "RATE_LIMITED", "COORDINATOR_DISABLED"],
  },
  {
    method: "get",
    path: "/v1/pipelines",
    id: "list_pipelines",
    tag: "pipelines",
    summary: "Every pipeline",
    permission: "read",
    produces: JSON_ONLY,
    answers: { 200: { description: "By name", schema: PipelineList } },
    errors: [],
  },
  {
    method: "post",
    path: "/v1/pipelines/validate",
    id: "validate_pipeline_config",
    tag: "pipelines",
    summary: "Every fault of a definition at once, and its shape",
    permission: "read",
    produces: JSON_ONLY,
    body: { schema: ValidationRequest },
    answers: { 200: { description: "The verdict, also where it is no", schema: Validation } },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/pipelines/:name",
    id: "get_pipeline_config",
    tag: "pipelines",
    summary: "A pipeline with the values that hold",
    permission: "read",
    produces: JSON_ONLY,
    headers: ["If-None-Match"],
    answers: { 200: pipeline("The pipeline"), 304: { description: "It has not changed", headers: ["ETag"] } },
    errors: ["PIPELINE_NOT_FOUND"],
  },
  {
    method: "put",
    path: "/v1/pipelines/:name",
    id: "configure_pipeline",
    tag: "pipelines",
    summary: "Write a whole definition",
    permission: "admin",
    produces: JSON_ONLY,
    body: { schema: PipelineDefinition },
    headers: ["If-Match", "If-None-Match"],
    answers: { 200: pipeline("Replaced"), 201: pipeline("New") },
    errors: ["PRECONDITION_FAILED", ...DEFINITION],
  },
  {
    method: "delete",
    path: "/v1/pipelines/:name",
    id: "delete_pipeline",
    tag: "pipelines",
    summary: "Take a pipeline away; runs under way keep theirs",
    permission: "admin",
    produces: JSON_ONLY,
    headers: ["If-Match"],
    answers: { 204: DELETED },
    errors: ["PIPELINE_NOT_FOUND", "PRECONDITION_FAILED"],
  },
  {
    method: "post",
    path: "/v1/pipelines/:name/stages",
    id: "add_stage",
    tag: "pipelines",
    summary: "One stage in",
    permission: "admin",
    produces: JSON_ONLY,
    body: { schema: PipelineStage },
    query: { before: text("The stage before which it goes; at the end where there is none") },
    headers: ["If-Match"],
    answers: { 201: pipeline("The pipeline with it") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
  {
    method: "delete",
    path: "/v1/pipelines/:name/stages/:stage",
    id: "remove_stage",
    tag: "pipelines",
    summary: "One stage out",
    permission: "admin",
    produces: JSON_ONLY,
    headers: ["If-Match"],
    answers: { 200: pipeline("The pipeline without it") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
  {
    method: "get",
    path: "/v1/agents",
    id: "list_agents",
    tag: "agents",
    summary: "Every agent with its breaker",
    permission: "read",
    produces: JSON_ONLY,
    answers: { 200: { description: "By type", schema: AgentList } },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/agents/:agent_type",
    id: "get_agent",
    tag: "agents",
    summary: "An agent with its breaker",
    permission: "read",
    produces: JSON_ONLY,
    answers: { 200: agent("The agent") },
    errors: ["AGENT_NOT_FOUND"],
  },
  {
    method: "put",
    path: "/v1/agents/:agent_type",
    id: "register_agent",
    tag: "agents",
    summary: "Register an agent by URL or by service binding",
    permission: "admin",
    produces: JSON_ONLY,
    body: { schema: AgentRegistration },
    answers: { 200: agent("Replaced"), 201: agent("New") },
    errors: [],
  },
  {
    method: "delete",
    path: "/v1/agents/:agent_type",
    id: "remove_agent",
    tag: "agents",
    summary: "Take an agent out of the registry",
    permission: "admin",
    produces: JSON_ONLY,
    answers: { 204: DELETED },
    errors: ["AGENT_NOT_FOUND"],
  },
  {
    method: "get",
    path: "/v1/config",
    id: "get_config",
    tag: "config",
    summary: "The config that holds",
    permission: "read",
    produces: JSON_ONLY,
    answers: { 200: { description: "The config", schema: CoordinatorConfig } },
    errors: [],
  },
  {
    method: "patch",
    path: "/v1/config",
    id: "update_config",
    tag: "config",
    summary: "Change the config (RFC 7396); null gives a key its default back",
    permission: "admin",
    produces: JSON_ONLY,
    body: { schema: ConfigPatch },
    answers: { 200: { description: "The config that then holds", schema: CoordinatorConfig } },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/metrics",
    id: "get_performance_metrics",
    tag: "figures",
    summary: "How executions and stages did, where the time went, and what would save some",
    permission: "read",
    produces: JSON_ONLY,
    query: {
      pipeline: { description: "Of this pipeline alone", schema: MetricsFilter.shape.pipeline },
      window_seconds: {
        description: "Of executions that ended in the last so many seconds, to the minute",
        schema: WINDOW,
      },
    },
    answers: { 200: { description: "The figures", schema: Metrics } },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/alerts",
    id: "get_alerts",
    tag: "figures",
    summary: "Thresholds, values, and what fires",
    permission: "read",
    produces: JSON_ONLY,
    answers: { 200: { description: "Every alert; a stage's error rate by stage", schema: AlertList } },
    errors: [],
  },
  {
    method: "get",
    path: "/metrics",
    id: "export_prometheus",
    tag: "figures",
    summary: "The figures for a Prometheus scraper, as text or as OpenMetrics",
    permission: "admin",
    produces: EXPOSITION_TYPES,
    answers: { 200: { description: "The exposition", type: EXPOSITION_TYPES[0] } },
    errors: [],
  },
  {
    method: "get",
    path: "/healthz",
    id: "get_health",
    tag: "about",
    summary: "Whether it is up",
    permission: "public",
    produces: JSON_ONLY,
    answers: { 200: { description: "It is", schema: Health } },
    errors: [],
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "get_openapi",
    tag: "about",
    summary: "This document",
    permission: "public",
    produces: JSON_ONLY,
    answers: { 200: { description: "OpenAPI 3.1", type: JSON_TYPE } },
    errors: [],
  },
  {
    method: "get",
    path: "/schemas/pipeline.json",
    id: "get_pipeline_schema",
    tag: "about",
    summary: "The JSON Schema of a pipeline's definition, for editors",
    permission: "public",
    produces: ["application/schema+json", JSON_TYPE],
    answers: { 200: { description: "JSON Schema 2020-12", type: "application/schema+json" } },
    errors: [],
  },
  {
    method: "get",
    path: "/docs",
    id: "get_docs",
    tag: "about",
    summary: "This reference as a page",
    permission: "public",
    produces: [HTML_TYPE],
    answers: { 200: { description: "The page", type: HTML_TYPE } },
    errors: [],
  },
];

const BY_ROUTE = new Map(OPERATIONS.map((operation) => [`${operation.method} ${operation.path}`, operation]));
const PATTERNS = new Map(
  OPERATIONS.map(({ path }) => [path, new RegExp(`^${path.replaceAll(/:[a-z_]+/g, "[^/]+")}$`)]),
);

/** The operation of a route, as the router names it. */
export function operationOf(method: string, path: string): Operation | undefined {
  return BY_ROUTE.get(`${method.toLowerCase()} ${path}`);
}

/** The methods that a request's path allows; empty where there is nothing. */
export function allowedMethods(requestPath: string): string[] {
  const there = OPERATIONS.filter(({ path }) => PATTERNS.get(path)?.test(requestPath));
  const methods = there.map(({ method }) => method.toUpperCase());
  if (methods.length === 0) return [];
  return [...new Set([...methods.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name])), "OPTIONS"])];
}
