// The operator's log of refused calls (401, 403): one WARN line with the reason, the method and the path,
// and never the credential. Each isolate writes at most one line of a reason in REFUSAL_LINE_MS.
import type { Services } from "../../compose.ts";
import type { ApiKey } from "../../contract/access.ts";
import { admitLine, type LineCount } from "../../core/monitoring/line-limit.ts";
import { isLogged, logLine } from "../../core/monitoring/log-line.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type Call, withoutToken } from "../context.ts";
import type { CoordinatorError } from "../../contract/problem.ts";

export type Refusal = Extract<CoordinatorError, { code: "UNAUTHORIZED" | "FORBIDDEN" }>;

/** By reason, for each environment. */
const counts = new WeakMap<Services, Map<string, LineCount>>();

/** @param key the key that lacks a scope, where it is known */
export function logRefusal(call: Call, refusal: Refusal, key: ApiKey | null): void {
  const { services } = call.var;
  if (!isLogged("WARN", services.settings.config.log_level)) return;
  const reason = reasonOf(refusal);
  const ofReasons = counts.get(services) ?? new Map<string, LineCount>();
  counts.set(services, ofReasons);
  const now = services.clock.now();
  const { counted, left_out } = admitLine(ofReasons.get(reason), now, TIMINGS.REFUSAL_LINE_MS);
  ofReasons.set(reason, counted);
  if (left_out === null) return;
  const fields = {
    message: "refused",
    code: refusal.code,
    reason,
    ...("scope" in refusal ? { scope: refusal.scope } : {}),
    ...(key === null ? {} : { tenant: key.tenant, key_id: key.id }),
    method: call.req.method,
    path: withoutToken(call.req.path),
    left_out,
  };
  services.platform.writeLog("WARN", logLine("WARN", now, fields));
}

function reasonOf(refusal: Refusal): string {
  if (refusal.code === "UNAUTHORIZED") return refusal.reason;
  if ("scope" in refusal) return "scope";
  return "host" in refusal ? "host" : "origin";
}
