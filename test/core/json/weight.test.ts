// Bytes of values: of their JSON where a limit counts bytes, and what they take in memory.
import { expect, test } from "vitest";
import { jsonWeight, textWeight } from "../../../src/core/json/json-weight.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import {
  answerBytes,
  jsonBytes,
  overwrittenBytes,
  pointerToWide,
  textBytes,
  widens,
} from "../../../src/core/json/weight.ts";

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

test("a text's bytes are counted as JSON writes it", () => {
  const units = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));
  const texts = ["", ...units, units.join(""), "\u{1f600}", "\ud83d\ud83d\ude00", 'a"b\\c\n'];
  expect(texts.filter((text) => textBytes(text) !== jsonBytes(text))).toEqual([]);
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

const members = (count: number, letter = "k") =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${letter}${at}`, 1]));

test("the first object with too many members is found at any depth, and a long list is none", () => {
  const find = (value: object) => pointerToWide(value, jsonBytes(value));
  const list = Array.from({ length: LIMITS.MEMBERS + 1 }, () => 1);
  const most = members(LIMITS.MEMBERS);
  const wide = members(LIMITS.MEMBERS + 1);
  expect(find({ data: { list, most: [most, most] } })).toBeNull();
  expect(find({ data: { list, "a/b": [most, { deeper: wide }] } })).toBe("/data/a~1b/1/deeper");
  expect(find(wide)).toBe("");
});

test("a context is widened by keys that it does not have", () => {
  const context = members(LIMITS.MEMBERS - 1);
  expect(widens(context, { k0: 2, more: 1 })).toBe(false);
  expect(widens(context, { more: 1, most: 1 })).toBe(true);
  // What has been too wide from the start may be changed.
  expect(widens(members(LIMITS.MEMBERS + 5), { k0: 2 })).toBe(false);
  expect(widens(context, undefined)).toBe(false);
});

test("many small parts weigh more than their text, and a character beyond Latin-1 doubles its text", () => {
  const lists = Array.from({ length: 1_000 }, () => []);
  expect(jsonWeight(lists)).toBeGreaterThan(10 * jsonBytes(lists));
  expect(textWeight(`${"x".repeat(999)}é`) - textWeight("")).toBe(1_000);
  expect(textWeight(`${"x".repeat(999)}–`) - textWeight("")).toBe(2_000);
  expect(jsonWeight({ a: "" }) - jsonWeight({})).toBeGreaterThan(textWeight(""));
  expect([true, null, undefined].map(jsonWeight)).toEqual([0, 0, 0]);
});
