// Times as text, and hashes of text: both are stored, so that a quicker way to write them gives the same bytes.
import { array, assert, date, integer, oneof, property, string } from "fast-check";
import { expect, test } from "vitest";
import { fnv1a, hash64 } from "../../src/core/hash.ts";
import { isoTime, timeOf } from "../../src/core/time.ts";

const ANY_TIME = date({ noInvalidDate: true }).map((at) => at.getTime());
const NEAR = integer({ min: -3 * 86_400_000, max: 3 * 86_400_000 }).map((ms) => 1_764_000_000_000 + ms);

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

test("64 bits are the hash of 32, and one of another seed", () => {
  const seeded = (text: string, seed: number) => {
    let hash = seed;
    for (const unit of text.split("")) hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, "0");
  };
  assert(
    property(string({ unit: "binary" }), (text) => {
      expect(hash64(text)).toBe(seeded(text, 0x811c9dc5) + seeded(text, 0x01234567));
      expect(hash64(text).slice(0, 8)).toBe(fnv1a(text).toString(16).padStart(8, "0"));
    }),
  );
  expect(hash64("")).toBe("811c9dc501234567");
});
