// Texts are cut between code points, and are well-formed when they are.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cutText } from "../../src/contract/text.ts";

const LION = "\u{1f981}";

test.each([
  ["abc", 3, "abc"],
  ["abcd", 3, "abc"],
  [`ab${LION}`, 4, `ab${LION}`],
  [`ab${LION}`, 3, "ab"],
  [`ab${LION}c`, 4, `ab${LION}`],
  [`${LION}${LION}`, 3, LION],
  [LION, 1, ""],
  ["abc", 0, ""],
  ["abc", -1, ""],
  // Halves that the text has of its own.
  ["a\ud83e", 2, "a\ufffd"],
  ["a\ud83eb", 2, "a\ufffd"],
  ["\udd81bc", 2, "\ufffdb"],
] as const)("%j at %i", (text, units, cut) => expect(cutText(text, units)).toBe(cut));

test("of any text: well-formed, no longer than asked, and short of it by half a pair at most", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(40), (text, units) => {
      const cut = cutText(text, units);
      expect(cut.isWellFormed()).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(units);
      expect(text.startsWith(cut)).toBe(true);
      expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, units) - 1);
    }),
  );
});
