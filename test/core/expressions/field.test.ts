// The fields of a stage that are expressions: what each gives, which names it sees, what it may cost, and the one form of
// its errors.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import {
  checkField,
  evaluateField,
  type Field,
  fieldError,
  fieldMessage,
  keysIn,
  Meter,
  type Names,
} from "../../../src/core/expressions/field.ts";
import { jsonBytes } from "../../../src/core/json/weight.ts";

const names: Names = {
  query: { kind: "string" },
  results: { kind: "map" },
  item: { kind: "dyn" },
  index: { kind: "int" },
};
const values = {
  query: "wind",
  results: { a: { n: 2, list: [1], text: "yes" } },
  item: { id: 7 },
  index: 3n,
};

const field = <G extends Field["gives"]>(gives: G, text: string): Field<G> => ({ key: "a.b", text, gives });
const checked = (gives: Field["gives"], text: string) => checkField(field(gives, text), names)?.found ?? null;
const evaluated = (gives: Field["gives"], text: string, meter = new Meter()) => {
  const value = evaluateField(field(gives, text), values, meter);
  return value.ok ? { value: value.value } : value.error.found;
};

describe("what a field gives", () => {
  test.each([
    ["bool", "index > 2", true],
    ["string", "query + string(index)", "wind3"],
    ["list", "[item.id, index]", [7, 3]],
    ["object", "{'item': item, 'n': results.a.n}", { item: { id: 7 }, n: 2 }],
    ["any", "timestamp(0)", "1970-01-01T00:00:00.000Z"],
    ["any", "results.a.missing == 1 || true", true],
  ] as const)("%s: %s", (gives, text, value) => {
    expect(checked(gives, text)).toBeNull();
    expect(evaluated(gives, text)).toEqual({ value });
  });

  test.each([
    ["bool", "query", "returns string, not bool"],
    ["string", "[query]", "returns list, not string"],
    ["list", "{'a': 1}", "returns map, not list"],
    ["object", "[1]", "returns list, not object"],
    ["bool", "absent", 'unknown variable "absent"; known: query, results, item, index'],
    ["any", "query +", "unexpected end at character 8"],
  ] as const)("%s is not given by %s, which is seen when it is written", (gives, text, found) => {
    expect(checked(gives, text)).toBe(found);
  });

  test.each([
    ["bool", "results.a.n", "returns double, not bool"],
    ["string", "results.a.list", "returns list, not string"],
    ["list", "item", "returns map, not list"],
    ["object", "results.a.text", "returns string, not object"],
    ["object", "results.a.n == 2.0 ? null : results.a", "returns null, not object"],
    ["any", "item.name", 'no such key: "name"'],
  ] as const)(
    "%s is not given by the data of %s, which is seen when it is evaluated",
    (gives, text, found) => {
      expect(checked(gives, text)).toBeNull();
      expect(evaluated(gives, text)).toBe(found);
    },
  );
});

describe("an error", () => {
  test("is the field's key, its expression and what was found, in one line", () => {
    const error = checkField({ key: "input.docs", text: "query\n  .absent()", gives: "any" }, names);
    expect(error).toEqual({
      key: "input.docs",
      expression: "query .absent()",
      found: 'no function "absent" of 0 arguments',
    });
    expect(error && fieldMessage(error)).toBe(
      'input.docs: no function "absent" of 0 arguments, of query .absent()',
    );
    expect(evaluateField({ key: "when", text: "item.a", gives: "bool" }, values, new Meter())).toEqual({
      ok: false,
      error: { key: "when", expression: "item.a", found: 'no such key: "a"' },
    });
  });

  test("shows so much of a long expression, and nothing that breaks a line or is half a character", () => {
    const shown = (text: string) => fieldError({ key: "when", text }, "").expression;
    const whole = "x".repeat(LIMITS.SHOWN_EXPRESSION_CHARS);
    expect(shown(whole)).toBe(whole);
    expect(shown(`${whole}y`)).toBe(`${whole}…`);
    expect(shown(`${whole.slice(1)}\u{1f600}`)).toBe(`${whole.slice(1)}…`);
    expect(shown("'\u001b[2J' +\t\r\n\u2028 '\ud83d'")).toBe("' [2J' + '\ufffd'");
  });
});

describe("the cost of fields", () => {
  test("those that share a meter share its steps", () => {
    const meter = new Meter(100);
    const text = "[1, 2, 3, 4, 5, 6, 7, 8].all(x, x > 0)";
    expect(evaluated("bool", text, meter)).toEqual({ value: true });
    const { spent } = meter;
    expect(spent).toBeGreaterThan(20);
    expect(evaluated("bool", text, meter)).toEqual({ value: true });
    expect(meter.spent).toBe(2 * spent);
    for (let at = 0; at < 3; at += 1) evaluated("bool", text, meter);
    expect(evaluated("bool", text, meter)).toBe("exceeds the cost limit of an expression (100 steps)");
    expect(meter.spent).toBe(100);
  });

  test("and the size of what they give, together", () => {
    const meter = new Meter();
    const text = "y".repeat(LIMITS.RESULT_BYTES / 2);
    const give = () => evaluateField(field("any", "item"), { item: text }, meter);
    expect(give().ok).toBe(true);
    expect(give()).toMatchObject({ error: { found: expect.stringContaining("a result of 1048576 bytes") } });
  });
});

test("the bytes of a result are counted as its JSON has them", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const meter = new Meter();
      const given = evaluateField(field("any", "item"), { item: value }, meter);
      fc.pre(given.ok);
      expect(given.ok && jsonBytes(given.value)).toBe(meter.given);
    }),
  );
  const text =
    "[timestamp(1), duration('1.5s'), b'abcd', 7u, -9007199254740993, type(1), optional.none(), 1e21]";
  const meter = new Meter();
  const given = evaluateField(field("list", text), {}, meter);
  expect(given.ok && jsonBytes(given.value)).toBe(meter.given);
});

test("what is JSON already is given as it is, and changed where it is not", () => {
  const given = { plain: [{ a: [1, "x", null] }], big: 2n ** 70n };
  const give = (text: string) => evaluateField(field("any", text), { item: given }, new Meter());
  expect(give("item").ok && give("item")).toMatchObject({ value: given });
  const value = give("item.plain");
  expect(value.ok && value.value).toBe(given.plain);
  expect(
    give("{'a': 1.5, 'b': item.plain, 'c': [2.5, 1, item.plain], 'd': timestamp(0), 'e': null}"),
  ).toEqual({
    ok: true,
    value: { a: 1.5, b: given.plain, c: [2.5, 1, given.plain], d: "1970-01-01T00:00:00.000Z", e: null },
  });
});

test("the names of an expression, and none of what is no expression", () => {
  expect(keysIn("results.a.n == results['b']", "results")).toEqual(["a", "b"]);
  expect(keysIn("results.a +", "results")).toEqual([]);
});
