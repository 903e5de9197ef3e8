// What makes a schema refused when it is written: it must be one of JSON Schema 2020-12, complete in itself, and of a
// size and shape that data can be checked against at a bounded cost. Keywords of earlier drafts are refused, since a
// check that is left out in silence is taken for one that holds; other unknown keywords are annotations.
import { LIMITS } from "../../contract/limits.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { InputError } from "../../contract/problem.ts";
import { joinPointer } from "../json/exact-integer.ts";
import { valueFault } from "../json/json.ts";
import { isSchemaObject, KEYWORDS, SchemaDocument } from "./document.ts";
import { FORMATS } from "./formats.ts";
import { compilePattern } from "./pattern.ts";
import { PatternFault } from "./pattern-syntax.ts";
import { clipped, written } from "./words.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const TYPES: ReadonlySet<unknown> = new Set([
  "string",
  "number",
  "integer",
  "boolean",
  "object",
  "array",
  "null",
]);

/** What is wrong with a keyword's value, or null. */
type Rule = (value: unknown) => string | null;

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint";
const isUnique = (values: readonly unknown[]) => new Set(values).size === values.length;

const text: Rule = (value) => (isText(value) ? null : "must be a string");
const flag: Rule = (value) => (typeof value === "boolean" ? null : "must be true or false");
const number: Rule = (value) => (isNumber(value) ? null : "must be a number");
const count: Rule = (value) =>
  isNumber(value) && value >= 0 && (typeof value === "bigint" || Number.isInteger(value))
    ? null
    : "must be an integer of at least 0";
const names: Rule = (value) =>
  Array.isArray(value) && value.every(isText) && isUnique(value)
    ? null
    : "must be a list of different strings";
const name: Rule = (value) =>
  isText(value) && /^[A-Za-z_][\w.-]*$/.test(value)
    ? null
    : "must be a name: a letter or _, then letters, digits, _ - and .";
const older = (instead: string): Rule => {
  return () => `is a keyword of an earlier draft: ${instead}`;
};

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...["title", "description", "$comment", "contentMediaType", "contentEncoding", "pattern"].map(
    (key) => [key, text] as const,
  ),
  ...["uniqueItems", "readOnly", "writeOnly", "deprecated"].map((key) => [key, flag] as const),
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].map((key) => [key, number] as const),
  ...[
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
  ].map((key) => [key, count] as const),
  ["multipleOf", (value) => (isNumber(value) && value > 0 ? null : "must be a number greater than 0")],
  ["required", names],
  ["examples", (value) => (Array.isArray(value) ? null : "must be a list")],
  [
    "enum",
    (value) => (Array.isArray(value) && value.length > 0 ? null : "must be a list of at least one value"),
  ],
  ["type", typeRule],
  ["format", formatRule],
  ["dependentRequired", dependentRule],
  ["$anchor", name],
  ["$dynamicAnchor", name],
  ["$vocabulary", () => "is for dialects, and no part of a schema"],
  ["$recursiveRef", older("use $dynamicRef")],
  ["$recursiveAnchor", older("use $dynamicAnchor")],
  ["additionalItems", older("use items beside prefixItems")],
  ["dependencies", older("use dependentRequired or dependentSchemas")],
]);

function typeRule(value: unknown): string | null {
  const list = Array.isArray(value) ? value : [value];
  const unknown = list.find((type) => !TYPES.has(type));
  if (unknown !== undefined) return `${written(unknown)} is none of the types ${[...TYPES].join(", ")}`;
  return list.length > 0 && isUnique(list) ? null : "must be a type or a list of different types";
}

function formatRule(value: unknown): string | null {
  if (isText(value) && FORMATS.has(value)) return null;
  return `${written(value)} is none of the formats that are checked: ${[...FORMATS.keys()].join(", ")}`;
}

function dependentRule(value: unknown): string | null {
  return isSchemaObject(value) && Object.values(value).every((list) => names(list) === null)
    ? null
    : "must be an object of lists of different strings";
}

/**
 * What is wrong with a schema, at most LIMITS.ERRORS faults; none where data can be checked against it.
 * @param schema JSON as `readJson` gives it
 */
export function schemaFaults(schema: unknown): InputError[] {
  if (!isSchemaObject(schema)) return [{ pointer: "", detail: "must be an object: a JSON Schema" }];
  // Before anything walks it.
  const value = valueFault(schema, LIMITS.JSON_DEPTH);
  if (value !== null) return [{ pointer: value.pointer, detail: value.detail }];
  const bytes = new TextEncoder().encode(JSON.stringify(schema)).byteLength;
  if (bytes > LIMITS.SCHEMA_BYTES) {
    return [
      { pointer: "", detail: `is ${bytes} bytes of JSON; a schema has at most ${LIMITS.SCHEMA_BYTES}` },
    ];
  }
  const document = new SchemaDocument(schema);
  const faults = [...document.schemas].flatMap(([pointer, sub]) => subSchemaFaults(document, sub, pointer));
  faults.push(
    ...document.repeatedAnchors.map((pointer) => ({
      pointer,
      detail: "names a second place of this schema",
    })),
    ...patternFaults(document),
  );
  // Loops are followed only where every reference leads to a schema.
  return (faults.length > 0 ? faults : shapeFaults(document)).slice(0, LIMITS.ERRORS);
}

