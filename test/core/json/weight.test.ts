// Bytes of values: of their JSON where a limit counts bytes, and what they take in memory.
import { expect, test } from "vitest";
import { jsonWeight, textWeight } from "../../../src/core/json/json-weight.ts";
import { answerBytes, jsonBytes, overwrittenBytes } from "../../../src/core/json/weight.ts";

test.each([
  [undefined, 0],
  [null, 4],
  ["ab", 4],
  ["é", 4],
  ["🦁", 6],
  [{ a: [1, 2] }, 11],
])("the JSON of %j has %i bytes", (value, bytes) => {
  expect(jsonBytes(value)).toBe(bytes);
});

test("an answer is its data, its context and its usage", () => {
  expect(answerBytes({ data: { a: 1 } })).toBe(7);
  expect(answerBytes({ data: { a: 1 }, context: { b: 2 }, usage: { tokens: 3 } })).toBe(7 + 7 + 12);
});

test("a member that is overwritten frees its own bytes, once, and one that is new frees none", () => {
  const context = { kept: 1, replaced: "xyz" };
  const without = jsonBytes(context) - jsonBytes({ kept: 1 });
  expect(overwrittenBytes(context, { replaced: null })).toBe(without);
  expect(overwrittenBytes(context, { added: 1, toString: 2 })).toBe(0);
  expect(overwrittenBytes(context, undefined)).toBe(0);
});

test("many small parts weigh more than their text, and a character beyond Latin-1 doubles its text", () => {
  const lists = Array.from({ length: 1_000 }, () => []);
  expect(jsonWeight(lists)).toBeGreaterThan(10 * jsonBytes(lists));
  expect(textWeight(`${"x".repeat(999)}é`) - textWeight("")).toBe(1_000);
  expect(textWeight(`${"x".repeat(999)}–`) - textWeight("")).toBe(2_000);
  expect(jsonWeight({ a: "" }) - jsonWeight({})).toBeGreaterThan(textWeight(""));
  expect([true, null, undefined].map(jsonWeight)).toEqual([0, 0, 0]);
});
