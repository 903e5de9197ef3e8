// The rate limit of calls that start work, with its headers (draft-ietf-httpapi-ratelimit-headers). Who has had
// events already attaches and starts nothing: reconnecting readers are neither counted nor refused.
import type { MiddlewareHandler } from "hono";
import type { RateVerdict } from "../../core/resilience/sliding-window.ts";
import { type AppEnv, type Call, problem } from "../context.ts";

export const rateLimit: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { limiter, clock } = call.var.services;
  if (limiter === null || call.req.method !== "POST" || call.req.header("last-event-id") !== undefined) {
    return next();
  }
  const verdict = await limiter.take(callerOf(call), (work) => call.executionCtx.waitUntil(work));
  // At the very end of the window what came in it still counts in full.
  const reset_seconds = Math.max(1, Math.ceil((verdict.reset_at + 1 - clock.now()) / 1_000));
  if (verdict.allowed) await next();
  else call.res = problem(call, { code: "RATE_LIMITED", retry_after_seconds: reset_seconds });
  const { requests, seconds } = limiter.limit;
  call.res.headers.set("ratelimit-policy", `"default";q=${requests};w=${seconds}`);
  call.res.headers.set("ratelimit", rateField(verdict, reset_seconds));
};

function rateField({ remaining }: RateVerdict, reset_seconds: number): string {
  return `"default";r=${remaining};t=${reset_seconds}`;
}

/** Per tenant; without keys all are one tenant, and each address counts for itself. */
function callerOf(call: Call): string {
  const { services, tenant } = call.var;
  if (services.settings.auth === "keys") return tenant;
  return `${tenant}/${call.req.header("cf-connecting-ip") ?? "unknown"}`;
}
