// What is said of data that do not satisfy a schema: where, in which words, and that nothing is said of data that do.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { readJson } from "../../../src/core/json/json.ts";
import { dataFaults } from "../../../src/core/schemas/data-faults.ts";

type Schema = Record<string, unknown>;

const KINDS: Schema = {
  oneOf: [
    { required: ["kind", "n"], properties: { kind: { const: "a" }, n: { type: "number" } } },
    { required: ["kind", "m"], properties: { kind: { const: "b" }, m: { type: "number" } } },
  ],
};
const CONDITION: Schema = JSON.parse(
  '{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}',
);
const DYNAMIC: Schema = { $dynamicRef: "#t", $defs: { t: { $dynamicAnchor: "t", type: "string" } } };

describe("data are refused", () => {
  test.each<[string, Schema, unknown, string[]]>([
    ["of another type", { type: "string" }, 1, [" must be a string, not 1"]],
    [
      "of none of the types",
      { type: ["string", "null"] },
      [1],
      [" must be a string or null, not a list of 1 item"],
    ],
    ["that are no integer", { type: "integer" }, 1.5, [" must be an integer, not 1.5"]],
    ["without a required property", { required: ["approved"] }, {}, ["/approved is required"]],
    [
      "without each required property",
      { required: ["a/b", "c~d"] },
      {},
      ["/a~1b is required", "/c~0d is required"],
    ],
    [
      "with another value than the one",
      { const: { a: 1 } },
      { a: 2 },
      [' must be {"a":1}, not an object of 1 property'],
    ],
    ["with none of the values", { enum: ["a", 1, null] }, "b", [' must be one of "a", 1, null, not "b"']],
    [
      "with none of many values",
      { enum: Array.from({ length: 30 }, (_, at) => at) },
      -1,
      [" must be one of 0, 1, 2, 3, 4, 5, 6, 7 and 22 more, not -1"],
    ],
    ["too small", { minimum: 3 }, 2, [" must be at least 3, not 2"]],
    ["too large", { maximum: 3 }, 4n ** 40n, [" must be at most 3, not 1208925819614629174706176"]],
    ["not larger", { exclusiveMinimum: 3 }, 3, [" must be more than 3, not 3"]],
    ["not smaller", { exclusiveMaximum: 3 }, 3, [" must be less than 3, not 3"]],
    ["no multiple", { multipleOf: 0.01 }, 0.125, [" must be a multiple of 0.01, not 0.125"]],
    ["too short", { minLength: 2 }, "😀", [" must have at least 2 characters, not 1"]],
    ["too long", { maxLength: 1 }, "ab", [" must have at most 1 character, not 2"]],
    ["of another pattern", { pattern: "^a+$" }, "b", [' must match the pattern ^a+$, and is "b"']],
    ["of another format", { format: "email" }, "ada", [' must be of the format email, and is "ada"']],
    ["with too few items", { minItems: 1 }, [], [" must have at least 1 item, not 0"]],
    ["with too many items", { maxItems: 1 }, [1, 2], [" must have at most 1 item, not 2"]],
    ["with a wrong item", { items: { type: "string" } }, ["a", 1], ["/1 must be a string, not 1"]],
    [
      "with a wrong first item",
      { prefixItems: [{ type: "string" }], items: { type: "number" } },
      [1, "a"],
      ["/0 must be a string, not 1", '/1 must be a number, not "a"'],
    ],
    ["with a further item", { prefixItems: [true], items: false }, [1, 2], ["/1 is not allowed"]],
    [
      "with equal items",
      { uniqueItems: true },
      [{ a: 1, b: 2 }, 1, { b: 2, a: 1 }],
      ["/2 must differ from item 0, which is an object of 2 properties too"],
    ],
    [
      "without what must be contained",
      { contains: { const: 1 } },
      [2],
      [" must contain at least 1 item of the kind that contains describes, not 0"],
    ],
    [
      "with too much of it",
      { contains: { const: 1 }, maxContains: 1 },
      [1, 1],
      [" must contain at most 1 item of the kind that contains describes, not 2"],
    ],
    ["with too few properties", { minProperties: 1 }, {}, [" must have at least 1 property, not 0"]],
    ["with too many properties", { maxProperties: 0 }, { a: 1 }, [" must have at most 0 properties, not 1"]],
    [
      "with a further property",
      { properties: { a: true }, additionalProperties: false },
      { a: 1, b: 1 },
      ["/b is not allowed"],
    ],
    [
      "with a wrong further property",
      { additionalProperties: { type: "string" } },
      { b: 1 },
      ["/b must be a string, not 1"],
    ],
    [
      "with a wrong property of a pattern",
      { patternProperties: { "^x-": { type: "string" } } },
      { "x-a": 1, y: 1 },
      ["/x-a must be a string, not 1"],
    ],
    [
      "with a wrong name",
      { propertyNames: { maxLength: 2 } },
      { abc: 1 },
      ["/abc has a name that must have at most 2 characters, not 3"],
    ],
    [
      "without what a property needs",
      { dependentRequired: { a: ["b"] } },
      { a: 1 },
      ["/b is required beside a"],
    ],
    [
      "without what a schema beside a property says",
      { dependentSchemas: { a: { required: ["c"] } } },
      { a: 1 },
      ["/c is required"],
    ],
    [
      "that all must satisfy",
      { allOf: [{ minimum: 2 }, { maximum: 0 }] },
      1,
      [" must be at least 2, not 1", " must be at most 0, not 1"],
    ],
    [
      "that are none of the alternatives",
      { anyOf: [{ type: "string" }, { type: "null" }] },
      1,
      [" must be a string, not 1, or must be null, not 1"],
    ],
    [
      "that are nearly one of the alternatives",
      { anyOf: [{ type: "string" }, { type: "object", required: ["a"] }] },
      {},
      ["/a is required"],
    ],
    ["that name their alternative", KINDS, { kind: "b", n: 1 }, ["/m is required"]],
    [
      "that are more than one of the alternatives",
      { oneOf: [{ minimum: 1 }, { maximum: 5 }] },
      3,
      [" must satisfy one alternative of oneOf alone, and satisfies 0 and 1"],
    ],
    ["that are forbidden", { not: { type: "string" } }, "a", [" satisfies what not forbids"]],
    ["under a condition", CONDITION, { a: 1 }, ["/b is required"]],
    ["under its opposite", CONDITION, {}, ["/c is required"]],
    [
      "by a reference",
      { properties: { a: { $ref: "#/$defs/t" } }, $defs: { t: { type: "string" } } },
      { a: 1 },
      ["/a must be a string, not 1"],
    ],
    [
      "by a name",
      { $ref: "#t", $defs: { x: { $anchor: "t", type: "string" } } },
      1,
      [" must be a string, not 1"],
    ],
    ["by a dynamic name", DYNAMIC, 1, [" must be a string, not 1"]],
    [
      "beside a reference",
      { $ref: "#/$defs/t", maxLength: 1, $defs: { t: { type: "string" } } },
      "ab",
      [" must have at most 1 character, not 2"],
    ],
    [
      "deep in a tree",
      { properties: { name: { type: "string" }, children: { items: { $ref: "#" } } } },
      { children: [{}, { children: [{ name: 1 }] }] },
      ["/children/1/children/0/name must be a string, not 1"],
    ],
    [
      "with what nothing evaluates",
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      { a: 1, b: 1 },
      ["/b is not allowed"],
    ],
    [
      "with what only a failed alternative evaluates",
      {
        anyOf: [{ properties: { a: { type: "string" } }, required: ["z"] }, true],
        unevaluatedProperties: false,
      },
      { a: "x" },
      ["/a is not allowed"],
    ],
    [
      "with what only a schema beside it evaluates",
      { allOf: [{ properties: { a: true } }, { unevaluatedProperties: false }] },
      { a: 1 },
      ["/a is not allowed"],
    ],
    [
      "with an item that nothing evaluates",
      { prefixItems: [true], contains: { const: 9 }, unevaluatedItems: false },
      [1, 2, 9],
      ["/1 is not allowed"],
    ],
    ["whatever they are", { properties: { a: false } }, { a: 1 }, ["/a is not allowed"]],
  ])("%s", (_name, schema, data, sentences) => {
    expect(dataFaults(schema, data).map(({ pointer, detail }) => `${pointer} ${detail}`)).toEqual(sentences);
  });
});

