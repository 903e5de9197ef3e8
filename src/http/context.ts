// The context of every handler: the services, and the caller.
import type { Context } from "hono";
import type { Services } from "../compose.ts";
import type { Env } from "../settings.ts";
import type { CoordinatorError } from "../contract/problem.ts";
import type { Text } from "../engine/watch/text-stream.ts";
import { logLine } from "../core/monitoring/log-line.ts";
import { problemResponse } from "./problem.ts";
import type { Endpoint, OperationId, QueryOf } from "./endpoints.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    services: Services;
    tenant: string;
    /** Of the key that was presented; null where there is none. */
    key_id: string | null;
    /** The run's start in the presented stream token, ms since the epoch; null without a token. */
    token_start: number | null;
    /** Of the operation that the path and the method name; undefined where there is none. */
    endpoint: Endpoint | undefined;
    /** The query, parsed by the operation's schema. */
    query: unknown;
  };
}

export type Call = Context<AppEnv>;

/** The call's query, which has been checked. @param _id the operation that the handler is of */
export function queryOf<Id extends OperationId>(call: Call, _id: Id): QueryOf<Id> {
  return call.var.query as QueryOf<Id>;
}

export function problem(call: Call, error: CoordinatorError): Response {
  // The path as it was sent: a URI reference, which the decoded one need not be.
  return problemResponse(error, new URL(call.req.url).pathname.replaceAll(/%(?![0-9a-fA-F]{2})/g, "%25"));
}

/** A JSON answer from text that is JSON already. */
export function jsonText(text: Text, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(text, { status, headers: { "content-type": "application/json", ...headers } });
}

/** A line of the log: JSON, so that no control character of a caller's text reaches a terminal as itself. */
export function logError(fields: Record<string, unknown>): void {
  console.error(logLine("ERROR", Date.now(), fields));
}
