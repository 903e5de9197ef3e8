// The form of an answer: what was wrong with the one before, a control for each field of the schema, the button.
import type { InputError } from "../../contract/problem.ts";
import type { FormField } from "../../core/schemas/form-fields.ts";
import { type Control, controlHtml, isDecision } from "./controls.ts";
import { isolated } from "./html.ts";

/** What was entered before, and what was wrong with it; neither at first. */
export interface Entered {
  /** Texts by the names of fields (`fieldName`), as they were sent. */
  values?: Readonly<Record<string, string>> | undefined;
  /** As `dataFaults` gives them: each detail goes on from the name of its place. */
  faults?: readonly InputError[] | undefined;
}

/**
 * The control's name of the field that is the whole answer, whose own name is empty: a browser sends no control without
 * a name. Every other name is a pointer and so begins with a slash.
 */
const WHOLE = "data";

/** The name of the field whose control sends this name. */
export function fieldName(controlName: string): string {
  return controlName === WHOLE ? "" : controlName;
}

/** Everything within the form element. */
export function formHtml(fields: readonly FormField[], { values, faults = [] }: Entered): string {
  const controls = controlsOf(fields, values, true, "f");
  const all = controls.flatMap((control) => [control, ...control.parts]);
  const found = faults.map((fault) => foundAt(fault, ownerOf(fault.pointer, all)));
  for (const { detail, control } of found) control?.faults.push(detail);
  const isDecided = controls.length === 1 && controls.every(isDecision);
  // A decision's own buttons only where nothing else can be entered: Enter in a text would press the first of them.
  const parts = controls.map((control) => controlHtml(control, isDecided)).join("");
  const button = isDecided ? "" : `<button>${fields.length === 0 ? "Confirm" : "Send answer"}</button>`;
  return summaryHtml(found) + parts + button;
}

/** @param isNeeded the fields are of the answer itself or of a required group: what they require must be filled in */
function controlsOf(
  fields: readonly FormField[],
  values: Entered["values"],
  isNeeded: boolean,
  id: string,
): Control[] {
  return fields.map((field, at) => ({
    field,
    name: field.name === "" ? WHOLE : field.name,
    id: `${id}${at}`,
    value: values === undefined ? field.initial : (values[field.name] ?? ""),
    // Without lines, the list is an empty one.
    isNeeded: isNeeded && field.required && !field.nullable && field.kind !== "lines",
    faults: [],
    parts: controlsOf(field.fields, values, isNeeded && field.required, `${id}${at}-`),
  }));
}

/** The innermost control whose value holds the place; none for a fault of the answer as a whole. */
function ownerOf(pointer: string, controls: readonly Control[]): Control | undefined {
  return controls
    .filter(({ field: { name } }) => pointer === name || pointer.startsWith(`${name}/`))
    .toSorted((a, b) => b.field.name.length - a.field.name.length)[0];
}

interface Found {
  /** None for a fault of the answer as a whole. */
  control: Control | undefined;
  /** What goes on from the control's label. */
  detail: string;
}

/** A fault in words that name the place within the control, if it is not all of it. */
function foundAt({ pointer, detail }: InputError, control: Control | undefined): Found {
  if (control === undefined) return { control, detail: `${pointer || "The answer"} ${detail}` };
  const rest = pointer.slice(control.field.name.length + 1);
  if (rest === "") return { control, detail };
  const place = control.field.kind === "lines" ? `line ${Number(rest) + 1}` : rest;
  return { control, detail: `${place} ${detail}` };
}

/** Has the focus when the page opens: a screen reader begins with it, and its links lead to the fields. */
function summaryHtml(found: readonly Found[]): string {
  if (found.length === 0) return "";
  const items = found.map(({ detail, control }) =>
    control === undefined
      ? `<li>${isolated(detail)}</li>`
      : `<li><a href="#${control.id}">${isolated(control.field.label)} ${isolated(detail)}</a></li>`,
  );
  return `<div class="faults" role="alert" tabindex="-1" autofocus aria-labelledby="faults"><h2 id="faults">Your answer was not taken</h2>
<p>Please correct this and send it again:</p><ul>${items.join("")}</ul></div>`;
}
