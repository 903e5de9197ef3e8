// Fields of a form, as a schema gives them.
import type { FieldLimits, FormField } from "../../../src/core/schemas/form-fields.ts";

const NO_LIMITS: FieldLimits = {
  minimum: null,
  maximum: null,
  minLength: null,
  maxLength: null,
  pattern: null,
  format: null,
};

type More = Omit<Partial<FormField>, "limits"> & { limits?: Partial<FieldLimits> };

/** A required field, unless `more` says otherwise; its label is the last part of its name. */
export function field(kind: FormField["kind"], name: string, more: More = {}): FormField {
  const path = name.split("/").slice(1);
  return {
    kind,
    name,
    path,
    label: path.at(-1) ?? "Answer",
    description: null,
    required: true,
    nullable: false,
    initial: "",
    options: [],
    fields: [],
    ...more,
    limits: { ...NO_LIMITS, ...more.limits },
  };
}

/** Values of a choice. */
export function options(...values: readonly unknown[]): FormField["options"] {
  return values.map((value) => ({ key: JSON.stringify(value), label: String(value), value }));
}
