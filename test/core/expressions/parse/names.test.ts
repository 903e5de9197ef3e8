// The keys of a variable that an expression contains literally.
import { expect, test } from "vitest";
import { keysOf, parseExpression, testedKeysOf } from "../../../../src/core/expressions/cel.ts";

test("the keys of a variable that an expression writes down", () => {
  const keys = (text: string) => {
    const expression = parseExpression(text);
    if (!expression.ok) throw new Error(`${text}: ${expression.error.message}`);
    return keysOf(expression.value, "results");
  };
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

test("the keys that it tests by has", () => {
  const expression = parseExpression(
    "has(results.a) && has(results.b.c) && results.d == 1 || has(context.e)",
  );
  expect(expression.ok && testedKeysOf(expression.value, "results")).toEqual(["a"]);
});
