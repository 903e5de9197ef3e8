// What the router, the middlewares and the OpenAPI document know of an endpoint before a call of it is handled: its
// route, who may call it, its media types and its query.
import type * as z from "../contract/zod.ts";

export const JSON_TYPE = "application/json";
export const SSE_TYPE = "text/event-stream";
export const HTML_TYPE = "text/html";
export const FORM_TYPE = "application/x-www-form-urlencoded";

/**
 * Who may call. `public`: any caller. `read`: any key, since every scope includes it. `execute`, `admin`: a key with that
 * scope. `follow`: as `read`, or a stream token of this execution. `token`: any caller with a token in the path, which
 * says what it opens; the handler reads it, and a bad one is NOT_FOUND.
 */
export type Permission = "public" | "read" | "execute" | "admin" | "follow" | "token";

/** A lazy object, so that no query's schema is made before a call needs it. */
export type QuerySchema = z.ZodMiniLazy<z.ZodMiniObject>;

/** The form of errors that clients of another protocol read: http/facades/errors.ts. */
export type Dialect = "openai" | "json-rpc";

export interface Route {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As the router writes it. */
  path: string;
  permission: Permission;
  /** Media types that it answers with, by default JSON alone; a caller who takes none of them gets 406. */
  produces: readonly string[];
  /** Its query parameters, each given once at most; a call with any other is refused. Absent: it takes none. */
  query?: QuerySchema;
  /** Its query is not looked at: a mail program may add to a link that a person opens. */
  any_query?: true;
  /** Accept does not decide: clients of its protocol send one and read another. */
  any_accept?: true;
  /** Of another protocol: how its clients are sent what is wrong. */
  dialect?: Dialect;
  /** A call of it starts work: it is counted by the rate limit, or its handler counts it where only some calls do. */
  starts_work?: true | "by_handler";
  /** A call with a cursor (Last-Event-ID) attaches to a run that is there and starts none. */
  attaches_by_cursor?: true;
}

/** The schemas of a route's query parameters, by name. */
export function queryParameters({ query }: Pick<Route, "query">): Readonly<Record<string, z.core.$ZodType>> {
  return query === undefined ? {} : query._zod.innerType.shape;
}

/**
 * True for a path in which no segment is empty. The router takes a slash at the end for nothing, but a caller who sends
 * one has lost a segment: URL parsers take `..` out of a path (as `%2e%2e`, too), and what is left names its parent.
 */
export function isWhole(requestPath: string): boolean {
  return requestPath === "/" || !(requestPath.endsWith("/") || requestPath.includes("//"));
}