describe("data are right", () => {
  test.each<[string, Schema, unknown]>([
    ["of any kind where nothing is said", {}, { a: [1, null] }],
    ["as an integer with a fraction of 0", { type: "integer" }, 1.0],
    [
      "as an integer that a double would change",
      { type: "integer", minimum: 10, multipleOf: 3 },
      9_007_199_254_740_993n,
    ],
    ["as such an integer among the values", { enum: [9_007_199_254_740_993n] }, 9_007_199_254_740_993n],
    ["as a multiple by its digits", { multipleOf: 0.1 }, 0.3],
    ["as a multiple of another size", { multipleOf: 1e-7 }, 1e20],
    ["with a keyword for another type", { minLength: 3, minItems: 3, minimum: 3 }, true],
    ["as equal to a value with its keys in another order", { const: { a: 1, b: [2] } }, { b: [2], a: 1 }],
    [
      "with items that differ by type",
      { uniqueItems: true },
      [1, "1", true, "true", null, [1], { a: 1 }, { a: "1" }],
    ],
    [
      "with a property of a pattern",
      { patternProperties: { "^x-": {} }, additionalProperties: false },
      { "x-a": 1 },
    ],
    ["with none contained, where none must be", { contains: { const: 1 }, minContains: 0 }, []],
    ["with fewer items than the schema has", { prefixItems: [true, { type: "string" }] }, [1]],
    ["as one alternative alone", KINDS, { kind: "a", n: 1 }],
    [
      "with what an alternative evaluates",
      { anyOf: [{ properties: { a: true } }, { properties: { b: true } }], unevaluatedProperties: false },
      { a: 1, b: 1 },
    ],
    [
      "with what a condition evaluates",
      { if: { properties: { a: { const: 1 } }, required: ["a"] }, unevaluatedProperties: false },
      { a: 1 },
    ],
    [
      "with what a reference evaluates",
      { $ref: "#/$defs/t", unevaluatedProperties: false, $defs: { t: { properties: { a: true } } } },
      { a: 1 },
    ],
    [
      "with what an inner schema has left over",
      { properties: { a: true }, allOf: [{ unevaluatedProperties: true }], unevaluatedProperties: false },
      { b: 1 },
    ],
    [
      "with a property by the name of a method",
      { properties: { toString: { type: "string" } }, required: ["toString"] },
      { toString: "x" },
    ],
  ])("%s", (_name, schema, data) => {
    expect(dataFaults(schema, data)).toEqual([]);
  });

  test("without a property that every object inherits", () => {
    expect(dataFaults({ required: ["toString"] }, {})).toEqual([
      { pointer: "/toString", detail: "is required" },
    ]);
    expect(dataFaults({ dependentRequired: { valueOf: ["a"] } }, {})).toEqual([]);
  });
});

