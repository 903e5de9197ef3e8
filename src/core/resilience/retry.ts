// The delay before the next try: full jitter under an exponential ceiling, drawn once and written down.
import { PACE } from "../pace.ts";

export interface Backoff {
  retry_delay_seconds: number;
  retry_backoff_factor: number;
}

/**
 * Milliseconds to wait after try number `attempt` (1 for the first): uniform in
 * [0, min(30 s, delay · factor^(attempt-1))], and no less than the agent's Retry-After.
 * @param chance uniform in [0, 1), drawn by the caller
 */
export function retryDelay(
  backoff: Backoff,
  attempt: number,
  chance: number,
  retryAfterMs: number | null,
): number {
  const ceiling = Math.min(
    PACE.RETRY_DELAY_MS,
    backoff.retry_delay_seconds * 1_000 * backoff.retry_backoff_factor ** (attempt - 1),
  );
  return Math.max(Math.round(ceiling * chance), retryAfterMs ?? 0);
}
