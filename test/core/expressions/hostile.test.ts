// No expression, however written, costs more than the bound of core/expressions/evaluate/meter.ts, over results of 1 MiB
// each and over those of 16 MB: it is refused when it is written, ends at the bound, or comes to its end within it. What
// the steps take in milliseconds is measured by npm run bench:expressions.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { checkField, evaluateField, type Field, Meter } from "../../../src/core/expressions/field.ts";
import { STAGE_NAMES } from "../../../src/core/pipeline/condition.ts";
import { GROWN_EXPRESSIONS, type GrownExpression, grownResults } from "../../support/values/grown-results.ts";
import { HOSTILE_DATA, HOSTILE_EXPRESSIONS } from "../../support/values/hostile-expressions.ts";

/** An error's longest text: it is part of a message. */
const FOUND_CHARS = 300;
/** What each limit is called in its error. */
const LIMIT_WORDS: Readonly<Record<GrownExpression["outcome"], string | null>> = {
  steps: `${LIMITS.EXPRESSION_STEPS} steps`,
  text: `a text of ${LIMITS.EXPRESSION_TEXT_CHARS} characters`,
  list: `a list of ${LIMITS.EXPRESSION_ITEMS} items`,
  comparison: "a comparison of 128 levels",
  result: `a result of ${LIMITS.RESULT_BYTES} bytes`,
  fault: null,
  ends: null,
};

const field = (text: string): Field<"any"> => ({ key: "input.hostile", text, gives: "any" });

/** The error of an expression, or null; it has cost at most its bound, and can be shown. */
function errorOf(text: string, results: Readonly<Record<string, unknown>>): string | null {
  const meter = new Meter();
  const value = evaluateField(field(text), { query: "q", results, context: {} }, meter);
  expect(meter.spent).toBeLessThanOrEqual(LIMITS.EXPRESSION_STEPS);
  if (value.ok) return null;
  const { key, expression, found } = value.error;
  expect(key).toBe("input.hostile");
  expect(expression.length).toBeLessThanOrEqual(LIMITS.SHOWN_EXPRESSION_CHARS + 1);
  expect(found).toMatch(/^[^\n]+$/);
  expect(found.length).toBeLessThanOrEqual(FOUND_CHARS);
  return found;
}

describe("over results of 1 MiB", () => {
  test.each(HOSTILE_EXPRESSIONS)("$name: $outcome", ({ when, outcome }) => {
    expect(when.length).toBeLessThanOrEqual(LIMITS.CONDITION_CHARS);
    const fault = checkField({ key: "when", text: when, gives: "bool" }, STAGE_NAMES);
    if (outcome === "refused") expect(fault?.found).toMatch(/^[^\n]{1,300}$/);
    else expect(fault).toBeNull();
    // What is refused today may have been stored before.
    const found = errorOf(when, HOSTILE_DATA);
    if (outcome === "limit") expect(found).toContain("cost limit of an expression");
    if (outcome === "fault") expect(found).not.toContain("cost limit of an expression");
    if (outcome === "ends") expect(found).toBeNull();
  });
});

describe("over results of 16 MB", () => {
  test("there are at least 40 of them", () => {
    expect(GROWN_EXPRESSIONS.length).toBeGreaterThanOrEqual(40);
  });

  test.each(GROWN_EXPRESSIONS)("$name: $outcome", ({ text, outcome }) => {
    expect(text.length).toBeLessThanOrEqual(LIMITS.CONDITION_CHARS);
    const found = errorOf(text, grownResults(text));
    const words = LIMIT_WORDS[outcome];
    if (words !== null) expect(found).toBe(`exceeds the cost limit of an expression (${words})`);
    else if (outcome === "ends") expect(found).toBeNull();
    else expect(found).not.toContain("cost limit of an expression");
  });
});
