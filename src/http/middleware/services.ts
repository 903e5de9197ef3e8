// Provides every call with its services. A variable with a bad value stops the first request, and every one after it,
// with an error that names the variable and what was expected.
import type { MiddlewareHandler } from "hono";
import { composeServices } from "../../compose.ts";
import { forCallers } from "../../core/config/bad-variable.ts";
import { type AppEnv, problem } from "../context.ts";

export const services: MiddlewareHandler<AppEnv> = async (call, next) => {
  const composed = composeServices(call.env);
  if (!composed.ok) {
    return problem(call, { code: "INTERNAL_ERROR", misconfigured: forCallers(composed.error) });
  }
  call.set("services", composed.value);
  return next();
};
