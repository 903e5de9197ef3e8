// Times as text and back, also where the last one is remembered.
import { array, assert, date, integer, oneof, property } from "fast-check";
import { expect, test } from "vitest";
import { isoTime, timeOf } from "../../src/core/time.ts";

const ANY_TIME = date({ noInvalidDate: true }).map((at) => at.getTime());
const NEAR = integer({ min: -3 * 86_400_000, max: 3 * 86_400_000 }).map((ms) => 1_764_000_000_000 + ms);

test("a time has one text, in any order of questions", () => {
  const times = [0, 1_764_000_000_000, 1_764_000_000_001, 0, 1_764_000_000_001];
  const texts = times.map(isoTime);
  expect(texts).toEqual(times.map((ms) => new Date(ms).toISOString()));
  expect(texts.toReversed().map(timeOf)).toEqual(times.toReversed());
});

test("a time's text is Date's, in any order of days", () => {
  assert(
    property(array(oneof(ANY_TIME, NEAR)), (times) => {
      for (const ms of times) expect(isoTime(ms)).toBe(new Date(ms).toISOString());
      for (const ms of times) expect(timeOf(new Date(ms).toISOString())).toBe(ms);
    }),
  );
  for (const ms of [0, -1, 86_399_999, 86_400_000, 253_402_300_799_999, 253_402_300_800_000]) {
    expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  }
  expect(() => isoTime(Number.NaN)).toThrow(RangeError);
});

test("a text that is not a time is NaN, and spoils no other", () => {
  expect(timeOf("never")).toBeNaN();
  expect(timeOf(isoTime(5))).toBe(5);
  expect(timeOf("never")).toBeNaN();
});
