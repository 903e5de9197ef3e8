// Comparison of secrets.
import { expect, test } from "vitest";
import { equalInConstantTime } from "../../src/contract/constant-time.ts";

test.each([
  ["", "", true],
  ["ab", "ab", true],
  ["ab", "aB", false],
  ["ab", "abc", false],
  ["abc", "ab", false],
  ["b", "a", false],
  ["é", "e", false],
])("equalInConstantTime(%j, %j) is %j", (a, b, equal) => {
  expect(equalInConstantTime(a, b)).toBe(equal);
});
