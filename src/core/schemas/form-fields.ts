// The fields of a form that asks for data of a JSON Schema: the model from which the HTML form of a wait and the
// console's form are made. It only shows and reads; whether the data are right is for `dataFaults` to say. What comes
// of a form that was filled in is read by read-form.ts.
import type { JsonObject } from "../../contract/json.ts";
import { RESERVED_KEYS } from "../../contract/names.ts";
import { joinPointer } from "../json/exact-integer.ts";
import { isSchemaObject, SchemaDocument } from "./document.ts";
import { clipped } from "./words.ts";

/**
 * What a field is shown as, and what is sent under its name:
 *
 * | kind | control | sent |
 * |---|---|---|
 * | `text` | one line | the text |
 * | `multiline` | a text area: `format: "textarea"`, or a `maxLength` over 200 | the text |
 * | `number`, `integer` | a number | a JSON number |
 * | `boolean` | yes and no, with nothing chosen: left open, it is no answer | `true` or `on`; `false` |
 * | `choice` | one of `options` | the option's `key`; an empty text for none |
 * | `lines` | a text area: a list of texts | one text a line |
 * | `json` | a text area: a value of any other type | JSON |
 * | `group` | the fields of an object, together | – |
 */
export type FieldKind =
  | "text"
  | "multiline"
  | "number"
  | "integer"
  | "boolean"
  | "choice"
  | "lines"
  | "json"
  | "group";

/** One value of a choice. */
interface FieldOption {
  /** What the form sends for it: the value's JSON. */
  key: string;
  label: string;
  value: unknown;
}

/** Hints for the control, as the schema has them; what is null is not bounded. */
export interface FieldLimits {
  /** Of a number, inclusive. */
  minimum: number | null;
  maximum: number | null;
  /** Of a text, in characters. */
  minLength: number | null;
  maxLength: number | null;
  pattern: string | null;
  format: string | null;
}

export interface FormField {
  kind: FieldKind;
  /** The control's name: the JSON pointer of the value in the data (`/address/city`), "" for the whole. */
  name: string;
  path: readonly string[];
  /** The schema's title, else the property's name. */
  label: string;
  description: string | null;
  /** False for a field of a group that is not required itself: an empty group is left out. */
  required: boolean;
  /** Null is a value of it: what a required field that is left empty gives. */
  nullable: boolean;
  /** What the control shows at first, as it would be sent: the schema's `default`, else an empty text. */
  initial: string;
  limits: FieldLimits;
  /** Of a choice alone. */
  options: readonly FieldOption[];
  /** Of a group alone; none of them is a group. */
  fields: readonly FormField[];
}

/** A text with more characters than this has more than one line. */
const LINE_CHARS = 200;
/** References that are followed to a property's schema. */
const MOST_REFERENCES = 16;

const TEXTAREA = "textarea";

/**
 * The fields of a form that asks for data of a schema: one for each property of an object, groups for objects in it,
 * JSON for what is neither a plain value nor a list of texts. A schema that is no object of properties is one JSON field.
 * @param schema one without faults
 */
export function formFields(schema: JsonObject): FormField[] {
  const document = new SchemaDocument(schema);
  const { schema: root } = resolved(document, schema);
  if (!isGroup(root)) {
    const whole = fieldOf(document, schema, { path: [], isRequired: true, initial: undefined });
    return [
      {
        ...whole,
        kind: "json",
        label: textOf(schema.title) ?? "Data",
        initial: fieldText("json", schema.default),
      },
    ];
  }
  return propertyFields(document, root, { path: [], isRequired: true, initial: root.default });
}

/**
 * The text of a value as a field shows and sends it, which `readForm` reads again; an empty one for a value that such a
 * field cannot hold, and for none.
 */
export function fieldText(kind: FieldKind, value: unknown): string {
  if (value === undefined) return "";
  switch (kind) {
    case "text":
    case "multiline":
      return typeof value === "string" ? value : "";
    case "number":
    case "integer":
      return typeof value === "number" || typeof value === "bigint" ? JSON.stringify(value) : "";
    case "boolean":
      return typeof value === "boolean" ? `${value}` : "";
    case "choice":
      return JSON.stringify(value);
    case "lines":
      return Array.isArray(value) ? value.filter((line) => typeof line === "string").join("\n") : "";
    case "json":
      return JSON.stringify(value, null, 2);
    case "group":
      return "";
  }
}

interface Context {
  path: readonly string[];
  isRequired: boolean;
  /** Its value in the default of the object that it is a part of. */
  initial: unknown;
}

function propertyFields(
  document: SchemaDocument,
  schema: JsonObject,
  { path, isRequired, initial }: Context,
): FormField[] {
  const properties = (schema.properties ?? {}) as JsonObject;
  const required = (schema.required ?? []) as string[];
  // What is required must have a field, even where the schema says nothing else of it.
  const names = [...new Set([...Object.keys(properties), ...required])].filter(
    (name) => !RESERVED_KEYS.has(name),
  );
  return names.map((name) =>
    fieldOf(document, Object.hasOwn(properties, name) ? properties[name] : true, {
      path: [...path, name],
      isRequired: isRequired && required.includes(name),
      initial: isSchemaObject(initial) && Object.hasOwn(initial, name) ? initial[name] : undefined,
    }),
  );
}

