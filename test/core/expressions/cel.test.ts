// What expressions give beyond what test/core/expressions/parity.test.ts compares: JSON as the result, and the messages of
// faults.
import { describe, expect, test } from "vitest";
import { evaluate, parseExpression } from "../../../src/core/expressions/cel.ts";

const scope = {
  query: "wind",
  results: { a: { n: 2, list: [1, 2], text: "é漢\u{1f600}" }, "b-c": { x: 1 }, nothing: null },
  context: {},
  result: { done: true },
};

function parsed(text: string) {
  const expression = parseExpression(text);
  if (!expression.ok) throw new Error(`${text}: ${expression.error.message}`);
  return expression.value;
}
const value = (text: string) => {
  const result = evaluate(parsed(text), scope);
  return result.ok ? result.value : result.error.message;
};
describe("gives JSON", () => {
  test.each([
    ["{'question': query, 'docs': results.a.list, 'n': 1}", { question: "wind", docs: [1, 2], n: 1 }],
    ["[1, 'a', null, 1.5, true, 7u]", [1, "a", null, 1.5, true, 7]],
    ["results.a", scope.results.a],
    ["bytes('hi')", "aGk="],
    ["timestamp('2026-11-23T12:00:00Z')", "2026-11-23T12:00:00.000Z"],
    ["[duration('1h1.5s'), duration('-90ms'), duration('2s')]", ["3601.5s", "-0.09s", "2s"]],
    ["[results.?a.?n, results.?z.?n]", [2, null]],
    ["type(1)", "int"],
    [
      "[9007199254740992, 9007199254740993, 18446744073709551615u]",
      [2 ** 53, 9007199254740993n, 2n ** 64n - 1n],
    ],
    [`bytes('[1,9007199254740993]').json()`, [1, 9007199254740993n]],
    ["results.nothing == null ? {} : results.nothing", {}],
    ["{1: 'a', true: 'b'}", { "1": "a", true: "b" }],
    ["results.a.text.size()", 3],
    ["result.done", true],
  ])("%s", (text, expected) => {
    expect(value(text)).toEqual(expected);
  });
  test.each([
    ["1.0 / 0.0", "a number that is not finite has no JSON form"],
    ["{'constructor': 1}", "a map cannot have the key constructor"],
    [`{'a': bytes('{"__proto__":1}').json()}`, "a map cannot have the key __proto__"],
    [`bytes('${"[".repeat(40)}${"]".repeat(40)}').json()`, "JSON of more than 32 levels"],
  ])("or says why not: %s", (text, message) => {
    expect(value(text)).toBe(message);
  });
});

describe("a fault says what is wrong in one line", () => {
  test.each([
    ["results.a.n + 1 > 2", "no operation double + int (numbers in data are doubles: write 1.0, not 1)"],
    ["results.a.missing", 'no such key: "missing"'],
    ["results.nothing.x", 'null has no field "x"'],
    ["results.a.list[7]", 'index "7" is outside a list of 2'],
    ["results.a.n.contains('x')", "no function contains(double, string)"],
    ["results.a.n ? 1 : 2", "a condition must be bool, not double"],
    ["results.a.n || false", "a side of && or || must be bool, not double"],
    ["results.a.list.all(x, x)", "a loop's predicate must be bool, not double"],
    ["results.a.n.exists(x, true)", "exists over double, which is neither a list nor a map"],
    ["timestamp(0).getHours('Nowhere')", 'no such time zone: "Nowhere"'],
    [`results['${"k".repeat(500)}']`, `no such key: "${"k".repeat(64)}…"`],
    ["absent", 'unknown variable "absent"'],
  ])("%s", (text, message) => {
    expect(value(text)).toBe(message);
  });
});
