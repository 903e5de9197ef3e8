// The OpenAPI document, made of the endpoints and of the zod schemas that validate: nothing is described twice. Made
// once per isolate, on the first request.
import * as z from "../../contract/zod.ts";
import { EventList, LifecycleEvent, StageDelta, StageProgress } from "../../contract/event.ts";
import { PipelineExecution } from "../../contract/execution.ts";
import { LIMITS } from "../../contract/limits.ts";
import { PipelineDefinition } from "../../contract/pipeline.ts";
import { type ErrorCode, Problem } from "../../contract/problem.ts";
import { StageResult } from "../../contract/stage.ts";
import { VERSION } from "../../version.ts";
import type { TaggedEndpoint } from "../endpoint.ts";
import { STATUS } from "../problem.ts";
import { HTML_TYPE, JSON_TYPE, queryParameters, SSE_TYPE } from "../route.ts";
import { TAGS } from "./description.ts";
import { type Operation, operationsOf } from "./operations.ts";

/** What streams and errors carry, which no endpoint declares as its answer. */
const SHARED = { LifecycleEvent, StageDelta, StageProgress, Problem };

type Json = Record<string, unknown>;

let made: string | null = null;

/** The document as JSON text. */
export async function openApiText(endpoints: readonly TaggedEndpoint[]): Promise<string> {
  made ??= JSON.stringify(await openApi(endpoints));
  return made;
}

/** JSON Schema 2020-12 of a pipeline's definition. */
export function pipelineSchemaText(): string {
  const schema = z.toJSONSchema(PipelineDefinition, { io: "input" });
  return JSON.stringify({ ...schema, title: "Agent Coordinator pipeline" });
}

/** The document as a value. */
export async function openApi(endpoints: readonly TaggedEndpoint[]): Promise<Json> {
  const operations = await operationsOf(endpoints);
  const schemas = componentsOf(operations);
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
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
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "A key listed in AGENT_COORDINATOR_API_KEYS" },
        stream_token: { type: "apiKey", in: "query", name: "token", description: "The token of stream_url" },
      },
      schemas,
    },
  };
}

/** The schemas that have a name: of bodies, whose fields with defaults are optional, and of answers. None is both. */
function componentsOf(operations: readonly Operation[]): Json {
  const bodies = new Map<string, z.ZodMiniType>();
  const answers = new Map<string, z.ZodMiniType>();
  for (const { body } of operations) if (body !== undefined) bodies.set(body.name, body.schema);
  for (const operation of operations) {
    for (const { schema } of operation.answers)
      if (schema !== undefined) answers.set(schema.name, schema.schema);
  }
  for (const [name, schema] of Object.entries(SHARED)) answers.set(name, schema);
  return { ...schemasOf(bodies, "input"), ...schemasOf(answers, "output") };
}

/** Errors that any operation may answer: INVALID_REQUEST where its query is not what it takes. */
const ANYWHERE: readonly ErrorCode[] = ["INVALID_REQUEST", "FORBIDDEN", "NOT_ACCEPTABLE", "INTERNAL_ERROR"];
const WITH_A_KEY: readonly ErrorCode[] = ["UNAUTHORIZED"];
const WITH_A_BODY: readonly ErrorCode[] = ["UNSUPPORTED_MEDIA_TYPE", "RESOURCE_EXHAUSTED"];
const WITH_WORK: readonly ErrorCode[] = ["RATE_LIMITED", "BUDGET_EXCEEDED", "COORDINATOR_DISABLED"];

function describe(operation: Operation): Json {
  const { id, tag, summary, permission } = operation;
  return {
    operationId: id,
    summary,
    tags: [tag],
    ...(needsKey(operation) ? {} : { security: [] }),
    ...(permission === "follow" ? { security: [{ key: [] }, { stream_token: [] }] } : {}),
    parameters: parametersOf(operation),
    ...bodyOf(operation),
    responses: { ...answersOf(operation), ...errorsOf(operation) },
  };
}

/** A token in the path is a parameter, and no security scheme that OpenAPI knows. */
function needsKey({ permission }: Operation): boolean {
  return permission !== "public" && permission !== "token";
}

