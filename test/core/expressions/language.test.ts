// What expressions may say beyond what test/core/expressions/parity.test.ts compares: JSON as the result, the messages
// of faults, what is checked before there are values, the names that an expression writes down, searches in texts.
import { array, assert, boolean, constantFrom, nat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { checkExpression, evaluate, keysOf, parseExpression } from "../../../src/core/expressions/cel.ts";
import { characters, findLast, searcher } from "../../../src/core/expressions/text.ts";

const variables = {
  query: { kind: "string", least: 1 },
  results: { kind: "map" },
  context: { kind: "map" },
  result: { kind: "dyn" },
} as const;
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
const checked = (text: string) => {
  const kind = checkExpression(parsed(text), variables);
  return kind.ok ? kind.value : kind.error.message;
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

describe("is checked before there are values", () => {
  test.each([
    ["results.a.n == 1", "bool"],
    ["results.a.n", "dyn"],
    ["size(query) + 1", "int"],
    ["results.a.list.map(x, x).filter(x, true)", "list"],
    ["query == '' ? null : {'a': 1}", "dyn"],
    ["results.?a.orValue(1)", "dyn"],
    ["[1, 'a']", "list"],
    ["cel.bind(x, 1, x + 1) == 2", "bool"],
    ["results.a.docs.exists(d, d.tags.exists(t, t == 'x'))", "bool"],
    ["['x', 'y'].all(t, results.a.list.exists(s, s == t))", "bool"],
    ["results.a.list.all(s, ['x', 'y'].exists(t, s == t))", "bool"],
  ])("%s is %s", (text, kind) => {
    expect(checked(text)).toBe(kind);
  });
  test.each([
    ["absent == 1", 'unknown variable "absent"; known: query, results, context, result'],
    ["1 + 'a'", "no operation int + string"],
    ["query == 1", "no operation string == int"],
    ["query < null", "no operation string < null"],
    ["1 in ['a']", "no operation int in list"],
    ["query in query", "no operation string in string"],
    ["!query", "the operand of ! must be bool, not string"],
    ["query && true", "a side of && or || must be bool, not string"],
    ["query ? 1 : 2", "a condition must be bool, not string"],
    ["true ? 1 : 'a'", "the two sides of ? : must be of one type, not int and string"],
    ["query.size(1)", 'no function "size" of 1 argument'],
    ["size(1)", "no function size(int)"],
    ["query.x", 'string has no field "x"'],
    ["[1].x", 'a list has no "x" index'],
    ["{[1]: 1}", "a map cannot have a key of type list"],
    ["query.all(x, true)", "all over string, which is neither a list nor a map"],
    ["[1].all(x, x)", "the predicate of all must be bool, not int"],
    ["query.orValue(1)", "the receiver of orValue must be optional, not string"],
    ["query.matches('a')", "matches is not supported: use contains, startsWith or endsWith"],
  ])("%s: %s", (text, message) => {
    expect(checked(text)).toBe(message);
  });
});

test("the keys of a variable that an expression writes down", () => {
  const keys = (text: string) => keysOf(parsed(text), "results");
  expect(keys("results.a.n == 1 && results['b-c'].x > results.a.n")).toEqual(["a", "b-c"]);
  expect(keys("has(results.a) || has(results.b.c) || 'd' in results")).toEqual(["a", "b", "d"]);
  expect(keys("results.?a.?b.orValue(results[?'c'].orValue(1)) == 1")).toEqual(["a", "c"]);
  expect(keys("[results.a].exists(results, results.b == 1)")).toEqual(["a"]);
  expect(keys("cel.bind(r, results, r.a == cel.bind(results, context, results.b))")).toEqual(["a"]);
  expect(keys("results.all(k, results[k] != null) && context.results.x == query")).toEqual([]);
  expect(keys("{'a': results.b, results.c: [results.d, -results.e]}[results.f.g]")).toEqual([
    "b",
    "c",
    "d",
    "e",
    "f",
  ]);
});

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