function fieldOf(document: SchemaDocument, given: unknown, context: Context): FormField {
  const { schema, isNullable } = resolved(document, given);
  const { path, isRequired } = context;
  const initial = schema.default ?? context.initial;
  const options = optionsOf(document, schema);
  const kind = kindOf(document, schema, options, path.length);
  const only = kind === "choice" && isRequired && options.length === 1 ? options[0]?.value : undefined;
  return {
    kind,
    name: path.reduce((pointer, key) => joinPointer(pointer, key), ""),
    path,
    label: textOf(schema.title) ?? path.at(-1) ?? "",
    description: textOf(schema.description),
    required: isRequired,
    nullable: isNullable || options.some(({ value }) => value === null),
    initial: fieldText(kind, initial ?? only),
    limits: limitsOf(schema, kind),
    options: kind === "choice" ? options.filter(({ value }) => value !== null) : [],
    fields: kind === "group" ? propertyFields(document, schema, { path, isRequired, initial }) : [],
  };
}

function kindOf(
  document: SchemaDocument,
  schema: JsonObject,
  options: readonly FieldOption[],
  depth: number,
): FieldKind {
  if (options.length > 0) return "choice";
  if (depth <= 1 && isGroup(schema)) return "group";
  switch (schema.type) {
    case "string": {
      const isLong = Number(schema.maxLength ?? 0) > LINE_CHARS;
      return isLong || schema.format === TEXTAREA ? "multiline" : "text";
    }
    case "number":
    case "integer":
    case "boolean":
      return schema.type;
    case "array": {
      const items = resolved(document, schema.items);
      return items.schema.type === "string" && !items.isNullable && schema.prefixItems === undefined
        ? "lines"
        : "json";
    }
    default:
      return "json";
  }
}

function isGroup({ type, properties }: JsonObject): boolean {
  return (
    (type === undefined || type === "object") &&
    isSchemaObject(properties) &&
    Object.keys(properties).length > 0
  );
}

/** The schema with its references followed, and without null among its types. Its own keywords go before. */
function resolved(document: SchemaDocument, given: unknown): { schema: JsonObject; isNullable: boolean } {
  let schema: JsonObject = isSchemaObject(given) ? given : {};
  let isNullable = false;
  for (let followed = 0; followed < MOST_REFERENCES; followed += 1) {
    const { $ref, allOf, anyOf, oneOf } = schema;
    const target = typeof $ref === "string" ? document.target($ref) : null;
    const alternatives = anyOf ?? oneOf;
    if (target !== null) schema = { ...objectAt(document.schemas.get(target)), ...without(schema, "$ref") };
    else if (Array.isArray(allOf) && allOf.length === 1)
      schema = { ...objectAt(allOf[0]), ...without(schema, "allOf") };
    else if (Array.isArray(alternatives) && alternatives.length === 2 && alternatives.some(isNull)) {
      isNullable = true;
      const other = objectAt(alternatives.find((alternative) => !isNull(alternative)));
      schema = { ...other, ...without(schema, anyOf === undefined ? "oneOf" : "anyOf") };
    } else break;
  }
  if (Array.isArray(schema.type) && schema.type.length === 2 && schema.type.includes("null")) {
    isNullable = true;
    schema = { ...schema, type: schema.type.find((type) => type !== "null") };
  }
  return { schema, isNullable };
}

function objectAt(schema: unknown): JsonObject {
  return isSchemaObject(schema) ? schema : {};
}

function without(schema: JsonObject, keyword: string): JsonObject {
  const { [keyword]: _, ...rest } = schema;
  return rest;
}

function isNull(schema: unknown): boolean {
  return isSchemaObject(schema) && schema.type === "null";
}

/** Of `enum`, `const`, or alternatives that are each one value with a title; none where the schema is no choice. */
function optionsOf(document: SchemaDocument, schema: JsonObject): FieldOption[] {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => optionOf(value, null));
  if (Object.hasOwn(schema, "const")) return [optionOf(schema.const, null)];
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(alternatives)) return [];
  const schemas = alternatives.map((alternative) => resolved(document, alternative).schema);
  if (!schemas.every((alternative) => Object.hasOwn(alternative, "const"))) return [];
  return schemas.map((alternative) => optionOf(alternative.const, textOf(alternative.title)));
}

function optionOf(value: unknown, title: string | null): FieldOption {
  const key = fieldText("choice", value);
  return { key, label: title ?? clipped(typeof value === "string" ? value : key), value };
}

function limitsOf(schema: JsonObject, kind: FieldKind): FieldLimits {
  const isNumber = kind === "number" || kind === "integer";
  const isText = kind === "text" || kind === "multiline";
  return {
    minimum: isNumber ? numberOf(schema.minimum) : null,
    maximum: isNumber ? numberOf(schema.maximum) : null,
    minLength: isText ? numberOf(schema.minLength) : null,
    maxLength: isText ? numberOf(schema.maxLength) : null,
    pattern: isText ? textOf(schema.pattern) : null,
    format: isText ? textOf(schema.format) : null,
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