function subSchemaFaults(document: SchemaDocument, schema: unknown, pointer: string): InputError[] {
  if (typeof schema === "boolean") return [];
  if (!isSchemaObject(schema)) return [{ pointer, detail: schemaExpected(schema, pointer) }];
  const faults: InputError[] = [];
  const check = (key: string, detail: string | null) => {
    if (detail !== null) faults.push({ pointer: joinPointer(pointer, key), detail });
  };
  for (const [key, value] of Object.entries(schema)) {
    check(key, RULES.get(key)?.(value) ?? null);
    check(key, containerFault(key, value));
    if (key === "$ref" || key === "$dynamicRef") check(key, referenceFault(document, value));
  }
  check("$schema", dialectFault(schema, pointer));
  check("$id", identityFault(schema, pointer));
  return faults;
}

function schemaExpected(schema: unknown, pointer: string): string {
  const isTuple = Array.isArray(schema) && pointer.endsWith("/items");
  return isTuple
    ? "must be one schema: a list of them is prefixItems"
    : "must be a schema: an object, true or false";
}

function containerFault(key: string, value: unknown): string | null {
  if ((KEYWORDS.list as readonly string[]).includes(key)) {
    return Array.isArray(value) && value.length > 0 ? null : "must be a list of at least one schema";
  }
  if ((KEYWORDS.map as readonly string[]).includes(key)) {
    return isSchemaObject(value) ? null : "must be an object of schemas";
  }
  return null;
}

function referenceFault(document: SchemaDocument, value: unknown): string | null {
  if (!isText(value)) return "must be a string";
  if (!value.startsWith("#")) {
    return `${written(value)} leads out of this schema: only #, #/… and #name are followed`;
  }
  return document.target(value) === null ? `${written(value)} leads to no schema` : null;
}

function dialectFault({ $schema }: JsonObject, pointer: string): string | null {
  if ($schema === undefined) return null;
  if (pointer !== "") return "is for the whole schema alone";
  return $schema === DIALECT || $schema === `${DIALECT}#`
    ? null
    : `must be ${DIALECT}, not ${written($schema)}`;
}

function identityFault({ $id }: JsonObject, pointer: string): string | null {
  if ($id === undefined) return null;
  if (!isText($id) || $id.includes("#")) return "must be a URI without a fragment";
  return pointer === "" ? null : "changes what references are relative to, and is for the whole schema alone";
}

/** All of them together have a bound: each costs memory as long as the schema is in use. */
function patternFaults(document: SchemaDocument): InputError[] {
  const faults: InputError[] = [];
  const most = LIMITS.SCHEMA_PATTERN_CHARS;
  let left: number = most;
  for (const { pointer, source } of patternsOf(document)) {
    try {
      left -= compilePattern(source, left).states.length;
    } catch (cause) {
      if (!(cause instanceof PatternFault)) throw cause;
      const together = left < most ? ` (all patterns of a schema: ${most})` : "";
      faults.push({ pointer, detail: `the pattern ${clipped(source)} ${cause.message}${together}` });
    }
  }
  return faults;
}

/** The patterns of a schema, each where it is. */
function* patternsOf(document: SchemaDocument): Generator<{ pointer: string; source: string }> {
  for (const [pointer, schema] of document.schemas) {
    if (!isSchemaObject(schema)) continue;
    if (isText(schema.pattern)) yield { pointer: joinPointer(pointer, "pattern"), source: schema.pattern };
    if (!isSchemaObject(schema.patternProperties)) continue;
    const at = joinPointer(pointer, "patternProperties");
    for (const source of Object.keys(schema.patternProperties))
      yield { pointer: joinPointer(at, source), source };
  }
}

/**
 * Loops of references that never come to another value, chains of them, and subschemas that multiply: how many apply to
 * one value is counted as the worst case, without data.
 */
function shapeFaults(document: SchemaDocument): InputError[] {
  const faults: InputError[] = [];
  const known = new Map<string, Shape | "open">();
  const visit = (pointer: string): Shape => {
    known.set(pointer, "open");
    const sum = { applied: 1, depth: 1 };
    for (const { from, to } of document.inPlace(pointer)) {
      const before = known.get(to);
      if (before === "open") {
        faults.push({ pointer: from, detail: "leads back to itself without coming to another value" });
        continue;
      }
      const { applied, depth } = before ?? visit(to);
      sum.applied += applied;
      sum.depth = Math.max(sum.depth, depth + 1);
    }
    known.set(pointer, sum);
    return sum;
  };
  // The whole is the first of them, and what is within it applies no more.
  for (const pointer of document.schemas.keys()) {
    const shape = known.get(pointer) ?? visit(pointer);
    const detail = shape === "open" ? null : shapeFault(shape);
    if (detail !== null) return [...faults, { pointer, detail }];
  }
  return faults;
}

interface Shape {
  /** Subschemas that apply to one value, this one among them. */
  applied: number;
  /** The longest chain of them. */
  depth: number;
}

function shapeFault({ applied, depth }: Shape): string | null {
  if (applied > LIMITS.SCHEMA_APPLIED) {
    return `applies more than ${LIMITS.SCHEMA_APPLIED} subschemas to one value`;
  }
  return depth > LIMITS.SCHEMA_CHAIN
    ? `applies subschemas to one value in a chain of more than ${LIMITS.SCHEMA_CHAIN}`
    : null;
}
