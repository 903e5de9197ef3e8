// The line diff of two results: what it shows rebuilds both, equal values have none, and far equal lines are left out.
import { array, assert, constantFrom, dictionary, integer, jsonValue, pre, property } from "fast-check";
import { expect, test } from "vitest";
import { type DiffLine, diffJson } from "../../../src/console/forks/line-diff.ts";

const text = (lines: readonly DiffLine[]) =>
  lines.map(({ side, text }) => `${{ both: " ", left: "-", right: "+", gap: "…" }[side]}${text}`);

test("a field that differs is shown with both its values, between the lines around it", () => {
  expect(text(diffJson({ a: 1, b: 2, c: 3 }, { a: 1, b: 5, c: 3 }))).toEqual([
    " {",
    '   "a": 1,',
    '-  "b": 2,',
    '+  "b": 5,',
    '   "c": 3',
    " }",
  ]);
});

test("equal lines far from a difference are counted", () => {
  const list = Array.from({ length: 20 }, (_, at) => at);
  expect(text(diffJson(list, list.toSpliced(10, 1)))).toEqual([
    "…8 equal lines",
    "   7,",
    "   8,",
    "   9,",
    "-  10,",
    "   11,",
    "   12,",
    "   13,",
    "…7 equal lines",
  ]);
});

test("nothing and something differ as a whole", () => {
  expect(text(diffJson(null, {}))).toEqual(["-null", "+{}"]);
  expect(text(diffJson(undefined, "x"))).toEqual(["-null", '+"x"']);
});

test("equal values have no lines", () => {
  assert(
    property(jsonValue(), (value) => {
      expect(diffJson(value, structuredClone(value))).toEqual([]);
    }),
  );
});

test("no line of either is lost, invented or out of its order", () => {
  const value = dictionary(constantFrom("a", "b", "c", "d"), array(integer({ min: 0, max: 2 })));
  assert(
    property(value, value, (left, right) => {
      const lines = diffJson(left, right);
      pre(lines.length > 0);
      for (const [side, whole] of [["left", left] as const, ["right", right] as const]) {
        const rest = JSON.stringify(whole, null, 2).split("\n");
        for (const line of lines) {
          if (line.side === "gap") rest.splice(0, Number.parseInt(line.text, 10));
          else if (line.side === "both" || line.side === side) expect(rest.shift()).toBe(line.text);
        }
        expect(rest).toEqual([]);
      }
    }),
  );
});

test("values too large to compare line by line are shown one after the other", () => {
  const list = (from: number) => Array.from({ length: 1_200 }, (_, at) => from + at);
  const lines = diffJson(list(0), list(10_000));
  expect(lines.filter(({ side }) => side === "left")).toHaveLength(1_200);
  expect(lines.findLastIndex(({ side }) => side === "left")).toBeLessThan(
    lines.findIndex(({ side }) => side === "right"),
  );
});
