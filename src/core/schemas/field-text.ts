// A value as a field of a form shows and sends it; read-form.ts reads it again.
import type { FieldKind } from "./form-fields.ts";

/** The text of a value under a field's name; an empty one for a value that such a field cannot hold, and for none. */
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
