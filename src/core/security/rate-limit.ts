// A limit of so many calls in so many seconds over a sliding window. Calls are counted in slots of a sixtieth of the
// window; a slot counts in full until its last call has left the window, so that no window of that length ever holds
// more than the limit, wherever its edges lie. A slot makes the count at most a sixtieth of the window too strict.

/** Calls that came close together. */
interface Slot {
  /** When its first and its last call came, ms since the epoch. */
  first: number;
  last: number;
  count: number;
}

/** What one caller has used, oldest slot first. */
export interface WindowCount {
  slots: readonly Slot[];
}

export interface RateLimit {
  requests: number;
  seconds: number;
}

export interface RateVerdict {
  allowed: boolean;
  /** The number of calls still allowed now. */
  remaining: number;
  /** When there is more room than now, ms since the epoch. */
  reset_at: number;
}

/** Parses AGENT_COORDINATOR_RATE_LIMIT, REQUESTS/SECONDS; null if it is invalid. */
export function parseRateLimit(text: string): RateLimit | null {
  const [, requests, seconds] = /^(\d{1,9})\/(\d{1,6})$/.exec(text.trim()) ?? [];
  const limit = { requests: Number(requests), seconds: Number(seconds) };
  return limit.requests >= 1 && limit.seconds >= 1 ? limit : null;
}

export const NOTHING_COUNTED: WindowCount = { slots: [] };

/** Slots of a window: bounds what one caller costs in memory, and a stored count to about 3 kB. */
const SLOTS = 60;

/** A stored count; one of an earlier version, which counted fixed windows, starts at zero. */
export function storedCount(stored: unknown): WindowCount {
  const slots = (stored as Partial<WindowCount> | undefined)?.slots;
  return Array.isArray(slots) ? { slots } : NOTHING_COUNTED;
}

/** Counts one call, where there is room for it. */
export function take(
  counted: WindowCount,
  limit: RateLimit,
  now: number,
): { counted: WindowCount; verdict: RateVerdict } {
  const length = limit.seconds * 1_000;
  // A clock set back by less than a window counts on from the newest call; one set back further starts at zero.
  const known = counted.slots.filter((slot) => slot.last <= now + length);
  const at = Math.max(now, known.at(-1)?.last ?? now);
  const slots = known.filter((slot) => slot.last > at - length);
  const used = slots.reduce((sum, slot) => sum + slot.count, 0);
  if (used >= limit.requests) {
    return {
      counted: { slots },
      verdict: { allowed: false, remaining: 0, reset_at: resetOf(slots, at, length) },
    };
  }
  const newest = slots.at(-1);
  const taken =
    newest !== undefined && at - newest.first < length / SLOTS
      ? [...slots.slice(0, -1), { ...newest, last: at, count: newest.count + 1 }]
      : [...slots, { first: at, last: at, count: 1 }];
  const remaining = limit.requests - used - 1;
  return {
    counted: { slots: taken },
    verdict: { allowed: true, remaining, reset_at: resetOf(taken, at, length) },
  };
}

/** When the oldest slot leaves the window. */
function resetOf(slots: readonly Slot[], at: number, length: number): number {
  return (slots[0]?.last ?? at) + length;
}
