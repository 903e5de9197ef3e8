// Which schemas are refused when they are written, and with which sentence at which place.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { dataFaults } from "../../../src/core/schemas/data-faults.ts";
import { schemaFaults } from "../../../src/core/schemas/schema-faults.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** `levels` schemas, each of which applies the one below it twice. */
function doubled(levels: number) {
  const $defs: Record<string, unknown> = { d0: { type: "string" } };
  for (let at = 1; at <= levels; at += 1) {
    const ref = { $ref: `#/$defs/d${at - 1}` };
    $defs[`d${at}`] = { allOf: [ref, ref] };
  }
  return { $ref: `#/$defs/d${levels}`, $defs };
}

function chained(length: number) {
  const $defs: Record<string, unknown> = { d0: { type: "string" } };
  for (let at = 1; at <= length; at += 1) $defs[`d${at}`] = { $ref: `#/$defs/d${at - 1}` };
  return { properties: { a: { $ref: `#/$defs/d${length}` } }, $defs };
}

function nested(depth: number): Record<string, unknown> {
  return depth === 1 ? {} : { items: nested(depth - 1) };
}

describe("a schema is accepted that", () => {
  test.each<[string, Record<string, unknown>]>([
    ["allows anything", {}],
    ["names the dialect", { $schema: DIALECT, $id: "https://example.org/answer", type: "object" }],
    [
      "asks for a decision",
      { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } },
    ],
    ["refers to its definitions", { $ref: "#/$defs/a", $defs: { a: { type: "string" } } }],
    ["refers to definitions of the older name", { $ref: "#/definitions/a", definitions: { a: true } }],
    ["refers to a name", { $ref: "#a", $defs: { x: { $anchor: "a" } } }],
    ["refers to a dynamic name", { $dynamicRef: "#a", $defs: { x: { $dynamicAnchor: "a" } } }],
    ["refers to a key with a slash", { $ref: "#/$defs/a~1b%25", $defs: { "a/b%": true } }],
    ["is a tree", { properties: { children: { type: "array", items: { $ref: "#" } } } }],
    [
      "has a property by the name of a keyword",
      { properties: { $ref: { type: "string" }, required: {}, items: {} } },
    ],
    ["has a key of its own", { "x-order": [1, 2], title: "T", nullable: true }],
    ["has a value that looks like a schema", { const: { $ref: "http://elsewhere" }, default: { type: 7 } }],
    ["has a chain of references", chained(LIMITS.SCHEMA_CHAIN - 2)],
    ["has many alternatives", { enum: Array.from({ length: 1_000 }, (_, at) => at) }],
    ["has bounds", { minLength: 0, maxLength: 10n ** 20n, minimum: -1.5, multipleOf: 0.01, format: "email" }],
    ["is as deep as data may be", nested(LIMITS.JSON_DEPTH)],
  ])("%s", (_name, schema) => {
    expect(schemaFaults(schema)).toEqual([]);
  });
});

