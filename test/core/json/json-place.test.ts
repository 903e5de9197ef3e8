// Where a text stops being JSON, held against the engine's parser: the part before the place can be completed, and the
// part up to it cannot.
import { assert, constantFrom, jsonValue, nat, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson } from "../../../src/core/json/json.ts";
import { faultPosition, placeAt } from "../../../src/core/json/json-place.ts";

describe("faultPosition", () => {
  test.each([
    ['{"data":NaN}', 8],
    ["{data}", 1],
    ["{'a':1}", 1],
    ['{"a":1,}', 7],
    ["[1,]", 3],
    ["[1 2]", 3],
    ['{"a" 1}', 5],
    ['{"a":01}', 6],
    ["[-]", 2],
    ["[1.]", 3],
    ["[1e]", 3],
    ['"a\nb"', 2],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ["trux", 3],
    ["<!doctype html>", 0],
    ["{} {}", 3],
    ['{"a":undefined}', 5],
    ["]", 0],
  ])("of %s is %i", (text, position) => {
    expect(faultPosition(text)).toBe(position);
  });

  test.each(["", "[", '{"a":', '"abc', "-", "1e", "tr", '"\\u12', '"\\'])(
    "of %s, which only ends early, is its length",
    (text) => {
      expect(faultPosition(text)).toBe(text.length);
    },
  );

  test("agrees with the engine's parser on JSON with one character put in, out or over", () => {
    const inserted = constantFrom(...'{}[],:"\\x1-+.eE tfn\n\u0000'.split(""));
    let faults = 0;
    assert(
      property(jsonValue({ depthSize: "small" }), nat(), inserted, nat(2), (value, at, char, cut) => {
        const text = JSON.stringify(value);
        const place = at % (text.length + 1);
        const broken = text.slice(0, place) + char + text.slice(place + cut);
        const message = messageOf(broken);
        if (message === null) return;
        const named = /at position (\d+)/.exec(message)?.[1];
        const position = faultPosition(broken);
        if (named !== undefined) expect(position, `${broken}: ${message}`).toBe(Number(named));
        else if (message.startsWith("Unexpected end")) expect(position).toBe(broken.length);
        else faults += 1;
        expect(position).toBeLessThanOrEqual(broken.length);
      }),
      { seed: 20261123, numRuns: 5_000 },
    );
    // The engine names no position of these: they are why the scan exists.
    expect(faults).toBeGreaterThan(100);
  });

  test("any text has a place, and a million brackets no stack", () => {
    assert(
      property(string(), (text) => {
        expect(faultPosition(text)).toBeLessThanOrEqual(text.length);
      }),
      { seed: 20261123, numRuns: 1_000 },
    );
    expect(faultPosition("[".repeat(1_000_000))).toBe(1_000_000);
  });
});

test("a place is a line and a column, from 1", () => {
  expect(placeAt("ab\ncd\n", 0)).toEqual({ position: 0, line: 1, column: 1 });
  expect(placeAt("ab\ncd\n", 4)).toEqual({ position: 4, line: 2, column: 2 });
  expect(placeAt("ab\ncd\n", 6)).toEqual({ position: 6, line: 3, column: 1 });
});

test("readJson names the place and quotes nothing of the text", () => {
  const read = readJson('{\n  "secret": "abcdef",\n  oops: 1}');
  expect(read).toMatchObject({
    ok: false,
    error: { reason: "syntax", detail: "is not JSON: line 3, column 3 (position 26)" },
  });
});

function messageOf(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (cause) {
    return (cause as Error).message;
  }
}
