// The context of every handler: the services, and the caller.
import type { Context } from "hono";
import type { Services } from "../compose.ts";
import type { Env } from "../settings.ts";
import type { CoordinatorError } from "../contract/problem.ts";
import type { Text } from "../engine/watch/text-stream.ts";
import type { RateVerdict } from "../core/security/rate-limit.ts";
import { logLine } from "../core/monitoring/log-line.ts";
import { dialectAt, dialectError } from "./facades/errors.ts";
import { problemOf, problemResponse } from "./problem.ts";
import type { Route } from "./route.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    services: Services;
    tenant: string;
    /** Of the key that was presented; null where there is none. */
    key_id: string | null;
    /** The run's start in the presented stream token, ms since the epoch; null without a token. */
    token_start: number | null;
    /** Of the path and the method; undefined where there is none. */
    endpoint: Route | undefined;
    /** The media type that the caller likes best of those that the endpoint produces. */
    accepted: string;
    /** What the rate limit has said of this call; absent where it was not counted. */
    rate: RateVerdict | undefined;
    /** The query, parsed by the endpoint's schema. */
    query: unknown;
  };
}

export type Call = Context<AppEnv>;

export function problem(call: Call, error: CoordinatorError): Response {
  // The path as it was sent: a URI reference, which the decoded one need not be.
  const path = new URL(call.req.url).pathname.replaceAll(/%(?![0-9a-fA-F]{2})/g, "%25");
  const answer = problemOf(error, withoutToken(path));
  const dialect = call.get("endpoint")?.dialect ?? dialectAt(path);
  return dialect === null ? problemResponse(answer) : dialectError(dialect, error, answer);
}

/** A path for logs and problem documents, which others read as well: without the token that it may hold. */
export function withoutToken(path: string): string {
  return path.replace(/^(\/+(?:respond|v1\/+callbacks)(?:\/|%2f)).+/i, "$1***");
}

/** A JSON answer from text that is JSON already. */
export function jsonText(text: Text, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(text, { status, headers: { "content-type": "application/json", ...headers } });
}

/** A line of the log: JSON, so that no control character of a caller's text reaches a terminal as itself. */
export function logError(fields: Record<string, unknown>): void {
  console.error(logLine("ERROR", Date.now(), fields));
}
