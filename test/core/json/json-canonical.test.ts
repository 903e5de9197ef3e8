// Canonical JSON, which stores hold hashed, against the shortest way to write it.
import { anything, assert, jsonValue, property, string } from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "../../../src/core/json/json.ts";

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(",")}}`;
}

test("canonical JSON sorts the keys of every object, and is JSON's text otherwise", () => {
  const any = anything({
    maxDepth: 4,
    key: string({ unit: "binary" }),
    values: [string({ unit: "binary" })],
  });
  const isSame = (value: unknown) => {
    expect(canonicalJson(value)).toBe(canonical(value));
  };
  assert(property(jsonValue(), isSame));
  assert(property(any, isSame));
  const value = { b: 'a "quote"', a: "\\ \u0000 \u007f \ud800 é", 10: -0, 9: 1e21, z: undefined, [`k"`]: 5n };
  expect(canonicalJson(value)).toBe(canonical(value));
});
