// The endpoints: every operation with its permission, its query parameters, whether it starts work and its response
// types. The middlewares read it, and the app finds the methods of a path in it; a test compares it with the router.
// The descriptions (operations.ts) are loaded with the OpenAPI document.
import { AddStageQuery, EventsQuery, ExecutionFilter, MetricsFilter } from "../contract/requests.ts";
import type * as z from "../contract/zod.ts";

export const JSON_TYPE = "application/json";
export const SSE_TYPE = "text/event-stream";
export const EXPOSITION_TYPES: [string, string] = ["text/plain", "application/openmetrics-text"];

/**
 * Who may call. `public`: anybody. `read`: any key, since every scope includes it. `execute`, `admin`: a key with that
 * scope. `follow`: as `read`, or a stream token of this execution.
 */
export type Permission = "public" | "read" | "execute" | "admin" | "follow";

export interface Endpoint {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As the router writes it. */
  path: string;
  permission: Permission;
  /** Media types that it answers with; a caller who takes none of them gets 406. */
  produces: readonly string[];
  /** Its query parameters, each given once at most; a call with any other is refused. Absent: it takes none. */
  query?: z.ZodMiniLazy<z.ZodMiniObject>;
  /** A call of it starts work: it is counted by the rate limit. */
  starts_work?: true;
  /** A call with a cursor (Last-Event-ID) attaches to a run that is there and starts none. */
  attaches_by_cursor?: true;
}

const JSON_ONLY = [JSON_TYPE];

/** By operation id. */
export const API_ENDPOINTS = {
  start_execution: {
    method: "post",
    path: "/v1/executions",
    permission: "execute",
    produces: [JSON_TYPE, SSE_TYPE],
    starts_work: true,
    attaches_by_cursor: true,
  },
  list_executions: {
    method: "get",
    path: "/v1/executions",
    permission: "read",
    produces: JSON_ONLY,
    query: ExecutionFilter,
  },
  cleanup_completed_executions: {
    method: "post",
    path: "/v1/executions/cleanup",
    permission: "execute",
    produces: JSON_ONLY,
  },
  get_execution: { method: "get", path: "/v1/executions/:id", permission: "read", produces: JSON_ONLY },
  delete_execution: {
    method: "delete",
    path: "/v1/executions/:id",
    permission: "execute",
    produces: JSON_ONLY,
  },
  stream_events: {
    method: "get",
    path: "/v1/executions/:id/events",
    permission: "follow",
    produces: [SSE_TYPE, JSON_TYPE],
    query: EventsQuery,
  },
  get_execution_trace: {
    method: "get",
    path: "/v1/executions/:id/trace",
    permission: "read",
    produces: JSON_ONLY,
  },
  pause_execution: {
    method: "post",
    path: "/v1/executions/:id/pause",
    permission: "execute",
    produces: JSON_ONLY,
  },
  resume_execution: {
    method: "post",
    path: "/v1/executions/:id/resume",
    permission: "execute",
    produces: JSON_ONLY,
  },
  cancel_execution: {
    method: "post",
    path: "/v1/executions/:id/cancel",
    permission: "execute",
    produces: JSON_ONLY,
  },
  execute_stage: {
    method: "post",
    path: "/v1/stages/execute",
    permission: "execute",
    produces: JSON_ONLY,
    starts_work: true,
    attaches_by_cursor: true,
  },
  list_pipelines: { method: "get", path: "/v1/pipelines", permission: "read", produces: JSON_ONLY },
  validate_pipeline_config: {
    method: "post",
    path: "/v1/pipelines/validate",
    permission: "read",
    produces: JSON_ONLY,
  },
  get_pipeline_config: {
    method: "get",
    path: "/v1/pipelines/:name",
    permission: "read",
    produces: JSON_ONLY,
  },
  configure_pipeline: {
    method: "put",
    path: "/v1/pipelines/:name",
    permission: "admin",
    produces: JSON_ONLY,
  },
  delete_pipeline: {
    method: "delete",
    path: "/v1/pipelines/:name",
    permission: "admin",
    produces: JSON_ONLY,
  },
  add_stage: {
    method: "post",
    path: "/v1/pipelines/:name/stages",
    permission: "admin",
    produces: JSON_ONLY,
    query: AddStageQuery,
  },
  remove_stage: {
    method: "delete",
    path: "/v1/pipelines/:name/stages/:stage",
    permission: "admin",
    produces: JSON_ONLY,
  },
  list_agents: { method: "get", path: "/v1/agents", permission: "read", produces: JSON_ONLY },
  get_agent: { method: "get", path: "/v1/agents/:agent_type", permission: "read", produces: JSON_ONLY },
  register_agent: { method: "put", path: "/v1/agents/:agent_type", permission: "admin", produces: JSON_ONLY },
  remove_agent: {
    method: "delete",
    path: "/v1/agents/:agent_type",
    permission: "admin",
    produces: JSON_ONLY,
  },
  get_config: { method: "get", path: "/v1/config", permission: "read", produces: JSON_ONLY },
  update_config: { method: "patch", path: "/v1/config", permission: "admin", produces: JSON_ONLY },
  get_performance_metrics: {
    method: "get",
    path: "/v1/metrics",
    permission: "read",
    produces: JSON_ONLY,
    query: MetricsFilter,
  },
  get_alerts: { method: "get", path: "/v1/alerts", permission: "read", produces: JSON_ONLY },
  export_prometheus: { method: "get", path: "/metrics", permission: "read", produces: EXPOSITION_TYPES },
  get_health: { method: "get", path: "/healthz", permission: "public", produces: JSON_ONLY },
  get_openapi: { method: "get", path: "/openapi.json", permission: "public", produces: JSON_ONLY },
  get_pipeline_schema: {
    method: "get",
    path: "/schemas/pipeline.json",
    permission: "public",
    produces: ["application/schema+json", JSON_TYPE],
  },
  get_docs: { method: "get", path: "/docs", permission: "public", produces: ["text/html"] },
} satisfies Record<string, Endpoint>;

