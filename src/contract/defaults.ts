// The defaults of a schema, for values that were stored by a version that did not have the key yet. Nothing is
// checked and nothing is taken away: what is there stays as it was stored, also where this version would refuse it.
import * as z from "./zod.ts";

type Schema = z.core.$ZodType;
/** Gives the value itself where it lacks nothing. */
type Fill = (value: unknown) => unknown;

/** Null: no default in it. A schema that contains itself is null while it is read. */
const known = new Map<Schema, Fill | null>();

/** The value with the schema's default for each key that it lacks, at every depth. */
export function withDefaults<T extends Schema>(schema: T, value: unknown): z.infer<T> {
  const fill = fillOf(schema);
  return (fill === null ? value : fill(value)) as z.infer<T>;
}

function fillOf(schema: Schema): Fill | null {
  const found = known.get(schema);
  if (found !== undefined) return found;
  known.set(schema, null);
  const fill = made(schema as z.core.$ZodTypes);
  known.set(schema, fill);
  return fill;
}

function made(schema: z.core.$ZodTypes): Fill | null {
  const { def } = schema._zod;
  switch (def.type) {
    case "default": {
      const inner = fillOf(def.innerType);
      return (value) => {
        if (value === undefined) return structuredClone(def.defaultValue);
        return inner === null ? value : inner(value);
      };
    }
    case "optional":
    case "nullable":
      return fillOf(def.innerType);
    case "lazy":
      return fillOf(def.getter());
    case "object":
      return fillKeys(Object.entries(def.shape));
    case "array":
      return fillEach(fillOf(def.element));
    case "record":
      return fillEach(fillOf(def.valueType));
    case "union":
      return fillOption(def.options);
    default:
      return null;
  }
}

function fillKeys(shape: [string, Schema][]): Fill | null {
  const fills = shape.flatMap(([key, field]) => {
    const fill = fillOf(field);
    return fill === null ? [] : [[key, fill] as const];
  });
  if (fills.length === 0) return null;
  return (value) => {
    if (!isObject(value)) return value;
    let filled = value;
    for (const [key, fill] of fills) filled = withKey(filled, key, fill);
    return filled;
  };
}

function fillEach(fill: Fill | null): Fill | null {
  if (fill === null) return null;
  return (value) => {
    if (Array.isArray(value)) {
      const filled: unknown[] = value.map(fill);
      return filled.every((item, at) => item === value[at]) ? value : filled;
    }
    if (!isObject(value)) return value;
    let filled = value;
    for (const key of Object.keys(value)) filled = withKey(filled, key, fill);
    return filled;
  };
}

/** The first option whose own keys and literals the value has. */
function fillOption(options: readonly Schema[]): Fill | null {
  const fills = options.map((option) => [option, fillOf(option)] as const);
  if (fills.every(([, fill]) => fill === null)) return null;
  return (value) => {
    const fill = fills.find(([option]) => fits(option as z.core.$ZodTypes, value))?.[1] ?? null;
    return fill === null ? value : fill(value);
  };
}

function fits(schema: z.core.$ZodTypes, value: unknown): boolean {
  const { def } = schema._zod;
  if (def.type !== "object" || !isObject(value)) return false;
  return Object.entries(def.shape).every(([key, field]) => {
    const inner = (field as z.core.$ZodTypes)._zod.def;
    if (inner.type === "optional" || inner.type === "default") return true;
    if (inner.type === "literal") return inner.values.includes(value[key] as z.core.util.Literal);
    return Object.hasOwn(value, key);
  });
}

/** A copy with what was filled in under the key; the object itself where nothing was. */
function withKey(value: Record<string, unknown>, key: string, fill: Fill): Record<string, unknown> {
  // An own key alone: `constructor` is a name like any other.
  const before = Object.hasOwn(value, key) ? value[key] : undefined;
  const after = fill(before);
  return after === before ? value : { ...value, [key]: after };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
