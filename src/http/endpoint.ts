// endpoint(): one route of the API as one value. The router, the permission, the query check, the body with its bound,
// the methods that a path allows, the media types and the OpenAPI document all come from it. What the handler answers
// is type-checked against the schema that the endpoint declares for that status.
import { ok, type Result } from "../contract/problem.ts";
import type * as z from "../contract/zod.ts";
import type { Text } from "../engine/watch/text-stream.ts";
import type { Services } from "../compose.ts";
import { type Call, jsonText, problem } from "./context.ts";
import type { AnswerDescription, Description, Tag } from "./openapi/description.ts";
import { type Body, readBody } from "./request/body.ts";
import { type HTML_TYPE, JSON_TYPE, type QuerySchema, type Route, type SSE_TYPE } from "./route.ts";

/** An endpoint without the types of its input and answers. */
export interface Endpoint extends Route {
  /** The operation id of the OpenAPI document. */
  id: string;
  body?: Body;
  answers: Answers;
  /** Evaluated for the OpenAPI document alone. */
  describe: () => Description;
  /** Reads the parameters and the body, and handles the call. */
  serve: (call: Call) => Promise<Response>;
}

/** With the tag that the OpenAPI document groups it under. */
export interface TaggedEndpoint extends Endpoint {
  tag: Tag;
}

/** The schemas that answers are named after. They are loaded for the OpenAPI document alone: no run needs them. */
type Schemas = typeof import("../contract/answers.ts");
type JsonOf<Name extends keyof Schemas> = z.output<Schemas[Name]>;

/** The statuses that are answered without an error. */
type Status = 200 | 201 | 202 | 204 | 304;

/** By status: the name of the schema of its JSON, its media type if it has none, or null for an answer without a body. */
export type Answers = Readonly<Partial<Record<Status, keyof Schemas | MediaAnswer | null>>>;

interface MediaAnswer {
  media: string;
}

declare const of: unique symbol;
/** JSON text of a T, which passes through unread. */
export type JsonText<T> = Text & { readonly [of]: T };

/** The JSON text of a T that an object has written. */
export function asJson<T>(text: Text): JsonText<T> {
  return text as JsonText<T>;
}

/** Why a call is refused: its problem document is made of it. */
export type Refused = Extract<Result<never>, { ok: false }>;

/** What a handler answers with one of the declared statuses. */
type Reply<A extends Answers, Produces extends readonly string[]> =
  | { [S in keyof A & number]: ReplyWith<StatusesOf<A, A[S]>, A[S]> }[keyof A & number]
  /** The event stream that is served from an object's, or another answer that a route of a `dialect` has written. */
  | (typeof SSE_TYPE extends Produces[number] ? { stream: Response } : never)
  /** A page for a person, of any status. */
  | (typeof HTML_TYPE extends Produces[number] ? { page: Response } : never);

/** The statuses that have the same answer: a handler may choose between them. */
type StatusesOf<A extends Answers, Answer> = {
  [S in keyof A & number]: [A[S], Answer] extends [Answer, A[S]] ? S : never;
}[keyof A & number];

type ReplyWith<Statuses, Answer> = {
  status: Statuses;
  headers?: Record<string, string>;
} & (Answer extends keyof Schemas
  ? { json: JsonOf<Answer> } | { text: JsonText<JsonOf<Answer>> }
  : Answer extends MediaAnswer
    ? { media: BodyInit; type: string }
    : unknown);

/** With `Literal`, which lets the compiler infer `status: 200`, and not `number`, before it knows the answers. */
type Handled<A extends Answers, Produces extends readonly string[]> =
  | (Reply<A, Produces> & Literal)
  | Refused;
interface Literal {
  status?: Status;
  stream?: Response;
  page?: Response;
}

