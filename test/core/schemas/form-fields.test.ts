// Which fields a form has for a schema, and what they show at first.
import { describe, expect, test } from "vitest";
import { type FormField, formFields } from "../../../src/core/schemas/form-fields.ts";
import { schemaFaults } from "../../../src/core/schemas/schema-faults.ts";

type Schema = Record<string, unknown>;

/** The one field for a property of that schema. */
function fieldFor(schema: Schema | boolean, more: Schema = {}): FormField {
  const whole = { type: "object", properties: { p: schema }, ...more };
  expect(schemaFaults(whole)).toEqual([]);
  const fields = formFields(whole);
  expect(fields).toHaveLength(1);
  return fields[0] as FormField;
}

describe("the kind of a field", () => {
  test.each<[string, Schema | boolean, FormField["kind"]]>([
    ["a string is a line of text", { type: "string" }, "text"],
    ["a short string is a line of text", { type: "string", maxLength: 200 }, "text"],
    ["a long string has several lines", { type: "string", maxLength: 201 }, "multiline"],
    [
      "a string of the format textarea has several lines",
      { type: "string", format: "textarea" },
      "multiline",
    ],
    ["a string or null is a line of text", { type: ["string", "null"] }, "text"],
    [
      "a string or null as alternatives is a line of text",
      { anyOf: [{ type: "string" }, { type: "null" }] },
      "text",
    ],
    ["a number", { type: "number" }, "number"],
    ["an integer", { type: "integer" }, "integer"],
    ["a boolean", { type: "boolean" }, "boolean"],
    ["values to choose from", { enum: ["a", 1] }, "choice"],
    ["one value", { const: "a" }, "choice"],
    ["alternatives that are values", { oneOf: [{ const: 1, title: "One" }, { const: 2 }] }, "choice"],
    ["alternatives that are not all values", { oneOf: [{ const: 1 }, { type: "string" }] }, "json"],
    ["an object of properties is a group", { type: "object", properties: { a: {} } }, "group"],
    ["an object of properties that says no type is a group", { properties: { a: {} } }, "group"],
    ["an object of anything is JSON", { type: "object" }, "json"],
    ["a list of texts has a line for each", { type: "array", items: { type: "string" } }, "lines"],
    ["a list of anything is JSON", { type: "array" }, "json"],
    ["a list of texts or null is JSON", { type: "array", items: { type: ["string", "null"] } }, "json"],
    [
      "a list that begins with something else is JSON",
      { type: "array", prefixItems: [true], items: { type: "string" } },
      "json",
    ],
    ["a text or a number is JSON", { type: ["string", "number"] }, "json"],
    ["anything is JSON", true, "json"],
    [
      "what a reference says",
      { $ref: "#/properties/p/$defs/x", $defs: { x: { type: "integer" } } },
      "integer",
    ],
    ["what the only schema of allOf says", { allOf: [{ type: "integer" }] }, "integer"],
  ])("%s", (_name, schema, kind) => {
    expect(fieldFor(schema).kind).toBe(kind);
  });

  test("a group within a group is JSON", () => {
    const group = fieldFor({ properties: { a: { properties: { b: {} } }, c: { type: "string" } } });
    expect(group.fields.map(({ kind, name, path }) => ({ kind, name, path }))).toEqual([
      { kind: "json", name: "/p/a", path: ["p", "a"] },
      { kind: "text", name: "/p/c", path: ["p", "c"] },
    ]);
  });

  test.each<[string, Schema]>([
    ["no properties", { type: "object" }],
    ["another type", { type: "string" }],
    ["alternatives", { oneOf: [{ properties: { a: {} } }, { properties: { b: {} } }] }],
    ["nothing", {}],
  ])("a schema of %s is one JSON field", (_name, schema) => {
    expect(formFields({ ...schema, title: "Answer", default: { x: 1 } })).toMatchObject([
      { kind: "json", name: "", path: [], label: "Answer", required: true, initial: '{\n  "x": 1\n}' },
    ]);
    expect(formFields(schema)).toMatchObject([{ label: "Data", initial: "" }]);
  });
});

