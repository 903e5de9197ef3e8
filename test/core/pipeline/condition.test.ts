// A stage's `when`: what it may say, what it sees, and that nothing in it can hold the object for good.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { checkField } from "../../../src/core/expressions/field.ts";
import { conditionField, evaluateCondition, STAGE_NAMES } from "../../../src/core/pipeline/condition.ts";

const scope = {
  query: "renewable energy",
  results: { a: { n: 2, list: [1, 2, 3], text: "yes" }, nothing: null, toString: { n: 1 } },
  context: { locale: "en" },
};
const value = (expression: string) => evaluateCondition(expression, scope);
const fault = (expression: string) => checkField(conditionField(expression), STAGE_NAMES);

describe("true", () => {
  test.each([
    "results.a.n == 2",
    'results["a"].list.exists(x, x > 2)',
    "results.nothing == null",
    'query.contains("energy") && context.locale == "en"',
    "size(results.a.list) == 3",
    "has(results.a.n) && !has(results.a.m)",
    "results.?missing.?field.orValue(true) != false",
    'results["toString"].n == 1',
  ])("%s", (expression) => {
    expect(fault(expression)).toBeNull();
    expect(value(expression)).toEqual({ ok: true, value: true });
  });
});

describe("an error, as one line of text", () => {
  test.each([
    "results.missing.field == 1",
    "results.nothing.field == 1",
    "1 / 0 == 1",
    "results.a.n",
    "results.a.text > 2",
    "results.constructor == null",
    "results.a.__proto__ == null",
  ])("%s", (expression) => {
    expect(value(expression)).toMatchObject({
      ok: false,
      error: { key: "when", expression, found: expect.stringMatching(/^[^\n]+$/) },
    });
  });
});

describe("refused when it is written", () => {
  test.each([
    "",
    "1 +",
    "nobody == 1",
    "1 + 1",
    '"text"',
    'query.matches("(a+)+$")',
    "results.a.list.all(x, results.a.list.exists(y, y == x))",
    `${"(".repeat(40)}true${")".repeat(40)} && ${"!".repeat(40)}true`,
    Array.from({ length: 300 }, () => "true").join(" && "),
  ])("%#", (expression) => {
    expect(fault(expression)).toMatchObject({
      key: "when",
      expression: expect.stringContaining(expression.slice(0, LIMITS.SHOWN_EXPRESSION_CHARS)),
      found: expect.stringMatching(/^[^\n]+$/),
    });
  });
});

test("evaluating changes nothing of what it sees", () => {
  const before = JSON.stringify(scope);
  value("results.a.list.map(x, x + 1) == [2, 3, 4]");
  expect(JSON.stringify(scope)).toBe(before);
});
