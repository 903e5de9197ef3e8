// How values of data and schemas are shown in a sentence: as JSON, cut to a length that keeps the sentence one line.
import { cutText } from "../../contract/text.ts";

const VALUE_CHARS = 60;
/** Of a list of allowed values. */
const LISTED = 8;

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  integer: "an integer",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  null: "null",
};

/** A JSON type as a sentence names it. */
export function typeWord(type: string): string {
  return TYPES[type] ?? type;
}

/** A value: a list and an object by their size alone. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${counted(value.length, "item")}`;
  if (typeof value === "object" && value !== null) {
    return `an object of ${counted(Object.keys(value).length, "property", "properties")}`;
  }
  // Cut before it is written: a text of a megabyte is not quoted for its first line.
  if (typeof value === "string") return clipped(JSON.stringify(cutText(value, VALUE_CHARS * 2)));
  return clipped(JSON.stringify(value));
}

/** A value of the schema, with all of it that has room. */
export function written(value: unknown): string {
  return clipped(JSON.stringify(value));
}

export function anyOfThese(values: readonly unknown[]): string {
  const listed = values.slice(0, LISTED).map(written).join(", ");
  return values.length > LISTED ? `${listed} and ${values.length - LISTED} more` : listed;
}

export function counted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${count} ${Number(count) === 1 ? one : many}`;
}

export function clipped(text: string): string {
  return text.length <= VALUE_CHARS ? text : `${cutText(text, VALUE_CHARS - 1)}…`;
}
