// The circuit breaker of one agent, as a value and its transitions. Closed it counts consecutive failures; open it
// refuses until retry_at; then it is half-open and lets one probe through (I14), whose verdict closes or opens it.
// Only the probe's verdict counts while it is not closed: late reports of older calls are ignored.
import { cutText } from "../../contract/text.ts";

export interface Breaker {
  state: "closed" | "open" | "half_open";
  /** Consecutive failures. */
  failures: number;
  /** ms since the epoch; null while closed. */
  opened_at: number | null;
  retry_at: number | null;
  /** Why the last of the failures failed, in short; absent where none has been reported, and in older records. */
  last_failure?: string;
  /** The probe in flight. One that never reports (a crash) loses its place at `until`. */
  probe: { id: number; until: number } | null;
}

/** A breaker as callers know it. */
export interface BreakerSnapshot extends Omit<Breaker, "probe"> {
  /** By the clock of the agent's object, ms since the epoch: of two, the later one counts. */
  changed_at: number;
  /** Its Retry-After holds its calls back until then, ms since the epoch; absent where none does. */
  held_until?: number;
  /** The generation of the registration that is held; another one is not. */
  held_generation?: number;
}

/** True where there is nothing to know about the agent. */
export function isWell({ state, failures, held_until = 0 }: BreakerSnapshot, now: number): boolean {
  return state === "closed" && failures === 0 && held_until <= now;
}

/** Every agent of a tenant with recorded failures. */
export interface TenantHealth {
  /** When this was so, ms since the epoch. */
  at: number;
  agents: Record<string, BreakerSnapshot>;
}

export interface BreakerPolicy {
  failure_threshold: number;
  recovery_timeout_seconds: number;
}

export const CLOSED: Breaker = { state: "closed", failures: 0, opened_at: null, retry_at: null, probe: null };

export type Admission =
  | { admit: "call" }
  /** The one call that is let through; its report carries the id. */
  | { admit: "probe"; id: number }
  | { admit: "refuse"; retry_at: number; last_failure?: string | undefined };

/** A call's outcome for the breaker; `void` is a call that does not count (an abort, a 4xx). */
export type CallVerdict = "success" | "failure" | "void";

/** Of the last failure's message: one row holds the breaker, and its refusals repeat it. */
const LAST_FAILURE_CHARS = 300;

/** How much a recovery time varies around the configured one, so that not all come back at once. */
const JITTER = 0.1;

/** Whether a call may go out. @param lease_ms how long a probe may take to report */
export function admit(
  breaker: Breaker,
  now: number,
  lease_ms: number,
): { breaker: Breaker; admission: Admission } {
  if (breaker.state === "closed") return { breaker, admission: { admit: "call" } };
  const retry_at = breaker.retry_at ?? now;
  const { last_failure } = breaker;
  if (now < retry_at) return { breaker, admission: { admit: "refuse", retry_at, last_failure } };
  if (breaker.probe !== null && now < breaker.probe.until) {
    return { breaker, admission: { admit: "refuse", retry_at: breaker.probe.until, last_failure } };
  }
  // Never an id that was used before: an abandoned probe may still report.
  const id = Math.max((breaker.probe?.id ?? 0) + 1, now);
  return {
    breaker: { ...breaker, state: "half_open", probe: { id, until: now + lease_ms } },
    admission: { admit: "probe", id },
  };
}

/**
 * The breaker after a call's report.
 * @param probe the id that the call was admitted with; null where it was no probe
 * @param chance uniform in [0, 1)
 * @param why the failure's message, where the verdict is one
 */
export function reported(
  breaker: Breaker,
  verdict: CallVerdict,
  probe: number | null,
  policy: BreakerPolicy,
  now: number,
  chance: number,
  why?: string,
): Breaker {
  const last = why === undefined ? {} : { last_failure: cutText(why, LAST_FAILURE_CHARS) };
  if (breaker.state === "closed") {
    if (verdict === "void") return breaker;
    if (verdict === "success") return CLOSED;
    const failures = breaker.failures + 1;
    if (failures < policy.failure_threshold) return { ...breaker, failures, ...last };
    return { ...opened(failures, policy, now, chance), ...last };
  }
  if (probe === null || breaker.probe?.id !== probe) return breaker;
  if (verdict === "success") return CLOSED;
  if (verdict === "failure") return { ...opened(breaker.failures + 1, policy, now, chance), ...last };
  // It has reported nothing: the next call is the probe.
  return { ...breaker, probe: { id: probe, until: now } };
}

function opened(failures: number, policy: BreakerPolicy, now: number, chance: number): Breaker {
  const recovery_ms = policy.recovery_timeout_seconds * 1_000 * (1 + JITTER * (2 * chance - 1));
  return { state: "open", failures, opened_at: now, retry_at: Math.round(now + recovery_ms), probe: null };
}

/** The displayed state: an open breaker whose recovery time is over would let a probe through. */
export function shownState(breaker: Pick<Breaker, "state" | "retry_at">, now: number): Breaker["state"] {
  return breaker.state === "open" && now >= (breaker.retry_at ?? now) ? "half_open" : breaker.state;
}