export type OperationId = keyof typeof API_ENDPOINTS;

/** The query of an operation that takes one, as its handler gets it. */
export type QueryOf<Id extends OperationId> = (typeof API_ENDPOINTS)[Id] extends {
  query: infer Query extends z.ZodMiniType;
}
  ? z.output<Query>
  : never;

const ENDPOINTS: readonly Endpoint[] = Object.values(API_ENDPOINTS);
const BY_ROUTE = new Map(ENDPOINTS.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint]));

/** The schema of each query parameter, by name. */
export function queryParameters({ query }: Endpoint): z.ZodMiniObject["shape"] {
  return query?._zod.innerType.shape ?? {};
}

/** The endpoint of a route, as the router names it. */
export function endpointOf(method: string, path: string): Endpoint | undefined {
  return BY_ROUTE.get(`${method.toLowerCase()} ${path}`);
}

/**
 * True for a path in which no segment is empty. The router takes a slash at the end for nothing, but a caller who sends
 * one has lost a segment: URL parsers take `..` out of a path (as `%2e%2e`, too), and what is left names its parent.
 */
export function isWhole(requestPath: string): boolean {
  return requestPath === "/" || !(requestPath.endsWith("/") || requestPath.includes("//"));
}

/** The methods that a request's path allows; empty where there is nothing. */
export function allowedMethods(requestPath: string): string[] {
  const there = ENDPOINTS.filter(({ path }) => patternOf(path).test(requestPath));
  const methods = there.map(({ method }) => method.toUpperCase());
  if (methods.length === 0) return [];
  return [...new Set([...methods.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name])), "OPTIONS"])];
}

const patterns = new Map<string, RegExp>();

function patternOf(path: string): RegExp {
  const known = patterns.get(path);
  if (known !== undefined) return known;
  const pattern = new RegExp(`^${path.replaceAll(/:[a-z_]+/g, "[^/]+")}$`);
  patterns.set(path, pattern);
  return pattern;
}