describe("what a field says", () => {
  test("its label is the title, else the name; its own words go before those that it refers to", () => {
    const $defs = { t: { type: "string", title: "Theirs", description: "Of theirs" } };
    expect(fieldFor({ type: "string" })).toMatchObject({ label: "p", description: null });
    expect(fieldFor({ $ref: "#/$defs/t" }, { $defs })).toMatchObject({
      label: "Theirs",
      description: "Of theirs",
    });
    expect(fieldFor({ $ref: "#/$defs/t", title: "Mine" }, { $defs })).toMatchObject({
      label: "Mine",
      description: "Of theirs",
    });
  });

  test("its name is a pointer", () => {
    const [field] = formFields({ properties: { "a/b~c": {} } });
    expect(field).toMatchObject({ name: "/a~1b~0c", path: ["a/b~c"], label: "a/b~c" });
  });

  test("its limits are the schema's", () => {
    expect(fieldFor({ type: "number", minimum: 1, maximum: 2.5, minLength: 4 }).limits).toEqual({
      minimum: 1,
      maximum: 2.5,
      minLength: null,
      maxLength: null,
      pattern: null,
      format: null,
    });
    expect(
      fieldFor({ type: "string", minLength: 1, maxLength: 9, pattern: "^a", format: "email" }).limits,
    ).toEqual({
      minimum: null,
      maximum: null,
      minLength: 1,
      maxLength: 9,
      pattern: "^a",
      format: "email",
    });
  });

  test("options have the value's JSON as their key, and a title as their label", () => {
    const titled = { oneOf: [{ const: true, title: "Publish" }, { const: "no" }] };
    expect(fieldFor(titled).options).toEqual([
      { key: "true", label: "Publish", value: true },
      { key: '"no"', label: "no", value: "no" },
    ]);
    expect(fieldFor({ enum: ["a", null] })).toMatchObject({ nullable: true, options: [{ key: '"a"' }] });
    expect(fieldFor({ type: "string" }).options).toEqual([]);
  });

  test.each<[string, Schema, string]>([
    ["nothing without a default", { type: "string" }, ""],
    ["a text", { type: "string", default: "a\nb" }, "a\nb"],
    ["a number", { type: "number", default: 1.5 }, "1.5"],
    [
      "an integer that a double would change",
      { type: "integer", default: 9_007_199_254_740_993n },
      "9007199254740993",
    ],
    ["a boolean", { type: "boolean", default: false }, "false"],
    ["a choice", { enum: ["a", "b"], default: "b" }, '"b"'],
    ["lines", { type: "array", items: { type: "string" }, default: ["a", "b"] }, "a\nb"],
    ["JSON", { default: [1] }, "[\n  1\n]"],
    ["nothing for a default of another type", { type: "string", default: 7 }, ""],
    ["nothing for no number", { type: "number", default: "7" }, ""],
  ])("it shows at first: %s", (_name, schema, initial) => {
    expect(fieldFor(schema).initial).toBe(initial);
  });

  test("a default of the whole is the default of its parts, unless they have their own", () => {
    const properties = {
      a: { type: "string" },
      b: { type: "string", default: "own" },
      g: { properties: { c: { type: "string" } } },
    };
    const [a, b, g] = formFields({ properties, default: { a: "x", b: "y", g: { c: "z" } } });
    expect([a?.initial, b?.initial, g?.fields[0]?.initial]).toEqual(["x", "own", "z"]);
  });

  test("a value that is the only one is chosen where it is required", () => {
    expect(fieldFor({ const: "a" }, { required: ["p"] }).initial).toBe('"a"');
    expect(fieldFor({ const: "a" }).initial).toBe("");
  });
});

describe("required", () => {
  test("is what the schema requires, and in a group what requires the group too", () => {
    const group = { required: ["a"], properties: { a: {}, b: {} } };
    const required = (field: FormField) => [field.required, ...field.fields.map((each) => each.required)];
    expect(required(fieldFor(group))).toEqual([false, false, false]);
    expect(required(fieldFor(group, { required: ["p"] }))).toEqual([true, true, false]);
  });

  test("a property that is only required has a field, too", () => {
    expect(formFields({ properties: { a: { type: "string" } }, required: ["b"] })).toMatchObject([
      { name: "/a", kind: "text" },
      { name: "/b", kind: "json", required: true },
    ]);
  });

  test("no field is made of a name that changes prototypes", () => {
    const hostile = JSON.parse(
      '{"properties":{"__proto__":{"type":"string"},"constructor":{},"a":{}},"required":["prototype"]}',
    );
    expect(formFields(hostile).map(({ name }) => name)).toEqual(["/a"]);
  });
});
