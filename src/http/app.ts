// The Hono app: global middleware, then every endpoint. Every exception becomes INTERNAL_ERROR without its cause; a path
// that exists under another method gets METHOD_NOT_ALLOWED.
import { Hono } from "hono/tiny";
import { type AppEnv, type Call, logError, problem, withoutToken } from "./context.ts";
import { allowedMethods, ENDPOINTS } from "./endpoints.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { local } from "./middleware/local-access.ts";
import { query } from "./middleware/query-parameters.ts";
import { rateLimit } from "./middleware/rate-limit.ts";
import { responseHeaders } from "./middleware/response-headers.ts";
import { services } from "./middleware/services.ts";

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use("*", responseHeaders, services, local, authenticate, query, rateLimit);
  for (const { method, path, serve } of ENDPOINTS) app.on(method, path, serve);
  app.notFound(notFound);
  app.onError((cause, call) => {
    logError({ message: "unhandled", path: withoutToken(call.req.path), cause: cause.name });
    return problem(call, { code: "INTERNAL_ERROR" });
  });
  return app;
}

function notFound(call: Call): Response {
  const allow = allowedMethods(call.req.path);
  if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
  return problem(call, { code: "METHOD_NOT_ALLOWED", method: call.req.method, allow });
}
