// The rate limit: the sliding window, and the text that sets it.
import { assert as assertProperty, array, integer, property, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import {
  NOTHING_COUNTED,
  parseRateLimit,
  storedCount,
  take,
  type WindowCount,
} from "../../../src/core/security/rate-limit.ts";

describe("the sliding window", () => {
  /** The calls that are let through of those that come at these times. */
  const passed = (limit: { requests: number; seconds: number }, times: readonly number[]) => {
    let counted: WindowCount = NOTHING_COUNTED;
    return times.filter((now) => {
      const taken = take(counted, limit, now);
      counted = taken.counted;
      expect(taken.verdict.remaining).toBeGreaterThanOrEqual(0);
      expect(taken.verdict.reset_at).toBeGreaterThan(now);
      return taken.verdict.allowed;
    });
  };

  test("never lets more than its number through in any window, and little less over time", () => {
    const limit = { requests: 10, seconds: 1 };
    const times = Array.from({ length: 1_000 }, (_, at) => at * 20);
    const calls = passed(limit, times);
    for (const begin of calls) {
      expect(calls.filter((at) => at >= begin && at < begin + 1_000).length).toBeLessThanOrEqual(10);
    }
    expect(calls.length).toBeGreaterThan(190);
    expect(calls.length).toBeLessThanOrEqual(200);
  });

  test("two bursts around an edge share one allowance, wherever they lie", () => {
    const limit = { requests: 10, seconds: 60 };
    const edge = Date.UTC(2026, 10, 23, 12);
    for (const [before, after] of [
      [1, 0],
      [1_000, 1_000],
      [5_000, 30_000],
      [100, 59_899],
    ] as const) {
      const burst = (at: number) => Array.from({ length: 20 }, () => at);
      const calls = passed(limit, [...burst(edge - before), ...burst(edge + after)]);
      expect(calls).toHaveLength(10);
    }
  });

  test("holds for any bursts", () => {
    const gaps = array(tuple(integer({ min: 0, max: 1_500 }), integer({ min: 1, max: 12 })), {
      maxLength: 40,
    });
    assertProperty(
      property(gaps, integer({ min: 1, max: 8 }), (bursts, requests) => {
        let now = 1_700_000_000_000;
        const times = bursts.flatMap(([gap, count]) => {
          now += gap;
          return Array.from({ length: count }, () => now);
        });
        const calls = passed({ requests, seconds: 2 }, times);
        for (const end of calls) {
          expect(calls.filter((at) => at > end - 2_000 && at <= end).length).toBeLessThanOrEqual(requests);
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test("returns what is left, and when there is room again", () => {
    const limit = { requests: 2, seconds: 10 };
    const first = take(NOTHING_COUNTED, limit, 1_000);
    expect(first.verdict).toEqual({ allowed: true, remaining: 1, reset_at: 11_000 });
    const second = take(first.counted, limit, 4_000);
    expect(second.verdict).toEqual({ allowed: true, remaining: 0, reset_at: 11_000 });
    const third = take(second.counted, limit, 10_999);
    expect(third.verdict).toEqual({ allowed: false, remaining: 0, reset_at: 11_000 });
    const fourth = take(third.counted, limit, 11_000);
    expect(fourth.verdict).toEqual({ allowed: true, remaining: 0, reset_at: 14_000 });
  });

  test("costs a bounded number of slots, however many calls come", () => {
    let counted: WindowCount = NOTHING_COUNTED;
    for (let now = 0; now < 100_000; now += 7) {
      counted = take(counted, { requests: 1_000_000, seconds: 10 }, now).counted;
    }
    expect(counted.slots.length).toBeLessThanOrEqual(61);
  });

  test("a clock that is set back neither opens the window nor shuts it for longer than two", () => {
    const limit = { requests: 1, seconds: 10 };
    const { counted } = take(NOTHING_COUNTED, limit, 3_600_000);
    expect(take(counted, limit, 3_595_000).verdict.allowed).toBe(false);
    expect(take(counted, limit, 3_609_999).verdict.allowed).toBe(false);
    expect(take(counted, limit, 3_610_000).verdict.allowed).toBe(true);
    expect(take(counted, limit, 0).verdict.allowed).toBe(true);
  });

  test("a count that an earlier version stored starts at zero", () => {
    expect(storedCount({ window: 7, count: 3, before: 1 })).toEqual(NOTHING_COUNTED);
    expect(storedCount(undefined)).toEqual(NOTHING_COUNTED);
    const { counted } = take(NOTHING_COUNTED, { requests: 1, seconds: 10 }, 1);
    expect(storedCount(structuredClone(counted))).toEqual(counted);
  });
});

test("a rate limit is REQUESTS/SECONDS", () => {
  expect(parseRateLimit("60/60")).toEqual({ requests: 60, seconds: 60 });
  for (const text of ["", "60", "60/", "/60", "0/1", "1/0", "-1/1", "1.5/1", "a/b", "1/1/1"]) {
    expect(parseRateLimit(text), text).toBeNull();
  }
});
