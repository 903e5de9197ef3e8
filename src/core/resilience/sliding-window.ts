// A limit of so many in so many seconds over a sliding window, as two fixed windows: of the one before, the share
// that the sliding one still covers counts. The same figures as Upstash's slidingWindow gives.

export interface WindowCount {
  /** The number of the window that `count` counts. */
  window: number;
  count: number;
  before: number;
}

export interface RateLimit {
  requests: number;
  seconds: number;
}

export interface RateVerdict {
  allowed: boolean;
  /** How many more may come now. */
  remaining: number;
  /** When the window ends, ms since the epoch: from then on there is room again. */
  reset_at: number;
}

/** What AGENT_COORDINATOR_RATE_LIMIT says: REQUESTS/SECONDS; null where it says something else. */
export function parseRateLimit(text: string): RateLimit | null {
  const [, requests, seconds] = /^(\d{1,9})\/(\d{1,6})$/.exec(text.trim()) ?? [];
  const limit = { requests: Number(requests), seconds: Number(seconds) };
  return limit.requests >= 1 && limit.seconds >= 1 ? limit : null;
}

export const NOTHING_COUNTED: WindowCount = { window: 0, count: 0, before: 0 };

/** Counts one, where there is room for it. */
export function take(
  counted: WindowCount,
  limit: RateLimit,
  now: number,
): { counted: WindowCount; verdict: RateVerdict } {
  const length = limit.seconds * 1_000;
  const current = moved(counted, Math.floor(now / length));
  const covered = Math.floor(current.before * (1 - (now % length) / length));
  const reset_at = (current.window + 1) * length;
  const used = current.count + covered;
  if (used >= limit.requests) {
    return { counted: current, verdict: { allowed: false, remaining: 0, reset_at } };
  }
  const remaining = limit.requests - used - 1;
  return {
    counted: { ...current, count: current.count + 1 },
    verdict: { allowed: true, remaining, reset_at },
  };
}

function moved(counted: WindowCount, window: number): WindowCount {
  // A clock that was set back counts on in the window that it was in.
  if (window <= counted.window) return counted;
  return { window, count: 0, before: window === counted.window + 1 ? counted.count : 0 };
}
