// A form that was filled in gives the data that were meant: what is left empty is left out, what cannot be read is a
// fault of its field, and whatever a form can show comes back as it was.
import {
  type Arbitrary,
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  double,
  integer,
  jsonValue,
  oneof,
  option,
  property,
  string,
  tuple,
} from "fast-check";
import { describe, expect, test } from "vitest";
import { dataFaults } from "../../../src/core/schemas/data-faults.ts";
import { type FormField, fieldText, formFields } from "../../../src/core/schemas/form-fields.ts";
import { readForm } from "../../../src/core/schemas/read-form.ts";
import { schemaFaults } from "../../../src/core/schemas/schema-faults.ts";

type Schema = Record<string, unknown>;

const RUNS = 1_500;

/** What a form for one property gives for these texts under its name. */
function read(schema: Schema | true, texts: readonly string[], isRequired = false) {
  const fields = formFields({ properties: { p: schema }, required: isRequired ? ["p"] : [] });
  return readForm(
    fields,
    texts.map((text) => ["/p", text]),
  );
}

describe("a field gives", () => {
  test.each<[string, Schema | true, string, unknown]>([
    ["a text as it is", { type: "string" }, " a  ", " a  "],
    ["a text of blanks as it is", { type: "string" }, "  ", "  "],
    [
      "a text with lines that end as JSON's do",
      { type: "string", format: "textarea" },
      "a\r\nb\nc",
      "a\nb\nc",
    ],
    ["a number", { type: "number" }, " -1.5e3 ", -1500],
    ["an integer", { type: "integer" }, "7", 7],
    ["an integer with a fraction of 0", { type: "integer" }, "7.0", 7],
    [
      "an integer that a double would change",
      { type: "integer" },
      "9007199254740993",
      9_007_199_254_740_993n,
    ],
    ["a checkbox", { type: "boolean" }, "on", true],
    ["yes", { type: "boolean" }, "true", true],
    ["no", { type: "boolean" }, "false", false],
    ["an option by its JSON", { enum: ["1", 1] }, "1", 1],
    ["another option by its JSON", { enum: ["1", 1] }, '"1"', "1"],
    [
      "a text for each line that has one",
      { type: "array", items: { type: "string" } },
      "a\r\n\r\n b \r\n  \r\n",
      ["a", " b "],
    ],
    ["JSON", true, ' {"a": [1]} ', { a: [1] }],
  ])("%s", (_name, schema, text, value) => {
    expect(read(schema, [text])).toEqual({ data: { p: value }, faults: [] });
  });

  test.each<[string, Schema | true]>([
    ["a text", { type: "string" }],
    ["a number", { type: "number" }],
    ["a boolean", { type: "boolean" }],
    ["a choice", { enum: ["a", ""] }],
    ["lines", { type: "array", items: { type: "string" } }],
    ["JSON", true],
    ["a text or null", { type: ["string", "null"] }],
  ])("nothing where %s that is not required was left empty, or not sent at all", (_name, schema) => {
    expect(read(schema, [""])).toEqual({ data: {}, faults: [] });
    expect(read(schema, [])).toEqual({ data: {}, faults: [] });
  });

  test.each<[string, Schema | true, unknown]>([
    ["a text: the empty text", { type: "string" }, { p: "" }],
    ["a boolean: nothing, which the schema refuses", { type: "boolean" }, {}],
    ["lines: no text", { type: "array", items: { type: "string" } }, { p: [] }],
    ["a text or null: null", { type: ["string", "null"] }, { p: null }],
    ["an option or null: null", { enum: ["a", null] }, { p: null }],
    ["a number: nothing, which the schema refuses", { type: "number" }, {}],
    ["JSON: nothing, which the schema refuses", true, {}],
  ])("where it was left empty and is required, of %s", (_name, schema, data) => {
    expect(read(schema, [], true)).toEqual({ data, faults: [] });
  });

  test("the last of several texts", () => {
    expect(read({ type: "boolean" }, ["false", "on"])).toEqual({ data: { p: true }, faults: [] });
  });
});

