// One control of the form, with its label, its hints and its faults. The browser's own checks (`required`, `min`, …)
// help with filling in; the server judges. What a browser would do to an answer by itself is left out: `maxlength`
// cuts what is pasted, `pattern` reads another dialect than the schema.
import type { FormField } from "../../core/schemas/form-fields.ts";
import { escapeHtml, isolated } from "./html.ts";

export interface Control {
  field: FormField;
  name: string;
  /** Of the element that a link to the control leads to. */
  id: string;
  /** The text that it shows. */
  value: string;
  /** Whether the form may not be sent without it. */
  isNeeded: boolean;
  faults: string[];
  /** The controls of a group. */
  parts: Control[];
}

/** More options than this are a list that opens. */
const MOST_RADIOS = 5;

const YES_NO = [
  { key: "true", label: "Yes" },
  { key: "false", label: "No" },
];

type Choice = (typeof YES_NO)[number];

/** A question of yes or no, which two buttons can answer. */
export function isDecision({ field, isNeeded }: Control): boolean {
  return field.kind === "boolean" && isNeeded;
}

/** @param isDecided the control is the only one, and its buttons send the form */
export function controlHtml(control: Control, isDecided = false): string {
  const { field, isNeeded, parts } = control;
  if (isDecided) return fieldset(control, "buttons", buttons(control));
  switch (field.kind) {
    case "group":
      return fieldset(control, "group", parts.map((part) => controlHtml(part)).join(""));
    case "boolean":
      // Nothing is chosen beforehand: an answer that is only sent on says neither.
      return isNeeded
        ? fieldset(control, "radios", radios(control, YES_NO))
        : labelled(control, select(control, YES_NO));
    case "choice":
      return field.options.length > MOST_RADIOS
        ? labelled(control, select(control, field.options))
        : fieldset(control, "radios", radios(control, field.options));
    case "multiline":
    case "lines":
      return labelled(control, textarea(control, ""));
    case "json":
      return labelled(
        control,
        textarea(control, ' class="code" spellcheck="false" autocapitalize="none" autocomplete="off"'),
      );
    case "text":
      return labelled(control, input(control, textType(control)));
    case "number":
    case "integer":
      return labelled(control, input(control, numberType(control)));
  }
}

function labelled(control: Control, element: string): string {
  const { id } = control;
  return `<div class="field"><label for="${id}">${labelHtml(control)}</label>${notes(control)}${element}</div>`;
}

/** Elements that belong together, under one name. */
function fieldset(control: Control, kind: "radios" | "buttons" | "group", elements: string): string {
  // A link leads to the first radio or button, but to a group itself.
  const own = kind === "group" ? ` id="${control.id}" tabindex="-1"` : "";
  const role = kind === "radios" ? ` role="radiogroup"${invalid(control)}` : "";
  return `<fieldset class="field ${kind}"${own}${role}${described(control)}><legend>${labelHtml(control)}</legend>${notes(control)}${elements}</fieldset>`;
}

function labelHtml({ field }: Control): string {
  return isolated(field.label) + (field.required && !field.nullable ? "" : " (optional)");
}

function notes(control: Control): string {
  const { id, faults } = control;
  const hint = hintOf(control.field);
  return [
    hint === "" ? "" : `<span class="hint" id="${id}h" dir="auto">${escapeHtml(hint)}</span>`,
    faults.length === 0
      ? ""
      : `<span class="fault" id="${id}e">Error: ${faults.map(isolated).join("; ")}</span>`,
  ].join("");
}

function described({ field, id, faults }: Control): string {
  const ids = [hintOf(field) === "" ? "" : `${id}h`, faults.length === 0 ? "" : `${id}e`].filter(Boolean);
  return ids.length === 0 ? "" : ` aria-describedby="${ids.join(" ")}"`;
}

function invalid({ faults }: Control): string {
  return faults.length === 0 ? "" : ' aria-invalid="true"';
}