type NamesIn<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer After}`
    ? Name | NamesIn<`/${After}`>
    : Rest
  : never;

type Output<Schema extends z.ZodMiniType> = [Schema] extends [never] ? undefined : z.output<Schema>;

interface Input<Name extends string, Query extends QuerySchema, BodySchema extends z.ZodMiniType> {
  call: Call;
  services: Services;
  tenant: string;
  params: Readonly<Record<Name, string>>;
  /** Parsed by the schema. */
  query: Output<Query>;
  /** Parsed by the schema. */
  body: Output<BodySchema>;
  /** The body's JSON as it was sent. */
  sent: unknown;
  /** The produced media type that the caller likes best. */
  type: string;
}

interface Definition<
  Path extends string,
  Query extends QuerySchema,
  BodySchema extends z.ZodMiniType,
  Produces extends readonly string[],
  A extends Answers,
> extends Omit<Route, "path" | "produces" | "query"> {
  id: string;
  path: Path;
  produces?: Produces;
  query?: Query;
  body?: Body<BodySchema>;
  answers: A;
  describe: () => Described<Query, A>;
  handle: (
    input: Input<NamesIn<Path>, Query, BodySchema>,
  ) => Handled<A, Produces> | Promise<Handled<A, Produces>>;
}

/** Every parameter of the query and every answer has a description. */
type Described<Query extends QuerySchema, A extends Answers> = Description & {
  answers: Readonly<Record<keyof A, AnswerDescription>>;
} & ([Query] extends [never] ? unknown : { parameters: Readonly<Record<keyof z.output<Query>, string>> });

/** For each parameter of the path: its value, or why the call is refused. */
type Parameters<Name extends string> = [Name] extends [never]
  ? { params?: never }
  : { params: Readonly<Record<Name, (text: string) => Result<string>>> };

/**
 * A route with all that is known of it.
 *
 * @example
 * endpoint({
 *   id: "get_alerts",
 *   method: "get",
 *   path: "/v1/alerts",
 *   permission: "read",
 *   answers: { 200: "AlertList" },
 *   describe: () => ({ summary: "List alerts", answers: { 200: "Every alert" } }),
 *   handle: async ({ services, tenant }) => ({
 *     status: 200,
 *     json: { data: await services.monitor(tenant).alerts() },
 *   }),
 * });
 */
export function endpoint<
  Path extends string,
  Query extends QuerySchema = never,
  BodySchema extends z.ZodMiniType = never,
  const Produces extends readonly string[] = readonly [typeof JSON_TYPE],
  const A extends Answers = never,
>(definition: Definition<Path, Query, BodySchema, Produces, A> & Parameters<NamesIn<Path>>): Endpoint {
  const { handle, params: parameters, produces = JSON_ONLY, ...route } = definition;
  const serve = async (call: Call): Promise<Response> => {
    const params = readParameters(call, parameters ?? {});
    if (!params.ok) return problem(call, params.error);
    const body = route.body === undefined ? NO_BODY : await readBody(call.req.raw, route.body);
    if (!body.ok) return problem(call, body.error);
    const { services, tenant, query, accepted } = call.var;
    const { value, sent } = body.value;
    const input = { call, services, tenant, params: params.value, query, body: value, sent, type: accepted };
    const reply = await handle(input as Input<NamesIn<Path>, Query, BodySchema>);
    return "error" in reply ? problem(call, reply.error) : responseOf(reply);
  };
  return { ...route, produces, serve } as Endpoint;
}

const JSON_ONLY = [JSON_TYPE] as const;
const NO_BODY = ok({ value: undefined, sent: undefined });

function readParameters(
  call: Call,
  parameters: Readonly<Record<string, (text: string) => Result<string>>>,
): Result<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const [name, read] of Object.entries(parameters)) {
    const value = read(call.req.param(name) ?? "");
    if (!value.ok) return value;
    params[name] = value.value;
  }
  return ok(params);
}

type AnyReply =
  | { stream: Response }
  | { page: Response }
  | ({ status: number; headers?: Record<string, string> } & (
      | { json: unknown }
      | { text: Text }
      | { media: BodyInit; type: string }
      | object
    ));

function responseOf(reply: AnyReply): Response {
  if ("stream" in reply) return reply.stream;
  if ("page" in reply) return reply.page;
  const { status, headers = {} } = reply;
  if ("json" in reply) return jsonText(JSON.stringify(reply.json), status, headers);
  if ("text" in reply) return jsonText(reply.text, status, headers);
  if ("media" in reply) {
    return new Response(reply.media, { status, headers: { "content-type": reply.type, ...headers } });
  }
  return new Response(null, { status, headers });
}
