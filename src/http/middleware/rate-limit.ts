// The rate limit of calls that start work, with its headers (draft-ietf-httpapi-ratelimit-headers). A call is counted
// by what it does, not by its headers: the endpoint declares whether it starts work, and whether a cursor makes it
// attach instead. A reconnecting reader is neither counted nor refused; an empty cursor is not a cursor, so that call
// is counted.
import type { MiddlewareHandler } from "hono";
import type { CoordinatorError } from "../../contract/problem.ts";
import type { RateVerdict } from "../../core/security/rate-limit.ts";
import { type AppEnv, type Call, problem } from "../context.ts";
import { readCursor } from "../runs/identify.ts";

export const rateLimit: MiddlewareHandler<AppEnv> = async (call, next) => {
  const { limiter } = call.var.services;
  if (limiter === null) return next();
  const refusal = startsWork(call) ? await takeWork(call) : null;
  if (refusal === null) await next();
  else call.res = problem(call, refusal);
  const verdict = call.get("rate");
  if (verdict === undefined) return;
  const { requests, seconds } = limiter.limit;
  call.res.headers.set("ratelimit-policy", `"default";q=${requests};w=${seconds}`);
  call.res.headers.set("ratelimit", rateField(verdict, resetSeconds(call, verdict)));
};

/** Counts a call that starts work; the error where it may not. */
export async function takeWork(call: Call): Promise<CoordinatorError | null> {
  const { limiter } = call.var.services;
  if (limiter === null) return null;
  const verdict = await limiter.take(callerOf(call), (work) => call.executionCtx.waitUntil(work));
  call.set("rate", verdict);
  return verdict.allowed ? null : { code: "RATE_LIMITED", retry_after_seconds: resetSeconds(call, verdict) };
}

function resetSeconds({ var: { services } }: Call, { reset_at }: RateVerdict): number {
  return Math.max(1, Math.ceil((reset_at - services.clock.now()) / 1_000));
}

/** With a cursor, and neither a key nor an id, a call is refused: that starts nothing either. */
function startsWork({ var: { endpoint }, req }: Call): boolean {
  if (endpoint?.starts_work !== true) return false;
  if (endpoint.attaches_by_cursor !== true) return true;
  const cursor = readCursor(req.header("last-event-id"));
  return !cursor.ok || cursor.value === null;
}

function rateField({ remaining }: RateVerdict, reset_seconds: number): string {
  return `"default";r=${remaining};t=${reset_seconds}`;
}

/** Per tenant; without keys all are one tenant, and each address counts for itself. */
function callerOf(call: Call): string {
  const { services, tenant } = call.var;
  if (services.settings.auth === "keys") return tenant;
  return `${tenant}/${call.req.header("cf-connecting-ip") ?? "unknown"}`;
}
