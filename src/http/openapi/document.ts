// The OpenAPI document, made of the operations and of the zod schemas that validate: nothing is described twice. Made
// once per isolate, on the first request.
import * as z from "../../contract/zod.ts";
import { AgentRegistration } from "../../contract/agent.ts";
import { ConfigPatch, CoordinatorConfig } from "../../contract/config.ts";
import { EventList, LifecycleEvent, StageDelta, StageProgress } from "../../contract/event.ts";
import { CleanupResult, ExecutionList } from "../../contract/execution-list.ts";
import { PipelineExecution } from "../../contract/execution.ts";
import {
  Agent,
  AgentList,
  Health,
  PipelineList,
  Validation,
  WrittenPipeline,
} from "../../contract/management.ts";
import { AlertList, Metrics } from "../../contract/metrics.ts";
import { Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";
import { type ErrorCode, Problem } from "../../contract/problem.ts";
import {
  CleanupRequest,
  ExecutionRequest,
  PauseRequest,
  StageExecutionRequest,
  ValidationRequest,
} from "../../contract/requests.ts";
import { PipelineStage, StageResult } from "../../contract/stage.ts";
import { VERSION } from "../../version.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { STATUS } from "../problem.ts";
import { JSON_TYPE, queryParameters, SSE_TYPE } from "../endpoints.ts";

/** Schemas of requests: fields with defaults are optional. */
const REQUESTS = {
  ExecutionRequest,
  StageExecutionRequest,
  PauseRequest,
  CleanupRequest,
  PipelineDefinition,
  PipelineStage,
  ValidationRequest,
  AgentRegistration,
  ConfigPatch,
};
/** Schemas of responses. */
const ANSWERS = {
  PipelineExecution,
  ExecutionList,
  CleanupResult,
  StageResult,
  LifecycleEvent,
  StageDelta,
  StageProgress,
  EventList,
  Pipeline,
  WrittenPipeline,
  PipelineList,
  Validation,
  Agent,
  AgentList,
  CoordinatorConfig,
  Metrics,
  AlertList,
  Health,
  Problem,
};

type Json = Record<string, unknown>;

let made: string | null = null;

/** The document as JSON text. */
export function openApiText(): string {
  made ??= JSON.stringify(openApi());
  return made;
}

/** JSON Schema 2020-12 of a pipeline's definition. */
export function pipelineSchemaText(): string {
  const schema = z.toJSONSchema(PipelineDefinition, { io: "input" });
  return JSON.stringify({ ...schema, title: "Agent Coordinator pipeline" });
}

/** The document as a value. */
export function openApi(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of OPERATIONS) {
    const path = operation.path.replaceAll(/:([a-z_]+)/g, "{$1}");
    paths[path] = { ...paths[path], [operation.method]: describe(operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Agent Coordinator",
      version: VERSION,
      summary: "Runs pipelines of AI agents at the edge.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "This coordinator" }],
    security: [{ key: [] }],
    tags: TAGS,
    paths,
    components: {
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "A key listed in AGENT_COORDINATOR_API_KEYS" },
        stream_token: { type: "apiKey", in: "query", name: "token", description: "The token of stream_url" },
      },
      schemas: { ...schemasOf(REQUESTS, "input"), ...schemasOf(ANSWERS, "output") },
    },
  };
}

const TAGS = [
  { name: "executions", description: "Executions: start, stream, control and trace" },
  { name: "pipelines", description: "Pipeline definitions" },
  { name: "agents", description: "Agent registry" },
  { name: "config", description: "Coordinator configuration" },
  { name: "metrics", description: "Metrics and alerts" },
  { name: "about", description: "Health and API reference (no key required)" },
];

const NAMES = new Map<unknown, string>(
  [...Object.entries(REQUESTS), ...Object.entries(ANSWERS)].map(([name, schema]) => [schema, name]),
);

/** Errors that any operation may answer: INVALID_REQUEST where its query is not what it takes. */
const ANYWHERE: readonly ErrorCode[] = ["INVALID_REQUEST", "FORBIDDEN", "NOT_ACCEPTABLE", "INTERNAL_ERROR"];
const WITH_A_KEY: readonly ErrorCode[] = ["UNAUTHORIZED"];
const WITH_A_BODY: readonly ErrorCode[] = ["UNSUPPORTED_MEDIA_TYPE", "RESOURCE_EXHAUSTED"];
const WITH_WORK: readonly ErrorCode[] = ["RATE_LIMITED", "COORDINATOR_DISABLED"];

