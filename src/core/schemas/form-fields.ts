// The fields of a form that asks for data of a JSON Schema: the model from which the HTML form of a wait and the
// console's form are made. It only shows and reads; whether the data are right is for `dataFaults` to say. What comes
// of a form that was filled in is read by read-form.ts.
import { RESERVED_KEYS } from "../../contract/names.ts";

/**
 * What a field is shown as, and what is sent under its name:
 *
 * | kind | control | sent |
 * |---|---|---|
 * | `text` | one line | the text |
 * | `multiline` | a text area: `format: "textarea"`, or a `maxLength` over 200 | the text |
 * | `number`, `integer` | a number | a JSON number |
 * | `boolean` | required: a checkbox; else a choice of nothing, yes and no | `on` or `true`; `false`; nothing or an empty text |
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
export interface FieldOption {
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
