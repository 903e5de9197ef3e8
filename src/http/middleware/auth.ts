// Who is calling. With AGENT_COORDINATOR_AUTH=none everybody is the tenant `local`; otherwise a call without a known
// key is refused and told how keys are set.
import type { MiddlewareHandler } from "hono";
import { type AppEnv, problem } from "../context.ts";

export const auth: MiddlewareHandler<AppEnv> = async (call, next) => {
  if (call.var.services.settings.auth === "none") {
    call.set("tenant", "local");
    return next();
  }
  return problem(call, { code: "UNAUTHORIZED", reason: "not_configured" });
};