describe("a schema is refused that", () => {
  test.each<[string, unknown, string, RegExp]>([
    ["is no object", true, "", /must be an object/],
    ["is a list", [], "", /must be an object/],
    ["is null", null, "", /must be an object/],
    [
      "is too large",
      { description: "x".repeat(16 * 1024) },
      "",
      /is 16402 bytes of JSON; a schema has at most 16384/,
    ],
    ["is too large in UTF-8", { description: "é".repeat(8_200) }, "", /a schema has at most 16384/],
    [
      "is too deep",
      nested(LIMITS.JSON_DEPTH + 1),
      "/items".repeat(LIMITS.JSON_DEPTH),
      /nested deeper than 32/,
    ],
    [
      "has a key that changes prototypes",
      JSON.parse('{"properties":{"__proto__":{}}}'),
      "/properties/__proto__",
      /not allowed/,
    ],
    [
      "is of another draft",
      { $schema: "http://json-schema.org/draft-07/schema#" },
      "/$schema",
      /must be https:.*2020-12/,
    ],
    [
      "changes the dialect within",
      { items: { $schema: DIALECT } },
      "/items/$schema",
      /for the whole schema alone/,
    ],
    [
      "changes the base",
      { $defs: { a: { $id: "b" } } },
      "/$defs/a/$id",
      /changes what references are relative to/,
    ],
    ["has a fragment in its id", { $id: "#a" }, "/$id", /without a fragment/],
    ["refers to elsewhere", { $ref: "https://example.org/a" }, "/$ref", /leads out of this schema/],
    [
      "refers to a file",
      { items: { $dynamicRef: "other.json#/a" } },
      "/items/$dynamicRef",
      /leads out of this schema/,
    ],
    ["refers to nothing", { $ref: "#/$defs/a" }, "/$ref", /"#\/\$defs\/a" leads to no schema/],
    ["refers to a name of nothing", { $ref: "#a" }, "/$ref", /leads to no schema/],
    ["refers to what is no schema", { $ref: "#/enum/0", enum: [{}] }, "/$ref", /leads to no schema/],
    ["refers to a broken escape", { $ref: "#/%zz" }, "/$ref", /leads to no schema/],
    ["refers to a number", { $ref: 1 }, "/$ref", /must be a string/],
    [
      "names two places alike",
      { $anchor: "a", items: { $dynamicAnchor: "a" } },
      "/items/$dynamicAnchor",
      /second place/,
    ],
    ["has a name that is none", { $anchor: "1 a" }, "/$anchor", /must be a name/],
    ["is itself", { $ref: "#" }, "/$ref", /leads back to itself/],
    [
      "is itself by way of an alternative",
      { anyOf: [{ type: "string" }, { $ref: "#" }] },
      "/anyOf/1/$ref",
      /leads back/,
    ],
    [
      "is itself by way of another",
      { $ref: "#a", $defs: { x: { $anchor: "a", not: { $ref: "#" } } } },
      "/$defs/x/not/$ref",
      /leads back/,
    ],
    [
      "has a loop that is not used",
      { $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } },
      "/$defs/b/$ref",
      /leads back/,
    ],
    ["multiplies", doubled(15), "", /applies more than 1000 subschemas to one value/],
    ["is a long chain", chained(16), "/properties/a", /in a chain of more than 16/],
    [
      "has a type that there is not",
      { type: "strin" },
      "/type",
      /"strin" is none of the types string, number/,
    ],
    ["has no type in its list", { type: [] }, "/type", /list of different types/],
    ["has a type twice", { type: ["null", "null"] }, "/type", /list of different types/],
    ["requires a text", { required: "x" }, "/required", /must be a list of different strings/],
    ["requires a name twice", { required: ["x", "x"] }, "/required", /must be a list of different strings/],
    [
      "has a negative length",
      { properties: { a: { minLength: -1 } } },
      "/properties/a/minLength",
      /integer of at least 0/,
    ],
    ["has a length that is no integer", { maxItems: 1.5 }, "/maxItems", /integer of at least 0/],
    ["has a bound that is a text", { minimum: "1" }, "/minimum", /must be a number/],
    ["is a multiple of nothing", { multipleOf: 0 }, "/multipleOf", /greater than 0/],
    ["has an empty choice", { enum: [] }, "/enum", /at least one value/],
    ["has a choice that is no list", { enum: "a" }, "/enum", /at least one value/],
    ["has no alternatives", { anyOf: [] }, "/anyOf", /at least one schema/],
    ["has alternatives that are no list", { oneOf: {} }, "/oneOf", /at least one schema/],
    ["has properties in a list", { properties: [] }, "/properties", /must be an object of schemas/],
    [
      "has a property that is no schema",
      { properties: { a: "string" } },
      "/properties/a",
      /must be a schema/,
    ],
    ["has items of an earlier draft", { items: [{}] }, "/items", /a list of them is prefixItems/],
    ["has dependencies of an earlier draft", { dependencies: {} }, "/dependencies", /use dependentRequired/],
    [
      "has further items of an earlier draft",
      { additionalItems: false },
      "/additionalItems",
      /use items beside prefixItems/,
    ],
    ["has a recursive reference", { $recursiveRef: "#" }, "/$recursiveRef", /use \$dynamicRef/],
    [
      "has dependents that are no lists",
      { dependentRequired: { a: "b" } },
      "/dependentRequired",
      /lists of different strings/,
    ],
    ["has a flag that is a number", { uniqueItems: 1 }, "/uniqueItems", /true or false/],
    ["has a title that is a number", { title: 1 }, "/title", /must be a string/],
    [
      "has a format that is not checked",
      { format: "color" },
      "/format",
      /"color" is none of the formats that are checked: date-time/,
    ],
    [
      "has a pattern that is none",
      { pattern: "[" },
      "/pattern",
      /the pattern \[ is not a regular expression/,
    ],
    ["has a pattern that is a number", { pattern: 1 }, "/pattern", /must be a string/],
    [
      "has a pattern that looks ahead",
      { patternProperties: { "^(?!a)": {} } },
      "/patternProperties/^(?!a)",
      /looks ahead/,
    ],
    ["has a vocabulary", { $vocabulary: {} }, "/$vocabulary", /no part of a schema/],
  ])("%s", (_name, schema, pointer, detail) => {
    const faults = schemaFaults(schema);
    expect(faults.map((fault) => fault.pointer)).toEqual([pointer]);
    expect(faults[0]?.detail).toMatch(detail);
    expect(faults[0]?.detail.length).toBeLessThan(300);
  });
});

test("patterns have a bound together", () => {
  const patterns = Array.from({ length: 5 }, (_, at) => [`a{${at + 900}}`, {}]);
  const faults = schemaFaults({ patternProperties: Object.fromEntries(patterns) });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatchObject({ pointer: "/patternProperties/a{904}" });
  expect(faults[0]?.detail).toMatch(
    /^the pattern a\{904\} has more than 390 characters .* \(all patterns of a schema: 4000\)$/,
  );
});

test("all faults are said, up to the limit of a list of them", () => {
  const properties = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`p${at}`, { type: "x" }]));
  expect(schemaFaults({ properties })).toHaveLength(LIMITS.ERRORS);
  expect(schemaFaults({ type: "x", minLength: -1 })).toHaveLength(2);
});

test("against a schema with faults no data are right", () => {
  expect(dataFaults({ $ref: "#/$defs/a" }, {})).toEqual([
    { pointer: "", detail: `cannot be checked: its schema's /$ref "#/$defs/a" leads to no schema` },
  ]);
});

test("a hostile schema is refused as fast as any: brackets without end, a loop through itself", () => {
  let deep: unknown = {};
  for (let at = 0; at < 200_000; at += 1) deep = { not: deep };
  const loop: Record<string, unknown> = {};
  loop["not"] = loop;
  expect(schemaFaults(deep)).toHaveLength(1);
  expect(schemaFaults(loop)).toHaveLength(1);
});
