// The headers of every answer, errors and streams too: no referrer (a stream's URL may contain a token), no sniffing, no
// caching of a tenant's data, and what a page of an allowed origin needs (CORS). Also answers a preflight. No cookies,
// so no credentials mode.
//
// hono's cors() does not meet src/contract/README.md section 5: it exposes headers to every origin, and answers OPTIONS
// with 204 for any path, without Allow. Its secureHeaders() would set the same two headers for 3 kB of the bundle.
import type { MiddlewareHandler } from "hono";
import type { AppEnv, Call } from "../context.ts";
import { isOpenedByToken } from "../endpoints.ts";

/** Clients of other protocols send headers of their own. Without cookies a header that is allowed gives nothing away. */
const ASKED_HEADERS = "access-control-request-headers";
const REQUEST_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, If-Match, If-None-Match, traceparent, " +
  "Cache-Control, tracestate, baggage, x-requested-with";
const EXPOSED_HEADERS = "Location, ETag, Retry-After, RateLimit, RateLimit-Policy, Preference-Applied";
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
/** How long a browser may remember a preflight, in seconds. */
const PREFLIGHT_SECONDS = "600";

export const responseHeaders: MiddlewareHandler<AppEnv> = async (call, next) => {
  await next();
  // Hono drops the body of an answer to HEAD; a stream of an object's would stay open.
  if (call.req.method === "HEAD") void call.res.body?.cancel();
  // Every answer is one that a handler has made: a response of an object's could not be changed.
  const { headers } = call.res;
  const endpoint = call.get("endpoint");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-content-type-options", "nosniff");
  // Answers with an ETag too: the tag serves conditional requests, and a cached copy would still be a tenant's data.
  if (endpoint?.permission !== "public" && !headers.has("cache-control")) {
    headers.set("cache-control", "no-store");
  }
  // Every endpoint looks at Accept, if only to answer 406.
  varyBy(headers, endpoint === undefined ? ["Origin"] : ["Accept", "Origin"]);
  const origin = call.req.header("origin");
  // Without services the environment is invalid, and no origin is allowed.
  const isAllowed = origin !== undefined && (call.get("services")?.settings.corsOrigins.has(origin) ?? false);
  // What a token opens is no page's to script.
  if (isAllowed && !isOpenedByToken(call.req.path)) {
    headers.set("access-control-allow-origin", origin);
    const isOpenAi = endpoint?.dialect === "openai";
    headers.set(
      "access-control-expose-headers",
      // Without the second one openai asks again in a page: a run that has failed begins again.
      isOpenAi ? `${EXPOSED_HEADERS}, x-request-id, x-should-retry` : EXPOSED_HEADERS,
    );
    if (isPreflight(call)) {
      headers.set("access-control-allow-methods", METHODS);
      headers.set("access-control-allow-headers", allowedHeaders(call.req.header(ASKED_HEADERS)));
      headers.set("access-control-max-age", PREFLIGHT_SECONDS);
    }
  }
};

/** The product's own, and those that a preflight asks for besides. */
function allowedHeaders(asked: string | undefined): string {
  const own = new Set(REQUEST_HEADERS.toLowerCase().split(", "));
  const others = (asked ?? "").split(",").map((name) => name.trim());
  const more = others.filter(
    (name) => /^[\w!#$%&'*+.^`|~-]{1,64}$/.test(name) && !own.has(name.toLowerCase()),
  );
  return [REQUEST_HEADERS, ...more.slice(0, MORE_HEADERS)].join(", ");
}

const MORE_HEADERS = 32;

/** Adds to what a handler may have named already, in one field. */
function varyBy(headers: Headers, names: readonly string[]): void {
  const known = headers.get("vary")?.split(/\s*,\s*/) ?? [];
  headers.set("vary", [...new Set([...known, ...names])].join(", "));
}

function isPreflight(call: Call): boolean {
  return call.req.method === "OPTIONS" && call.req.header("access-control-request-method") !== undefined;
}