/** What is to be known before it is filled in: the author's words, then the bounds. */
function hintOf({ kind, description, limits }: FormField): string {
  const isNumber = kind === "number" || kind === "integer";
  const isText = kind === "text" || kind === "multiline";
  const [from, to] = isNumber ? [limits.minimum, limits.maximum] : [limits.minLength, limits.maxLength];
  const unit = isNumber ? "" : " characters";
  return [
    description ?? "",
    kind === "lines" ? "One per line." : "",
    kind === "json" ? 'Written as JSON, for example {"key": "value"}.' : "",
    kind === "integer" ? "A whole number." : "",
    isText && limits.format === "date-time" ? "For example 2026-01-31T09:30:00Z." : "",
    (isNumber || isText) && !(isText && (from ?? 0) <= 1 && to === null) ? boundsOf(from, to, unit) : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function boundsOf(from: number | null, to: number | null, unit: string): string {
  if (from !== null && to !== null) return `From ${from} to ${to}${unit}.`;
  if (from !== null) return `At least ${from}${unit}.`;
  return to === null ? "" : `At most ${to}${unit}.`;
}

/** What every element that takes a value has. */
function attributes(control: Control): string {
  const { id, name, isNeeded } = control;
  return ` id="${id}" name="${escapeHtml(name)}"${isNeeded ? " required" : ""}${invalid(control)}${described(control)}`;
}

function input(control: Control, type: string): string {
  return `<input${attributes(control)} ${type} value="${escapeHtml(control.value)}">`;
}

/** A kind of input that would not show the text that was entered is not chosen. */
function textType({ field, value }: Control): string {
  switch (field.limits.format) {
    case "date":
      return value === "" || /^\d{4}-\d\d-\d\d$/.test(value) ? 'type="date"' : 'type="text"';
    case "email":
      return 'type="email"';
    case "uri":
      return 'type="url"';
    default:
      return 'type="text"';
  }
}

function numberType({ field, value }: Control): string {
  const { minimum, maximum } = field.limits;
  const isWhole = field.kind === "integer";
  // Some phones' digits come without a minus.
  const mode = minimum === null || minimum < 0 ? "" : ` inputmode="${isWhole ? "numeric" : "decimal"}"`;
  if (value !== "" && !/^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(value)) return `type="text"${mode}`;
  // Steps are counted from `min`, which for whole numbers is one itself.
  const min = minimum === null ? "" : ` min="${isWhole ? Math.ceil(minimum) : minimum}"`;
  const max = maximum === null ? "" : ` max="${maximum}"`;
  return `type="number" step="${isWhole ? "1" : "any"}"${mode}${min}${max}`;
}

function textarea(control: Control, more: string): string {
  // HTML takes one line break away from the beginning.
  return `<textarea${attributes(control)} rows="5"${more}>\n${escapeHtml(control.value)}</textarea>`;
}

function select(control: Control, options: readonly Choice[]): string {
  const none = { key: "", label: control.isNeeded ? "Choose one" : "No answer" };
  const items = [none, ...options].map(
    ({ key, label }) =>
      `<option value="${escapeHtml(key)}"${key === control.value ? " selected" : ""}>${escapeHtml(label)}</option>`,
  );
  return `<select${attributes(control)}>${items.join("")}</select>`;
}

function radios({ id, name, value, isNeeded }: Control, options: readonly Choice[]): string {
  const all = isNeeded ? options : [...options, { key: "", label: "No answer" }];
  const needed = isNeeded ? " required" : "";
  return all
    .map(({ key, label }, at) => {
      const first = at === 0 ? ` id="${id}"` : "";
      const checked = key === value ? " checked" : "";
      return `<label class="choice"><input type="radio"${first} name="${escapeHtml(name)}" value="${escapeHtml(key)}"${checked}${needed}>${isolated(label)}</label>`;
    })
    .join("");
}

function buttons({ id, name }: Control): string {
  const [yes, no] = YES_NO.map(
    ({ key, label }, at) =>
      `<button${at === 0 ? ` id="${id}"` : ""} name="${escapeHtml(name)}" value="${key}">${label}</button>`,
  );
  return `<p class="hint">Your choice is sent at once.</p><div class="two">${yes}${no}</div>`;
}
