// The controls of a form that is made from a JSON Schema. Each field has its label, its description and its faults
// beside it; what it sends is a text, which read-form.ts of the core reads.
import type { ComponentChildren } from "preact";
import type { InputError } from "../../contract/problem.ts";
import type { FormField } from "../../core/schemas/form-fields.ts";

export interface FieldsProps {
  fields: readonly FormField[];
  /** Before the ids of its controls. */
  id: string;
  /** By the fields' names. */
  texts: ReadonlyMap<string, string>;
  faults: readonly InputError[];
  onText: (name: string, text: string) => void;
}

export function Fields({ fields, ...rest }: FieldsProps) {
  return (
    <>
      {fields.map((field) =>
        field.kind === "group" ? (
          <Group key={field.name} field={field} {...rest} />
        ) : (
          <Field key={field.name} field={field} {...rest} />
        ),
      )}
    </>
  );
}

type FieldProps = Omit<FieldsProps, "fields"> & { field: FormField };

function Group({ field, ...rest }: FieldProps) {
  return (
    <fieldset class="form-group">
      <legend>{field.label}</legend>
      {field.description !== null && <p class="quiet small">{field.description}</p>}
      <Fields fields={field.fields} {...rest} />
    </fieldset>
  );
}

function Field({ field, id, texts, faults, onText }: FieldProps) {
  const { name, label, kind, required, description } = field;
  const own = faultsOf(field, faults);
  const control = `${id}-field${name}`;
  const common = {
    id: control,
    "aria-invalid": own.length > 0,
    "aria-describedby": `${control}-help ${control}-faults`,
  };
  const text = texts.get(name) ?? field.initial;
  const words = (
    <>
      {label}
      {!required && <span class="quiet"> (optional)</span>}
    </>
  );
  const change = (next: string) => onText(name, next);
  return (
    <div class="field">
      {kind === "boolean" ? (
        <YesOrNo field={field} label={words} text={text} common={common} onText={change} />
      ) : (
        <>
          <label for={control}>{words}</label>
          <Control field={field} text={text} common={common} onText={change} />
        </>
      )}
      <p id={`${control}-help`} class="quiet small">
        {description ?? helpOf(field)}
      </p>
      <p id={`${control}-faults`} class="bad small" aria-live="polite">
        {own.map(({ detail }) => detail).join("; ")}
      </p>
    </div>
  );
}

interface ControlProps {
  field: FormField;
  text: string;
  common: { id: string; "aria-invalid": boolean; "aria-describedby": string };
  onText: (text: string) => void;
}

function Control({ field, text, common, onText }: ControlProps) {
  const { kind, required, limits, options } = field;
  const typed = {
    ...common,
    value: text,
    onInput: (event: { currentTarget: { value: string } }) => onText(event.currentTarget.value),
  };
  if (kind === "choice") {
    return (
      <select {...common} value={text} onChange={(event) => onText(event.currentTarget.value)}>
        <option value="">{required ? "Choose one" : "none"}</option>
        {options.map(({ key, label }) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </select>
    );
  }
  if (kind === "multiline" || kind === "lines" || kind === "json") {
    return (
      <textarea
        {...typed}
        rows={kind === "json" ? 4 : 3}
        class={kind === "json" ? "mono" : ""}
        spellcheck={kind !== "json"}
      />
    );
  }
  if (limits.format === "date") return <input {...typed} type="date" />;
  return <input {...typed} type="text" inputMode={keyboardOf(field)} autocomplete="off" />;
}

/** Nothing is chosen at first: a decision that is left open is no answer. */
function YesOrNo({ field, label, text, common, onText }: ControlProps & { label: ComponentChildren }) {
  const choices = [
    { key: "true", words: "Yes" },
    { key: "false", words: "No" },
    ...(field.required ? [] : [{ key: "", words: "No answer" }]),
  ];
  return (
    <div {...common} role="radiogroup" aria-labelledby={`${common.id}-label`} aria-required={field.required}>
      <span id={`${common.id}-label`} class="field-label">
        {label}
      </span>
      <div class="choices">
        {choices.map(({ key, words }) => (
          <label key={key}>
            <input
              type="radio"
              name={common.id}
              value={key}
              checked={text === key}
              onChange={() => onText(key)}
            />
            {words}
          </label>
        ))}
      </div>
    </div>
  );
}

/** What a phone offers to type with. */
function keyboardOf({ kind, limits }: FormField): "numeric" | "decimal" | "email" | "url" | "text" {
  if (kind === "integer") return "numeric";
  if (kind === "number") return "decimal";
  if (limits.format === "email") return "email";
  return limits.format === "uri" ? "url" : "text";
}

/** How a field is filled in, where its label does not say it. */
function helpOf({ kind, limits }: FormField): string {
  const { minimum, maximum } = limits;
  if (kind === "lines") return "One entry a line.";
  if (kind === "json") return "As JSON.";
  if (minimum !== null && maximum !== null) return `From ${minimum} to ${maximum}.`;
  if (minimum !== null) return `At least ${minimum}.`;
  return maximum === null ? "" : `At most ${maximum}.`;
}

/** The faults of a field's value, and of what is in it. */
function faultsOf({ name }: FormField, faults: readonly InputError[]): readonly InputError[] {
  return faults.filter(({ pointer }) => pointer === name || pointer.startsWith(`${name}/`));
}

/** The faults that no field shows. */
export function faultsBeside(
  fields: readonly FormField[],
  faults: readonly InputError[],
): readonly InputError[] {
  const shown = new Set(
    fields
      .flatMap((field) => (field.kind === "group" ? field.fields : [field]))
      .flatMap((field) => faultsOf(field, faults)),
  );
  return faults.filter((fault) => !shown.has(fault));
}
