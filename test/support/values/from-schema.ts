// Values from a JSON Schema, for fuzzing: mostly what the schema asks for, sometimes with one thing wrong.
import {
  type Arbitrary,
  array,
  boolean,
  constant,
  constantFrom,
  double,
  integer,
  jsonValue,
  oneof,
  record,
  string,
  tuple,
} from "fast-check";

// oxlint-disable-next-line typescript/no-explicit-any -- a JSON Schema is looked at as JSON.
export type Schema = any;

/** Things that have broken servers before. */
const NASTY: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  -0.5,
  2 ** 53,
  "",
  "\u0000",
  "\r\nx-evil: 1",
  "\n\ndata: x\n\n",
  "../..",
  "%00",
  "🌍".repeat(40),
  "\ud800",
  "<script>",
  "' OR 1=1 --",
  "{{7*7}}",
  [],
  {},
  [[]],
  { "": "" },
  { length: -1 },
  { toString: 1 },
  JSON.parse('{"then":1}'),
  "x".repeat(70_000),
  Array.from({ length: 300 }, () => 1),
];

/** A value that the schema describes, as far as these fields say. */
export function fits(schema: Schema, resolve: (ref: string) => Schema): Arbitrary<unknown> {
  if (schema.$ref !== undefined) return fits(resolve(schema.$ref), resolve);
  if (schema.const !== undefined) return constant(schema.const);
  if (schema.enum !== undefined) return constantFrom(...schema.enum);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return oneof(...either.map((one: Schema) => fits(one, resolve)));
  switch (schema.type) {
    case "string":
      return schema.pattern === undefined
        ? string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, 40) })
        : constantFrom("a", "stage-1", "rag", "nobody", "AGENTS", "secret:NAME", "/path", "x_y.z");
    case "integer":
      return integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 50, 1_000) });
    case "number":
      return double({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 50, 1_000), noNaN: true });
    case "boolean":
      return boolean();
    case "null":
      return constant(null);
    case "array":
      return array(fits(schema.items ?? {}, resolve), { minLength: schema.minItems ?? 0, maxLength: 3 });
    case "object": {
      const fields = Object.entries<Schema>(schema.properties ?? {}).map(([key, field]) => [
        key,
        fits(field, resolve),
      ]);
      const named = record(Object.fromEntries(fields), { requiredKeys: schema.required ?? [] });
      if (typeof schema.additionalProperties !== "object") return named;
      const extra = array(
        tuple(constantFrom("a", "stage-1", "x"), fits(schema.additionalProperties, resolve)),
        { maxLength: 2 },
      );
      return tuple(named, extra).map(([known, more]) => ({ ...known, ...Object.fromEntries(more) }));
    }
    default:
      return jsonValue({ maxDepth: 3 });
  }
}

/** A value with one place of it replaced, removed or added. */
export function spoiled(value: Arbitrary<unknown>): Arbitrary<unknown> {
  return tuple(value, constantFrom(...NASTY), integer({ min: 0, max: 1_000 })).map(([whole, nasty, pick]) =>
    spoil(whole, nasty, pick),
  );
}

function spoil(value: unknown, nasty: unknown, pick: number): unknown {
  if (value === null || typeof value !== "object" || pick % 7 === 0) return nasty;
  const keys = Object.keys(value);
  if (keys.length === 0 || pick % 7 === 1)
    return Array.isArray(value) ? [...value, nasty] : { ...value, unheard_of: nasty };
  const key = keys[pick % keys.length] as string;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[key] = spoil(copy[key], nasty, Math.floor(pick / 7));
  return copy;
}
