// Searches in texts beside those of the JavaScript engine, and the count of characters.
import { array, assert, boolean, constantFrom, nat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { characters, findLast, searcher } from "../../../../src/core/expressions/functions/text.ts";

describe("texts", () => {
  const pieces = array(constantFrom("a", "b", "aa", "ab", "漢"), { maxLength: 40 });
  test("are searched as the engine searches them, for needles of any length", () => {
    assert(
      property(pieces, pieces, nat(30), boolean(), (text, needle, from, long) => {
        const filled = (parts: string[]) => (long ? parts.join("x".repeat(60)) : parts.join(""));
        const [whole, part] = [filled(text), filled(needle)];
        expect(searcher(part)(whole, from)).toBe(whole.indexOf(part, from));
        expect(findLast(whole, part)).toBe(whole.lastIndexOf(part));
      }),
      { numRuns: 5_000, seed: 3 },
    );
    const long = "ab".repeat(300);
    expect(searcher(long)(`a${long}${long}`, 2)).toBe(3);
    expect(findLast(`${long}${long}a`, long)).toBe(600);
  });
  test("are counted in characters", () => {
    for (const text of ["", "a", "é漢", "\u{1f600}", "\ud83d", "\ude00\ud83d", "\ud83d\ud83d\ude00\ude00"]) {
      expect(characters(text), JSON.stringify(text)).toBe(Array.from(text).length);
    }
  });
});
