// The Hono app: routes and global middleware. Every exception becomes INTERNAL_ERROR without its cause; a path that
// exists under another method gets METHOD_NOT_ALLOWED.
import { Hono } from "hono/tiny";
import { type AppEnv, type Call, logError, problem } from "./context.ts";
import { responseHeaders } from "./middleware/response-headers.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { local } from "./middleware/local-access.ts";
import { query } from "./middleware/query-parameters.ts";
import { rateLimit } from "./middleware/rate-limit.ts";
import { services } from "./middleware/services.ts";
import { allowedMethods } from "./endpoints.ts";
import { about } from "./routes/about.ts";
import { agents } from "./routes/agents.ts";
import { alerts } from "./routes/alerts.ts";
import { config } from "./routes/config.ts";
import { executionIndex } from "./routes/execution-list.ts";
import { executions } from "./routes/executions.ts";
import { metrics } from "./routes/metrics.ts";
import { pipelines } from "./routes/pipelines.ts";
import { prometheus } from "./routes/prometheus.ts";
import { stages } from "./routes/stages.ts";

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use("*", responseHeaders, services, local, authenticate, query, rateLimit);
  app.route("/", about);
  app.route("/v1/executions", executionIndex);
  app.route("/v1/executions", executions);
  app.route("/v1/pipelines", pipelines);
  app.route("/v1/agents", agents);
  app.route("/v1/config", config);
  app.route("/v1/stages", stages);
  app.route("/v1/metrics", metrics);
  app.route("/v1/alerts", alerts);
  app.route("/metrics", prometheus);
  app.notFound(notFound);
  app.onError((cause, call) => {
    logError({ message: "unhandled", path: call.req.path, cause: cause.name });
    return problem(call, { code: "INTERNAL_ERROR" });
  });
  return app;
}

function notFound(call: Call): Response {
  const allow = allowedMethods(call.req.path);
  if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
  return problem(call, { code: "METHOD_NOT_ALLOWED", method: call.req.method, allow });
}
