// What evaluating an expression costs, in steps: ordinary expressions over results of 1 MiB end within the budget, as
// hostile ones do not (test/core/expressions/hostile.test.ts).
import { describe, expect, test, vi } from "vitest";
import { evaluate, Meter, parseExpression } from "../../../../src/core/expressions/cel.ts";
import { checkField } from "../../../../src/core/expressions/field.ts";
import { conditionField, evaluateCondition, STAGE_NAMES } from "../../../../src/core/pipeline/condition.ts";
import { HOSTILE_DATA, SOURCES } from "../../../support/values/hostile-expressions.ts";

const hostile = { query: "q", results: { ...HOSTILE_DATA }, context: {} };
const ordinary = {
  query: "What is renewable energy?",
  results: {
    retrieval: { sources: SOURCES },
    a: {
      text: "x".repeat(500 * 1024),
      long: "lorem ipsum dolor ".repeat(58_000),
      numbers: Array.from({ length: 100_000 }, (_, at) => at / 7),
    },
  },
  context: {},
};

test("nothing it makes is larger than its bounds, and an evaluation is over once it has spent its budget", () => {
  const meter = new Meter(1_000);
  const absorbed = "results.numbers.items.exists(x, x > 2.0) || true";
  expect(evaluateCondition(absorbed, hostile, meter)).toEqual({
    ok: false,
    error: {
      key: "when",
      expression: absorbed,
      found: "exceeds the cost limit of an expression (1000 steps)",
    },
  });
  expect(meter.spent).toBe(1_000);
  expect(evaluateCondition("true || query.size() > 1", hostile, new Meter(1)).ok).toBe(true);
});

describe("ordinary", () => {
  test.each([
    ["results.retrieval.sources.exists(s, s.score > 0.98)", true],
    ['results.retrieval.sources.filter(s, s.score > 0.5 && "energy" in s.tags).size() > 100', true],
    ['results.retrieval.sources.exists(s, s.tags.exists(t, t == "t6"))', true],
    ['results.retrieval.sources.all(s, ["wind", "sun", "water"].exists(w, !s.text.contains(w)))', true],
    ["results.retrieval.sources.map(s, s.score).size() == 2000", true],
    ["size(results.a.text) > 10", true],
    ['results.a.long.contains("limit")', false],
    ['results.a.long.contains("lorem ipsum dolor lorem") && !results.a.long.contains("zzz")', true],
    ['results.a.long.lowerAscii().contains("error")', false],
    ["results.a.numbers.exists(n, n < 0.0)", false],
    ['results.a.text + "." != results.a.text', true],
  ])("%s", (when, expected) => {
    expect(checkField(conditionField(when), STAGE_NAMES)).toBeNull();
    expect(evaluateCondition(when, ordinary)).toEqual({ ok: true, value: expected });
  });

  test("a result of a stage may be handed on whole", () => {
    const expression = parseExpression("{'docs': results.retrieval.sources, 'question': query}");
    expect(expression.ok && evaluate(expression.value, ordinary)).toEqual({
      ok: true,
      value: { docs: SOURCES, question: ordinary.query },
    });
  });
});

describe("counted, in steps", () => {
  const steps = (text: string) => {
    const meter = new Meter();
    const expression = parseExpression(text);
    if (!expression.ok) throw new Error(expression.error.message);
    evaluate(expression.value, ordinary, meter);
    return meter.spent;
  };

  test("an operation is a step, and what gives the result one more", () => {
    expect(steps("true")).toBe(1);
    expect(steps("1 + 2 == 3")).toBe(4);
    expect(steps("results.a != null")).toBe(4);
  });

  test("a loop costs its items, and stops where it is decided", () => {
    const all = steps("results.retrieval.sources.all(s, s.score < 2.0)");
    expect(all).toBeGreaterThan(3 * SOURCES.length);
    expect(all).toBeLessThan(4 * SOURCES.length);
    expect(steps("results.retrieval.sources.all(s, s.score > 2.0)")).toBeLessThan(20);
  });

  test("a text costs by its length", () => {
    const ratio = steps("size(results.a.long)") / steps("size(results.a.text)");
    expect(ratio).toBeGreaterThan(1.9);
    expect(ratio).toBeLessThan(2.2);
    expect(steps("results.a.text == results.a.long")).toBeLessThan(10);
    expect(steps("results.a.text == results.a.text.trim()")).toBeGreaterThan(8_000);
  });

  test("what ends in an exception of the engine's costs for it", () => {
    expect(steps("b'['.json() == 1 || true")).toBeGreaterThan(1_000);
    expect(steps("timestamp(0).getHours('Nowhere') == 1 || true")).toBeGreaterThan(20_000);
  });

  test("what is handed on costs what it will be written out to", () => {
    expect(steps("[results.retrieval, results.retrieval]")).toBeGreaterThan(
      1.9 * steps("[results.retrieval]"),
    );
  });
});

describe("work is charged before it is done", () => {
  const few = Array.from({ length: 100 }, () => "x");
  const scope = { ...ordinary, results: { ...ordinary.results, few: { items: few } } };
  const LOOKS_AND_CALL = 9;
  const TWO_CALLS = 13;

  test.each([
    ["results.a.long.contains('q')", LOOKS_AND_CALL, String.prototype, "indexOf"],
    ["results.a.long.split('q')", LOOKS_AND_CALL, String.prototype, "indexOf"],
    ["results.a.long.lowerAscii() == ''", LOOKS_AND_CALL, String.prototype, "toLowerCase"],
    ["results.a.long.upperAscii() == ''", LOOKS_AND_CALL, String.prototype, "toUpperCase"],
    ["results.a.long.trim() == ''", LOOKS_AND_CALL, String.prototype, "trim"],
    ["results.few.items + results.few.items == []", LOOKS_AND_CALL, Array.prototype, "concat"],
    ["results.few.items.join() == ''", LOOKS_AND_CALL, Array.prototype, "join"],
    ["bytes(results.a.long).size()", LOOKS_AND_CALL, TextEncoder.prototype, "encode"],
    ["string(b'abcdefghijklmnopqrstuvwxyz')", LOOKS_AND_CALL, TextDecoder.prototype, "decode"],
    ["b'[1]'.json()", LOOKS_AND_CALL, JSON, "parse"],
    ["b'abcdef'.base64()", LOOKS_AND_CALL, globalThis, "btoa"],
    ["timestamp(0).getHours('Europe/Paris')", TWO_CALLS, Date.prototype, "toLocaleString"],
    ["timestamp(1)", LOOKS_AND_CALL, Date.prototype, "toISOString"],
  ] as const)("%s", (text, most, holder, method) => {
    const expression = parseExpression(text);
    if (!expression.ok) throw new Error(expression.error.message);
    const worked = vi.spyOn(holder as unknown as Record<string, () => unknown>, method);
    try {
      expect(evaluate(expression.value, scope, new Meter(most)).ok).toBe(false);
      expect(worked).not.toHaveBeenCalled();
      evaluate(expression.value, scope);
      expect(worked).toHaveBeenCalled();
    } finally {
      worked.mockRestore();
    }
  });
});

test("texts of expressions are kept up to a bound", () => {
  const text = (at: number) => `query == "${at} ${"x".repeat(4_000)}"`;
  const first = parseExpression(text(0));
  expect(parseExpression(text(0))).toBe(first);
  for (let at = 1; at < 100; at += 1) parseExpression(text(at));
  expect(parseExpression(text(99))).toBe(parseExpression(text(99)));
  expect(parseExpression(text(0))).not.toBe(first);
});
