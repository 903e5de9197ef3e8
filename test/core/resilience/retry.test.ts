// The delay before a try: its ceiling, its jitter, an agent's Retry-After, and what a spent budget makes of it.
import { expect, test } from "vitest";
import { budgetDelay, retryDelay } from "../../../src/core/resilience/retry.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const BACKOFF = { retry_delay_seconds: 1, retry_backoff_factor: 2 };
const LONGEST = TIMINGS.RETRY_DELAY_MS;

test.each([
  // attempt, chance, Retry-After, delay
  [1, 0.5, null, 500],
  [2, 0.5, null, 1_000],
  [3, 0.25, null, 1_000],
  [1, 0, null, 0],
  [20, 0.5, null, LONGEST / 2],
  [400, 0.5, null, LONGEST / 2],
  [1, 0.5, 400, 500],
  [1, 0.5, 60_000, 60_000],
] as const)("after try %i, at chance %d and Retry-After %s: %i ms", (attempt, chance, after, ms) => {
  expect(retryDelay(BACKOFF, attempt, chance, after)).toBe(ms);
});

test.each([
  // wait, chance, left, tries left, delay
  [300, 0.5, 60_000, 1, 300],
  // This try and those that may follow fit before the deadline.
  [300, 0.5, 400, 1, 200],
  [300, 0.5, 400, 3, 100],
  [300, 0.5, 0, 1, 0],
  // All places are taken: over half of the longest delay, by chance.
  [LONGEST, 0, 10 * LONGEST, 1, LONGEST],
  [LONGEST, 1, 10 * LONGEST, 1, LONGEST / 2],
] as const)(
  "a budget's wait of %i ms, chance %d, %i ms and %i tries left: %i ms",
  (wait, chance, left, tries, ms) => {
    expect(budgetDelay(wait, chance, left, tries)).toBe(ms);
  },
);