describe("a field has a fault where", () => {
  test.each<[string, Schema | true, string, RegExp]>([
    ["a number has a comma", { type: "number" }, "1,5", /must be a number, not "1,5"/],
    ["a number begins as none in JSON does", { type: "number" }, "+1", /must be a number/],
    ["a number is hexadecimal", { type: "number" }, "0x10", /must be a number/],
    ["a number is too large for any", { type: "number" }, "1e999", /must be a number/],
    ["a number is a text", { type: "number" }, '"1"', /must be a number/],
    ["an integer has a fraction", { type: "integer" }, "1.5", /must be an integer, not "1.5"/],
    ["an integer is nothing of the kind", { type: "integer" }, "null", /must be an integer/],
    ["a boolean is another word", { type: "boolean" }, "yes", /must be true or false, not "yes"/],
    ["an option is none", { enum: ["a"] }, "a", /"a" is none of the options/],
    ["JSON is none", true, "{a: 1}", /is not JSON: line 1, column 2/],
    ["JSON ends early", true, '{"a"', /ends in the middle/],
    ["JSON is too deep", true, `${"[".repeat(31)}${"]".repeat(31)}`, /nested deeper than 30/],
    ["JSON changes prototypes", true, '{"__proto__": {}}', /the key __proto__ is not allowed/],
    ["JSON is not finite", true, "[1e999]", /is not a finite number/],
  ])("%s", (_name, schema, text, detail) => {
    const { data, faults } = read(schema, [text], true);
    expect(data).toEqual({});
    expect(faults).toMatchObject([{ pointer: "/p" }]);
    expect(faults[0]?.detail).toMatch(detail);
    expect(faults[0]?.detail.length).toBeLessThan(150);
  });

  test("each field has its own", () => {
    const fields = formFields({
      properties: { a: { type: "number" }, b: { type: "string" }, c: { type: "integer" } },
    });
    const { data, faults } = readForm(fields, [
      ["/a", "x".repeat(100_000)],
      ["/b", "b"],
      ["/c", "1.5"],
    ]);
    expect(data).toEqual({ b: "b" });
    expect(faults.map(({ pointer }) => pointer)).toEqual(["/a", "/c"]);
    expect(faults[0]?.detail.length).toBeLessThan(150);
  });
});

test("a group is left out where all of it is, unless it is required", () => {
  const group = { properties: { a: { type: "string" }, b: { type: "boolean" } }, required: ["b"] };
  const optional = formFields({ properties: { g: group } });
  const required = formFields({ properties: { g: group }, required: ["g"] });
  expect(readForm(optional, [["/g/a", ""]])).toEqual({ data: {}, faults: [] });
  expect(readForm(optional, [["/g/a", "x"]])).toEqual({ data: { g: { a: "x" } }, faults: [] });
  expect(readForm(required, [])).toEqual({ data: { g: {} }, faults: [] });
});

