// What src/contract/README.md section 2 says of a failed call, written down a second time and in another way, so that
// the core's own tables are not judged by themselves.
import type { CallFailure } from "../../../src/core/resilience/classify.ts";

type Expectation = { code: string; retried: "yes" | "no" | "once" };

const RETRIED = [408, 425, 429, 500, 502, 503, 504];
const AWAY = [429, 502, 503, 504];

export function expected(failure: CallFailure): Expectation {
  switch (failure.kind) {
    case "rejected":
      return { code: "AGENT_UNAVAILABLE", retried: "yes" };
    case "timeout":
      return { code: "STAGE_TIMEOUT", retried: "yes" };
    case "truncated":
      return { code: "AGENT_PROCESSING_ERROR", retried: "yes" };
    case "contract":
      return { code: "AGENT_PROCESSING_ERROR", retried: "once" };
    case "refused":
    case "nothing_cached":
      return { code: "AGENT_UNAVAILABLE", retried: "no" };
    case "body_too_large":
      return { code: "AGENT_PROCESSING_ERROR", retried: "no" };
    case "result_too_large":
    case "context_too_large":
      return { code: "RESOURCE_EXHAUSTED", retried: "no" };
    case "status":
    case "stream_error": {
      const status = failure.status ?? 500;
      const code =
        failure.status !== null && AWAY.includes(status) ? "AGENT_UNAVAILABLE" : "AGENT_PROCESSING_ERROR";
      return { code, retried: RETRIED.includes(status) && failure.retryable !== false ? "yes" : "no" };
    }
    // Nobody was called, or nobody could be.
    default:
      return { code: "AGENT_UNAVAILABLE", retried: "no" };
  }
}

/** The delay that this draw must give, in ms, without a retry budget. */
export function expectedDelay(
  config: { retry_delay_seconds: number; retry_backoff_factor: number },
  tries: number,
  chance: number,
  failure: CallFailure,
): number {
  let ceiling = config.retry_delay_seconds * 1_000;
  for (let n = 1; n < tries; n += 1) ceiling *= config.retry_backoff_factor;
  const drawn = Math.round(Math.min(ceiling, 30_000) * chance);
  const floored = failure.kind === "status" && (failure.status === 429 || failure.status === 503);
  return Math.max(drawn, floored ? (failure.retry_after_ms ?? 0) : 0);
}

/** The longest delay that a spent budget may ask for, in ms; every try that is left has its share of the time. */
export function mostBudgetDelay(asked: number, left: number, triesMade: number, tries: number): number {
  return Math.min(asked, 30_000, left / (tries - triesMade + 1));
}
