// The delay before the next try: full jitter under an exponential ceiling, drawn once and written down; and what a
// spent retry budget makes of it.
import { TIMINGS } from "../timings.ts";

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
    TIMINGS.RETRY_DELAY_MS,
    backoff.retry_delay_seconds * 1_000 * backoff.retry_backoff_factor ** (attempt - 1),
  );
  return Math.max(Math.round(ceiling * chance), retryAfterMs ?? 0);
}

/**
 * Milliseconds that a spent retry budget makes a try wait. It never costs the stage a try: this one and those after
 * it still fit before the deadline.
 * @param wait_ms until the try's place in the budget
 * @param chance as in retryDelay: where all places are taken, tries are spread over half of the longest delay
 * @param left_ms until the deadline
 * @param tries_left this try and those that may follow
 */
export function budgetDelay(wait_ms: number, chance: number, left_ms: number, tries_left: number): number {
  const wait =
    wait_ms < TIMINGS.RETRY_DELAY_MS ? wait_ms : Math.round(TIMINGS.RETRY_DELAY_MS * (1 - chance / 2));
  return Math.min(wait, Math.floor(left_ms / (tries_left + 1)));
}