describe("a list of faults", () => {
  test("ends at its limit", () => {
    expect(
      dataFaults(
        { items: { type: "string" } },
        Array.from({ length: 500 }, () => 1),
      ),
    ).toHaveLength(LIMITS.ERRORS);
    const required = Array.from({ length: 500 }, (_, at) => `p${at}`);
    expect(dataFaults({ allOf: [{ required }, { required }] }, {})).toHaveLength(LIMITS.ERRORS);
  });

  test("says nothing twice", () => {
    expect(dataFaults({ allOf: [{ required: ["a"] }, { required: ["a"] }] }, {})).toHaveLength(1);
  });

  test("shows no more than the beginning of a value, cut between characters", () => {
    const long = `${"x".repeat(57)}${"😀".repeat(100_000)}`;
    const schemas: Schema[] = [
      { type: "number" },
      { const: long },
      { enum: Array.from({ length: 20 }, (_, at) => `${long}${at}`.slice(0, 300)) },
      { pattern: `^${"a".repeat(900)}$` },
      { format: "uuid" },
      { anyOf: Array.from({ length: 100 }, (_, at) => ({ const: `${"y".repeat(100)}${at}` })) },
    ];
    for (const schema of schemas) {
      const faults = dataFaults(schema, `${long}!`);
      expect(faults, JSON.stringify(schema).slice(0, 80)).toHaveLength(1);
      expect(faults[0]?.detail.length).toBeLessThan(600);
      expect(faults[0]?.detail.isWellFormed()).toBe(true);
      expect(faults[0]?.detail).not.toMatch(/x{61}/);
    }
  });
});

test("data as the coordinator reads them: integers keep their digits, and may not be taken for a text", () => {
  const read = readJson('{"id": 12345678901234567890, "n": 1}');
  expect(read.ok).toBe(true);
  if (!read.ok) return;
  const schema = {
    properties: { id: { type: "integer", maximum: 12_345_678_901_234_567_889n }, n: { const: 1 } },
  };
  expect(dataFaults(schema, read.value)).toEqual([
    { pointer: "/id", detail: "must be at most 12345678901234567889, not 12345678901234567890" },
  ]);
});
