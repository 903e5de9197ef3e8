// The retry budget of one agent, as gRPC's: failures take a token, successes give a tenth back, and where half of the
// tokens are gone the budget is spent, so that retries do not multiply an outage. Three things differ. A spent budget
// takes no try away, since retry_attempts promises it: it gives each further try a place, at so many a second. What a
// stage's own failures took does not count against it: the budget bounds what many runs make together. And tokens
// come back with time too, since an agent with few calls would never earn them by successes.
import { TIMINGS } from "../timings.ts";

export interface RetryBudget {
  tokens: number;
  /** When `tokens` was right, ms since the epoch. */
  at: number;
  /** The last place that was given to a try, ms since the epoch. */
  placed_at: number;
}

const TOKENS = 10;
const SUCCESS = 0.1;
/** At or below this the budget is spent. */
const THRESHOLD = TOKENS / 2;
const TOKENS_PER_MS = 1 / 1_000;

export function fullBudget(now: number): RetryBudget {
  return { tokens: TOKENS, at: now, placed_at: 0 };
}

/** The budget after a call that succeeded or failed. */
export function spend(budget: RetryBudget, success: boolean, now: number): RetryBudget {
  const { tokens } = refilled(budget, now);
  const left = Math.min(TOKENS, Math.max(0, tokens + (success ? SUCCESS : -1)));
  return { ...budget, tokens: left, at: now };
}

/**
 * How long another try has to wait: 0 ms unless the budget is spent, and then until its place, which no other try gets.
 * Where all places up to the longest delay are taken, that delay.
 * @param own failures of this stage so far, the last one included
 */
export function placeRetry(
  budget: RetryBudget,
  own: number,
  now: number,
): { budget: RetryBudget; wait_ms: number } {
  if (refilled(budget, now).tokens + own > THRESHOLD) return { budget, wait_ms: 0 };
  // No place is further off than the longest delay, unless the clock was set back: then all are free again.
  const last = budget.placed_at > now + TIMINGS.RETRY_DELAY_MS ? now : Math.max(now, budget.placed_at);
  const placed_at = last + TIMINGS.RETRY_PLACE_MS;
  if (placed_at - now >= TIMINGS.RETRY_DELAY_MS) return { budget, wait_ms: TIMINGS.RETRY_DELAY_MS };
  return { budget: { ...budget, placed_at }, wait_ms: placed_at - now };
}

function refilled({ tokens, at }: RetryBudget, now: number): { tokens: number } {
  return { tokens: Math.min(TOKENS, tokens + Math.max(0, now - at) * TOKENS_PER_MS) };
}
