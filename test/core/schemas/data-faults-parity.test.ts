// The interpreter beside one that has nothing to do with it (@cfworker/json-schema): random schemas and data, and both
// say that the data are right, or neither does.
import { type Schema, Validator } from "@cfworker/json-schema";
import {
  type Arbitrary,
  array,
  assert,
  constant,
  constantFrom,
  integer,
  letrec,
  oneof,
  property,
  record,
  uniqueArray,
} from "fast-check";
import { expect, test } from "vitest";
import { dataFaults } from "../../../src/core/schemas/data-faults.ts";
import { schemaFaults } from "../../../src/core/schemas/schema-faults.ts";

const RUNS = 3_000;

const key = constantFrom("a", "b", "c");
const scalar = oneof(
  constantFrom<unknown>(null, true, false, "", "a", "ab", "abc", "😀", 1.5, "2026-11-27", "a@b.cd"),
  integer({ min: -2, max: 4 }),
);
const { data } = letrec<{ data: unknown }>((tie) => ({
  data: oneof(
    { maxDepth: 3, depthSize: "small" },
    scalar,
    array(tie("data"), { maxLength: 3 }),
    array(array(tie("data"), { minLength: 1, maxLength: 1 }), { maxLength: 2 }),
    uniqueArray(key, { maxLength: 3 }).chain((keys) =>
      record(Object.fromEntries(keys.map((name) => [name, tie("data")])), { noNullPrototype: true }),
    ),
  ),
}));

type Part = Record<string, unknown>;
const part = <T>(keyword: string, value: Arbitrary<T>): Arbitrary<Part> =>
  value.map((each) => ({ [keyword]: each }));
const small = integer({ min: 0, max: 3 });
const names = uniqueArray(key, { maxLength: 2 });
const type = constantFrom("string", "number", "integer", "boolean", "object", "array", "null");

const { schema } = letrec<{ schema: Part | boolean; keywords: Part }>((tie) => {
  const s = tie("schema");
  const schemas = array(s, { minLength: 1, maxLength: 3 });
  const byKey = uniqueArray(key, { minLength: 1, maxLength: 2 }).chain((keys) =>
    record(Object.fromEntries(keys.map((name) => [name, s])), { noNullPrototype: true }),
  );
  return {
    keywords: oneof(
      { maxDepth: 5, depthSize: "medium" },
      part("type", oneof(type, uniqueArray(type, { minLength: 1, maxLength: 3 }))),
      part("const", data),
      part("enum", array(data, { minLength: 1, maxLength: 3 })),
      part("required", names),
      ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].map((keyword) =>
        part(keyword, integer({ min: -1, max: 3 })),
      ),
      part("multipleOf", constantFrom(0.5, 1, 2, 0.1)),
      ...["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"].map((keyword) =>
        part(keyword, small),
      ),
      part("uniqueItems", constant(true)),
      part("pattern", constantFrom("^a", "b$", "^.{2}$", "[bc]")),
      part("format", constantFrom("date", "email")),
      part("dependentRequired", record({ a: names }, { noNullPrototype: true })),
      part("$ref", constantFrom("#/$defs/s", "#/$defs/t", "#n")),
      ...["properties", "dependentSchemas"].map((keyword) => part(keyword, byKey)),
      part(
        "patternProperties",
        s.map((each) => ({ "[ab]": each })),
      ),
      ...["additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "not"].map(
        (keyword) => part(keyword, s),
      ),
      part("propertyNames", s),
      part("prefixItems", schemas),
      ...["allOf", "anyOf", "oneOf"].map((keyword) => part(keyword, schemas)),
      record(
        { contains: s, minContains: integer({ min: 1, max: 2 }), maxContains: small },
        { requiredKeys: ["contains"], noNullPrototype: true },
      ),
      record(Object.fromEntries(["if", "then", "else"].map((keyword) => [keyword, s])), {
        requiredKeys: ["if"],
        noNullPrototype: true,
      }),
    ),
    schema: oneof(
      { maxDepth: 5, depthSize: "medium" },
      { weight: 1, arbitrary: constantFrom<boolean>(true, false) },
      {
        weight: 8,
        arbitrary: array(tie("keywords"), { minLength: 1, maxLength: 3 }).map(
          (parts) => Object.assign({}, ...parts) as Part,
        ),
      },
    ),
  };
});

const whole = schema.map((root) => ({
  allOf: [root],
  $defs: {
    s: { type: "object" },
    t: { items: { $ref: "#/$defs/t" }, type: ["array", "string"] },
    u: { $anchor: "n", type: "integer" },
  },
}));

/** Theirs lets one subschema see what another beside it has evaluated. Ours has a table of these cases. */
const DIFFERENT = /unevaluated/;

test("random data satisfy random schemas for both or for none", () => {
  const counted = { right: 0, wrong: 0 };
  assert(
    property(whole, array(data, { minLength: 1, maxLength: 4 }), (random, samples) => {
      const text = JSON.stringify(random);
      expect(schemaFaults(random), text).toEqual([]);
      if (DIFFERENT.test(text)) return;
      const theirs = new Validator(structuredClone(random) as Schema, "2020-12");
      for (const sample of samples) {
        const valid = theirs.validate(sample).valid;
        const faults = dataFaults(random, sample);
        expect({ random, sample, valid: faults.length === 0 }).toEqual({ random, sample, valid });
        for (const { pointer, detail } of faults)
          expect(`${pointer} ${detail}`).toMatch(/^(\/[^ ]*)? .{5,600}$/);
        counted[valid ? "right" : "wrong"] += 1;
      }
    }),
    { numRuns: RUNS },
  );
  expect(counted.right).toBeGreaterThan(RUNS / 3);
  expect(counted.wrong).toBeGreaterThan(RUNS / 3);
});
