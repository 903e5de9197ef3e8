// The data of a form that was filled in, from the names and texts that a browser sends for it. What cannot be read is a
// fault of its field; whether the data satisfy the schema is for `dataFaults` to say.
import { LIMITS } from "../../contract/limits.ts";
import type { InputError } from "../../contract/problem.ts";
import { readJson } from "../json/json.ts";
import type { FormField } from "./form-fields.ts";
import { shown } from "./words.ts";

export interface FormData {
  /** An object, or what the JSON field of the whole says; undefined where that one has a fault. */
  data: unknown;
  /** By the names of the fields, which are pointers into the data. */
  faults: InputError[];
}

/** What a field gives: a value, nothing (the property is left out), or a fault. */
type Reading = { value: unknown } | { fault: string } | null;

/**
 * Reads what was sent for the fields. Names that are none of theirs are passed over; of several texts under one name
 * the last counts (a checkbox after a hidden field).
 * @param form as URLSearchParams and FormData give it
 */
export function readForm(fields: readonly FormField[], form: Iterable<readonly [string, string]>): FormData {
  const texts = new Map<string, string>();
  // A browser ends lines with both characters.
  for (const [name, text] of form) texts.set(name, text.replaceAll("\r\n", "\n"));
  const faults: InputError[] = [];
  const [whole] = fields;
  if (whole !== undefined && whole.path.length === 0)
    return { data: valueOf(whole, texts, faults)?.value, faults };
  return { data: membersOf(fields, texts, faults), faults };
}

/** Made of entries: a property by the name of `__proto__` is a property. */
function membersOf(
  fields: readonly FormField[],
  texts: ReadonlyMap<string, string>,
  faults: InputError[],
): Record<string, unknown> {
  const members: [string, unknown][] = [];
  for (const field of fields) {
    const read = valueOf(field, texts, faults);
    if (read !== null) members.push([field.path.at(-1) ?? "", read.value]);
  }
  return Object.fromEntries(members);
}

function valueOf(
  field: FormField,
  texts: ReadonlyMap<string, string>,
  faults: InputError[],
): { value: unknown } | null {
  if (field.kind === "group") {
    const value = membersOf(field.fields, texts, faults);
    return field.required || Object.keys(value).length > 0 ? { value } : null;
  }
  const read = readField(field, texts.get(field.name) ?? "");
  if (read === null || "value" in read) return read;
  faults.push({ pointer: field.name, detail: read.fault });
  return null;
}

function readField(field: FormField, text: string): Reading {
  if (text.trim() === "" && (text === "" || !isText(field))) return emptyValue(field);
  switch (field.kind) {
    case "text":
    case "multiline":
      return { value: text };
    case "number":
    case "integer":
      return readNumber(field.kind, text.trim());
    case "boolean":
      if (text === "on" || text === "true") return { value: true };
      return text === "false" ? { value: false } : { fault: `must be true or false, not ${shown(text)}` };
    case "choice": {
      const option = field.options.find(({ key }) => key === text);
      return option === undefined
        ? { fault: `${shown(text)} is none of the options` }
        : { value: option.value };
    }
    case "lines":
      return { value: text.split("\n").filter((line) => line.trim() !== "") };
    case "json":
      return readValue(field, text);
    case "group":
      return null;
  }
}

function isText({ kind }: FormField): boolean {
  return kind === "text" || kind === "multiline";
}

/**
 * What a field gives that was left empty: never a yes or no. A value that is missing where it is required is the
 * schema's fault to find.
 */
function emptyValue(field: FormField): Reading {
  if (!field.required) return null;
  if (field.nullable) return { value: null };
  if (isText(field)) return { value: "" };
  return field.kind === "lines" ? { value: [] } : null;
}

/** As JSON writes numbers: a comma for a point would be another number to somebody else. */
function readNumber(kind: "number" | "integer", text: string): Reading {
  const read = readJson(text);
  const value = read.ok ? read.value : null;
  const isWhole = typeof value === "bigint" || Number.isInteger(value);
  if (isWhole || (kind === "number" && typeof value === "number")) return { value };
  return { fault: `must be ${kind === "integer" ? "an integer" : "a number"}, not ${shown(text)}` };
}

/** In the data, the value is as deep as its field's path and the answer around it. */
function readValue(field: FormField, text: string): Reading {
  const read = readJson(text, LIMITS.JSON_DEPTH - field.path.length - 1);
  if (read.ok) return { value: read.value };
  const { pointer, detail } = read.error;
  return { fault: pointer === "" ? detail : `${shown(pointer)} ${detail}` };
}