function describe(operation: Operation): Json {
  const { id, tag, summary, permission, body } = operation;
  return {
    operationId: id,
    summary,
    tags: [tag],
    ...(permission === "public" ? { security: [] } : {}),
    ...(permission === "follow" ? { security: [{ key: [] }, { stream_token: [] }] } : {}),
    parameters: parametersOf(operation),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.optional !== true,
            content: { [JSON_TYPE]: { schema: reference(body.schema) } },
          },
        }),
    responses: { ...answersOf(operation), ...errorsOf(operation) },
  };
}

function parametersOf(operation: Operation): Json[] {
  const { path, parameters = {}, headers = [] } = operation;
  const named = Array.from(path.matchAll(/:([a-z_]+)/g), ([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string", maxLength: 64 },
  }));
  const asked = Object.entries(queryParameters(operation))
    // The token is a security scheme.
    .filter(([name]) => name !== "token")
    .map(([name, schema]) => ({
      name,
      in: "query",
      description: parameters[name],
      // What it says, and not the text that it is sent as.
      schema: bare(z.toJSONSchema(schema as z.ZodMiniType, { io: "output" })),
    }));
  const sent = headers.map((name) => ({ name, in: "header", schema: { type: "string" } }));
  return [...named, ...asked, ...sent];
}

function answersOf(operation: Operation): Json {
  return Object.fromEntries(
    Object.entries(operation.answers).map(([status, { description, schema, type, headers = [] }]) => {
      const content: Json = {};
      if (schema !== undefined) content[JSON_TYPE] = { schema: reference(schema) };
      else if (type !== undefined && type !== SSE_TYPE) content[type] = { schema: {} };
      if (status === "200" && operation.produces.includes(SSE_TYPE)) content[SSE_TYPE] = EVENT_STREAM;
      return [
        status,
        {
          description,
          ...(headers.length === 0
            ? {}
            : { headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: "string" } }])) }),
          ...(Object.keys(content).length === 0 ? {} : { content }),
        },
      ];
    }),
  );
}

/** The schema of a stream: the JSON of its `data` lines. */
const EVENT_STREAM: Json = {
  schema: {
    type: "string",
    description:
      "Server-sent events. Lifecycle events carry their seq as id and a LifecycleEvent as data; stage.delta and " +
      "stage.progress carry no id and a StageDelta or a StageProgress. The last event is a terminal execution.* event.",
    contentMediaType: JSON_TYPE,
    contentSchema: {
      oneOf: ["LifecycleEvent", "StageDelta", "StageProgress"].map((name) => ({
        $ref: `#/components/schemas/${name}`,
      })),
    },
  },
};

function errorsOf({ permission, body, starts_work, errors }: Operation): Json {
  const codes = new Set<ErrorCode>([
    ...errors,
    ...(starts_work === true ? WITH_WORK : []),
    ...(body === undefined ? [] : WITH_A_BODY),
    ...(permission === "public" ? [] : WITH_A_KEY),
    ...ANYWHERE,
  ]);
  // A body that is too large has a status of its own.
  const statusesOf = (code: ErrorCode) =>
    code !== "RESOURCE_EXHAUSTED"
      ? [STATUS[code]]
      : [...(body === undefined ? [] : [413]), ...(errors.includes(code) ? [STATUS[code]] : [])];
  const answered = [...codes].flatMap((code) => statusesOf(code).map((status) => ({ status, code })));
  const byStatus = Map.groupBy(answered, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map(({ code }) => code).join(", "),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}

function reference(schema: z.ZodMiniType): Json {
  const name = NAMES.get(schema);
  return name === undefined ? bare(z.toJSONSchema(schema)) : { $ref: `#/components/schemas/${name}` };
}

function schemasOf(schemas: Readonly<Record<string, z.ZodMiniType>>, io: "input" | "output"): Json {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      bare(z.toJSONSchema(schema, { io, reused: "inline", override: referToLarge(schema) })),
    ]),
  );
}

/** Written out wherever an event holds them, they would make the document twice as long. */
const LARGE: ReadonlySet<unknown> = new Set([PipelineExecution, StageResult, LifecycleEvent]);
const WITH_LARGE: ReadonlySet<unknown> = new Set([LifecycleEvent, EventList]);

/** In the schemas of events, a reference in place of each large schema that has a name. */
function referToLarge(root: z.ZodMiniType) {
  return ({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Json }) => {
    if (!WITH_LARGE.has(root) || zodSchema === root || !LARGE.has(zodSchema)) return;
    for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
    jsonSchema["$ref"] = `#/components/schemas/${NAMES.get(zodSchema)}`;
  };
}

/** Without the dialect's name, which the document says once for all by its version. */
function bare(schema: Json): Json {
  const { $schema: _, ...rest } = schema;
  return rest;
}
