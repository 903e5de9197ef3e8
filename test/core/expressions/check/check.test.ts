// What the check before storing refuses and allows, and the types that it finds.
import { describe, expect, test } from "vitest";
import { checkExpression, parseExpression } from "../../../../src/core/expressions/cel.ts";

const variables = {
  query: { kind: "string", least: 1 },
  results: { kind: "map" },
  context: { kind: "map" },
  result: { kind: "dyn" },
} as const;

const checked = (text: string) => {
  const expression = parseExpression(text);
  if (!expression.ok) throw new Error(`${text}: ${expression.error.message}`);
  const kind = checkExpression(expression.value, variables);
  return kind.ok ? kind.value : kind.error.message;
};

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
