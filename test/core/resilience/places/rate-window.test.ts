// Passes count until a whole period after the last moment at which they may be used.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateWindow } from "../../../../src/core/resilience/places/rate-window.ts";

const CALLS = 3;
const PERIOD = 1_000;
const free = (window: RateWindow, now: number) => window.free(CALLS, PERIOD, now);

describe("a window", () => {
  test("counts a pass until a period after its last use", () => {
    const window = new RateWindow();
    window.add(1, 1, 0, 250);
    expect(free(window, 0)).toBe(2);
    expect(free(window, 1_249)).toBe(2);
    expect(free(window, 1_250)).toBe(3);
  });

  test("counts a pass that was used early only from then", () => {
    const window = new RateWindow();
    window.add(1, 1, 0, 250);
    window.used(1, 10);
    expect(free(window, 1_009)).toBe(2);
    expect(free(window, 1_010)).toBe(3);
  });

  test("never counts a pass for longer because of a report of its use", () => {
    const window = new RateWindow();
    window.add(1, 1, 100, 200);
    window.used(1, 5_000);
    window.used(2, 0);
    expect(free(window, 1_200)).toBe(3);
  });

  test("knows when there is room", () => {
    const window = new RateWindow();
    window.add(1, 2, 0, 100);
    window.add(2, 1, 0, 50);
    expect(free(window, 100)).toBe(0);
    expect(window.freeAt(CALLS, PERIOD, 1)).toBe(1_050);
    expect(window.freeAt(CALLS, PERIOD, 2)).toBe(1_100);
    expect(window.freeAt(CALLS, PERIOD, 4)).toBeNull();
    expect(window.nextAt(PERIOD)).toBe(1_050);
  });

  test("goes back with the clock", () => {
    const window = new RateWindow();
    window.add(1, 3, 10_000, 10_000);
    window.shift(5_000);
    expect(free(window, 5_999)).toBe(0);
    expect(free(window, 6_000)).toBe(3);
  });

  test("is stored in few numbers, and counts no pass for less time after it", () => {
    const passes = fc.array(fc.record({ at: fc.nat(PERIOD), valid: fc.nat(300) }), { maxLength: 400 });
    fc.assert(
      fc.property(passes, fc.nat(3_000), (given, later) => {
        const window = new RateWindow();
        for (const [id, { at, valid }] of given.entries()) window.add(id, 1, at, at + valid);
        const stored = window.stored(PERIOD);
        expect(stored.length).toBeLessThanOrEqual(2 * 170);
        const restored = new RateWindow();
        restored.restore(stored);
        const limit = given.length;
        const now = 1_300 + later;
        expect(restored.free(limit, PERIOD, now)).toBeLessThanOrEqual(window.free(limit, PERIOD, now));
        const part = Math.ceil(PERIOD / 128);
        expect(restored.free(limit, PERIOD, now + part)).toBeGreaterThanOrEqual(
          window.free(limit, PERIOD, now),
        );
      }),
    );
  });
});