test("names that are no field's are passed over, and none of them reaches a prototype", () => {
  const fields = formFields({ properties: { a: { type: "string" } } });
  const form = new URLSearchParams("/a=1&/b=2&__proto__=x&/__proto__/polluted=1&constructor=1&=1");
  const { data } = readForm(fields, form);
  expect(data).toEqual({ a: "1" });
  expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test("a field by the name of __proto__, which no schema has, gives a property of that name", () => {
  const [field] = formFields({ properties: { a: {} } }) as [FormField];
  const { data } = readForm(
    [{ ...field, name: "/__proto__", path: ["__proto__"] }],
    [["/__proto__", '{"x": 1}']],
  );
  expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  expect(Object.keys(data as object)).toEqual(["__proto__"]);
});

test("the JSON field of the whole gives the data, or its fault", () => {
  const fields = formFields({ type: "array" });
  expect(readForm(fields, [["", "[1]"]])).toEqual({ data: [1], faults: [] });
  expect(readForm(fields, [["", "["]])).toMatchObject({ data: undefined, faults: [{ pointer: "" }] });
  expect(readForm(fields, [])).toEqual({ data: undefined, faults: [] });
});

/** A schema and a value that satisfies it and that a form can show. */
interface Sample {
  schema: Schema;
  value: unknown;
}

const of = (schema: Schema, values: Arbitrary<unknown>): Arbitrary<Sample> =>
  values.map((value) => ({ schema, value }));
// A browser sends a line end of either kind as the same.
const anyText = string({ unit: "grapheme", maxLength: 12 }).filter(
  (text) => text !== "" && !text.includes("\r"),
);
const line = anyText.filter((text) => text.trim() !== "" && !text.includes("\n"));
const json = jsonValue({ maxDepth: 4, noUnicodeString: false }).filter(
  (value) => value !== null && !/"(?:__proto__|constructor|prototype)"/.test(JSON.stringify(value)),
);
const plain = oneof(
  of({ type: "string" }, anyText),
  of({ type: "string", maxLength: 500 }, anyText),
  of({ type: "number" }, double({ noNaN: true, noDefaultInfinity: true })),
  of({ type: "integer" }, oneof(integer(), constant(2n ** 70n + 1n))),
  of({ type: "boolean" }, boolean()),
  of({ enum: ["a", "", 1, false, { b: [1] }] }, constantFrom<unknown>("a", "", 1, false, { b: [1] })),
  of({ type: "array", items: { type: "string" } }, array(line, { minLength: 1, maxLength: 4 })),
  of({}, json),
);
const name = constantFrom("a", "b", "c/d", "e~f", "toString", "0", "é", "");

/** An object of such properties, some of them required, and a value that has these and some of the others. */
function objectOf(parts: Arbitrary<Sample>): Arbitrary<Sample> {
  return array(tuple(name, parts, boolean(), boolean()), { minLength: 1, maxLength: 4 }).map((drawn) => {
    const entries = [...new Map(drawn.map((each) => [each[0], each])).values()];
    const kept = entries.filter(([, , isRequired, isSet]) => isRequired || isSet);
    return {
      schema: {
        type: "object",
        properties: Object.fromEntries(entries.map(([key, { schema }]) => [key, schema])),
        required: entries.filter(([, , isRequired]) => isRequired).map(([key]) => key),
      },
      value: Object.fromEntries(kept.map(([key, { value }]) => [key, value])),
    };
  });
}

/** What a browser sends for fields that show this value. */
function* sent(fields: readonly FormField[], value: unknown): Generator<[string, string]> {
  for (const field of fields) {
    const member =
      field.path.length === 0 ? value : (value as Schema | undefined)?.[field.path.at(-1) as string];
    const own =
      value !== undefined &&
      (field.path.length === 0 || Object.hasOwn(value as object, field.path.at(-1) as string));
    if (field.kind === "group") yield* sent(field.fields, own ? member : undefined);
    else yield [field.name, fieldText(field.kind, own ? member : undefined).replaceAll("\n", "\r\n")];
  }
}

test("data that a form shows come back as they were", () => {
  const group = objectOf(plain).filter(({ value }) => Object.keys(value as object).length > 0);
  assert(
    property(
      objectOf(oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: group })),
      option(constant("x")),
      ({ schema, value }, more) => {
        expect(schemaFaults(schema)).toEqual([]);
        const fields = formFields(schema);
        const form = new URLSearchParams([
          ...sent(fields, value),
          ...(more === null ? [] : [[more, "1"] as [string, string]]),
        ]);
        const { data, faults } = readForm(fields, new URLSearchParams(form.toString()));
        expect(faults).toEqual([]);
        // A form has no -0.
        expect(JSON.stringify(data)).toBe(JSON.stringify(value));
        expect(dataFaults(schema, data)).toEqual([]);
      },
    ),
    { numRuns: RUNS },
  );
});
