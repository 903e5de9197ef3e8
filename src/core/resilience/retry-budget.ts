// The retry budget of one agent, as gRPC's: failures take a token, successes give a tenth back, and where half of the
// tokens are gone nobody tries again, so that an outage is not multiplied by everybody's retries. Two things differ.
// What a stage's own failures took does not count against it: its tries are bounded by retry_attempts, which the
// contract promises; the budget bounds what many runs make together. And tokens come back with time too, since an
// agent that is seldom called would never earn them by successes.

export interface RetryBudget {
  tokens: number;
  /** When `tokens` was right, ms since the epoch. */
  at: number;
}

const TOKENS = 10;
const SUCCESS = 0.1;
/** At or below this there are no further tries. */
const THRESHOLD = TOKENS / 2;
const TOKENS_PER_MS = 1 / 1_000;

export function fullBudget(now: number): RetryBudget {
  return { tokens: TOKENS, at: now };
}

/** The budget after a call that succeeded or failed. */
export function spend(budget: RetryBudget, success: boolean, now: number): RetryBudget {
  const { tokens } = refilled(budget, now);
  return { tokens: Math.min(TOKENS, Math.max(0, tokens + (success ? SUCCESS : -1))), at: now };
}

/** Whether another try may be made. @param own failures of this stage so far, the last one included */
export function mayRetry(budget: RetryBudget, own: number, now: number): boolean {
  return refilled(budget, now).tokens + own > THRESHOLD;
}

function refilled({ tokens, at }: RetryBudget, now: number): RetryBudget {
  return { tokens: Math.min(TOKENS, tokens + Math.max(0, now - at) * TOKENS_PER_MS), at: now };
}
