// Times as text and back, also where the last one is remembered.
import { expect, test } from "vitest";
import { isoTime, timeOf } from "../../src/core/time.ts";

test("a time has one text, whatever was asked before", () => {
  const times = [0, 1_764_000_000_000, 1_764_000_000_001, 0, 1_764_000_000_001];
  const texts = times.map(isoTime);
  expect(texts).toEqual(times.map((ms) => new Date(ms).toISOString()));
  expect(texts.toReversed().map(timeOf)).toEqual(times.toReversed());
});

test("a text that is not a time is NaN, and spoils no other", () => {
  expect(timeOf("never")).toBeNaN();
  expect(timeOf(isoTime(5))).toBe(5);
  expect(timeOf("never")).toBeNaN();
});
