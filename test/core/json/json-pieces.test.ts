// JSON in pieces: joined, they are what JSON.stringify gives, whatever the value.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { jsonPieces } from "../../../src/core/json/json-pieces.ts";

test("the pieces joined are the JSON, at any depth", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 4 }), (value, depth) => {
      expect([...jsonPieces(value, depth)].join("")).toBe(JSON.stringify(value));
    }),
  );
});

test("fields that are undefined are left out, and empty objects stay", () => {
  const value = { a: undefined, b: {}, c: { d: undefined }, e: [1], f: { g: { h: null } } };
  for (const depth of [0, 1, 2, 3])
    expect([...jsonPieces(value, depth)].join("")).toBe(JSON.stringify(value));
});

test("each field of the given depth is a piece of its own", () => {
  const value = { one: { a: "x", b: { c: 1 } }, two: 2 };
  expect([...jsonPieces(value, 2)]).toEqual([
    '{"one":',
    '{"a":',
    '"x"',
    ',"b":',
    '{"c":1}',
    "}",
    ',"two":',
    "2",
    "}",
  ]);
});
