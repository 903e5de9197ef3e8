// The Hono app: routes, and what holds for all of them. Whatever is thrown becomes INTERNAL_ERROR without a word of
// its cause; a path that exists under another method is told so.
import { Hono } from "hono";
import { type AppEnv, type Call, problem } from "./context.ts";
import { auth } from "./middleware/auth.ts";
import { services } from "./middleware/services.ts";
import { agents } from "./routes/agents.ts";
import { executions } from "./routes/executions.ts";
import { pipelines } from "./routes/pipelines.ts";
import { stages } from "./routes/stages.ts";
import { VERSION } from "../version.ts";

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get("/healthz", (call) => call.json({ status: "ok", version: VERSION }));
  app.use("/v1/*", services, auth);
  app.route("/v1/executions", executions);
  app.route("/v1/pipelines", pipelines);
  app.route("/v1/agents", agents);
  app.route("/v1/stages", stages);
  app.notFound((call) => notFound(app, call));
  app.onError((cause, call) => {
    console.error(
      JSON.stringify({ level: "ERROR", message: "unhandled", path: call.req.path, cause: cause.name }),
    );
    return problem(call, { code: "INTERNAL_ERROR" });
  });
  return app;
}

function notFound(app: Hono<AppEnv>, call: Call): Response {
  const allow = app.routes
    .filter((route) => route.method !== "ALL" && pattern(route.path).test(call.req.path))
    .map((route) => route.method);
  if (allow.length === 0) return problem(call, { code: "NOT_FOUND" });
  return problem(call, { code: "METHOD_NOT_ALLOWED", method: call.req.method, allow: [...new Set(allow)] });
}

function pattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/:[a-z_]+/g, "[^/]+")}/?$`);
}
