// The retry budget: tokens, places for retries that wait, and a clock that is set back.
import { describe, expect, test } from "vitest";
import {
  fullBudget,
  placeRetry,
  type RetryBudget,
  spend,
} from "../../../src/core/resilience/retry-budget.ts";

describe("the retry budget", () => {
  const mayRetry = (budget: RetryBudget, own: number, now: number) =>
    placeRetry(budget, own, now).wait_ms === 0;
  const failed = (times: number) => {
    let budget = fullBudget(0);
    for (let made = 0; made < times; made += 1) budget = spend(budget, false, 0);
    return budget;
  };

  test("ten tokens; a failure takes one, a success gives a tenth; it is spent at or below five", () => {
    expect(mayRetry(failed(4), 0, 0)).toBe(true);
    expect(mayRetry(failed(5), 0, 0)).toBe(false);
    expect(mayRetry(spend(failed(5), true, 0), 0, 0)).toBe(true);
  });

  test("a stage's own failures do not count against it, and time gives tokens back", () => {
    expect(mayRetry(failed(8), 8, 0)).toBe(true);
    expect(mayRetry(failed(8), 1, 0)).toBe(false);
    expect(mayRetry(failed(8), 1, 3_000)).toBe(true);
    let alone = fullBudget(0);
    for (let own = 1; own < 100; own += 1) {
      alone = spend(alone, false, 0);
      expect(mayRetry(alone, own, 0), String(own)).toBe(true);
    }
  });

  test("where it is spent each try gets a place of its own, three a second, up to the longest delay", () => {
    let budget = failed(20);
    const waits: number[] = [];
    for (let asked = 0; asked < 120; asked += 1) {
      const placed = placeRetry(budget, 1, 0);
      ({ budget } = placed);
      waits.push(placed.wait_ms);
    }
    expect(waits.slice(0, 3)).toEqual([300, 600, 900]);
    expect(waits.slice(0, 99)).toEqual(Array.from({ length: 99 }, (_, at) => 300 * (at + 1)));
    expect(new Set(waits.slice(99))).toEqual(new Set([30_000]));
    // A place in the past is not given.
    expect(placeRetry(spend(budget, false, 29_000), 1, 29_000).wait_ms).toBe(0);
    const again = placeRetry({ ...failed(20), placed_at: 900 }, 1, 2_000);
    expect(again.wait_ms).toBe(300);
  });

  test("a clock that was set back does not leave all places taken", () => {
    const budget = { ...failed(20), placed_at: 1_000_000 };
    expect(placeRetry(budget, 1, 0).wait_ms).toBe(300);
    expect(placeRetry({ ...budget, placed_at: 29_000 }, 1, 0).wait_ms).toBe(29_300);
  });
});