function bodyOf({ body, takes = {} }: Operation): Json {
  const schemas = body === undefined ? takes : { [JSON_TYPE]: reference(body.name) };
  const content = Object.entries(schemas).map(([media, schema]) => [media, { schema }]);
  if (content.length === 0) return {};
  return { requestBody: { required: body?.absent === undefined, content: Object.fromEntries(content) } };
}

function parametersOf(operation: Operation): Json[] {
  const { path, permission, parameters = {}, headers = [] } = operation;
  const maxLength = permission === "token" ? LIMITS.OUTSIDE_TOKEN_CHARS : LIMITS.NAME_CHARS;
  const named = Array.from(path.matchAll(/:([a-z_]+)/g), ([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string", maxLength },
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

function answersOf({ answers, produces }: Operation): Json {
  return Object.fromEntries(
    answers.map(({ status, description, headers, schema, media }) => {
      const content: Json = {};
      if (schema !== undefined) content[JSON_TYPE] = { schema: reference(schema.name) };
      if (media !== undefined) content[media] = { schema: {} };
      if (status === 200 && produces.includes(SSE_TYPE)) content[SSE_TYPE] = EVENT_STREAM;
      if (status === 200 && produces.includes(HTML_TYPE)) content[HTML_TYPE] = { schema: {} };
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
      oneOf: ["LifecycleEvent", "StageDelta", "StageProgress"].map(reference),
    },
  },
};

function errorsOf(operation: Operation): Json {
  const { body, takes, starts_work, produces, errors = [] } = operation;
  const hasBody = body !== undefined || takes !== undefined;
  const codes = new Set<ErrorCode>([
    ...errors,
    ...(starts_work === undefined ? [] : WITH_WORK),
    ...(hasBody ? WITH_A_BODY : []),
    ...(needsKey(operation) ? WITH_A_KEY : []),
    ...ANYWHERE,
  ]);
  // A body that is too large has a status of its own.
  const statusesOf = (code: ErrorCode) =>
    code !== "RESOURCE_EXHAUSTED"
      ? [STATUS[code]]
      : [...(hasBody ? [413] : []), ...(errors.includes(code) ? [STATUS[code]] : [])];
  const answered = [...codes].flatMap((code) => statusesOf(code).map((status) => ({ status, code })));
  const byStatus = Map.groupBy(answered, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map(({ code }) => code).join(", "),
        content: {
          "application/problem+json": { schema: reference("Problem") },
          ...(produces.includes(HTML_TYPE) && those.some(({ code }) => PAGES.has(code))
            ? { [HTML_TYPE]: { schema: {} } }
            : {}),
        },
      },
    ]),
  );
}

/** What a page says in words. */
const PAGES: ReadonlySet<ErrorCode> = new Set(["NOT_FOUND", "EXECUTION_CONFLICT", "SCHEMA_MISMATCH"]);

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function schemasOf(schemas: ReadonlyMap<string, z.ZodMiniType>, io: "input" | "output"): Json {
  return Object.fromEntries(
    Array.from(schemas, ([name, schema]) => [
      name,
      bare(z.toJSONSchema(schema, { io, reused: "inline", override: referToLarge(schema) })),
    ]),
  );
}

/** Written out wherever an event holds them, they would make the document twice as long. */
const LARGE: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [PipelineExecution, "PipelineExecution"],
  [StageResult, "StageResult"],
  [LifecycleEvent, "LifecycleEvent"],
]);
const WITH_LARGE: ReadonlySet<unknown> = new Set([LifecycleEvent, EventList]);

/** In the schemas of events, a reference in place of each large schema that has a name. */
function referToLarge(root: z.ZodMiniType) {
  return ({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Json }) => {
    const name = LARGE.get(zodSchema);
    if (!WITH_LARGE.has(root) || zodSchema === root || name === undefined) return;
    for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
    Object.assign(jsonSchema, reference(name));
  };
}

/** Without the dialect's name, which the document says once for all by its version. */
function bare(schema: Json): Json {
  const { $schema: _, ...rest } = schema;
  return rest;
}
