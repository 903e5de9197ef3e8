// A schema as a document: where its subschemas are, what their names (`$anchor`) and references mean. References lead
// to subschemas of the same document alone, and there is no other base, so a `$dynamicRef` is a `$ref`.
import type { JsonObject } from "../../contract/json.ts";
import { joinPointer } from "../json/exact-integer.ts";

/** What a keyword's value is. Keywords that are in none of the lists are annotations, and say nothing about data. */
export const KEYWORDS = {
  /** One schema. */
  schema: [
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "items",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
  ],
  /** A list of schemas. */
  list: ["allOf", "anyOf", "oneOf", "prefixItems"],
  /** Schemas by name. */
  map: ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"],
} as const;

/** Those whose subschemas apply to the same value as the schema does. */
const IN_PLACE: ReadonlySet<string> = new Set([
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "if",
  "then",
  "else",
  "dependentSchemas",
]);

const REFERENCES = ["$ref", "$dynamicRef"] as const;
const ANCHORS = ["$anchor", "$dynamicAnchor"] as const;

interface SubSchema {
  /** Within the schema that has it. */
  keyword: string;
  pointer: string;
  schema: unknown;
}

/** The subschemas that a schema has itself. Values of the wrong type have none. */
function subSchemas(schema: JsonObject, pointer: string): SubSchema[] {
  const found: SubSchema[] = [];
  const add = (keyword: string, at: string, schema: unknown) => found.push({ keyword, pointer: at, schema });
  for (const keyword of KEYWORDS.schema) {
    if (Object.hasOwn(schema, keyword)) add(keyword, joinPointer(pointer, keyword), schema[keyword]);
  }
  for (const keyword of [...KEYWORDS.list, ...KEYWORDS.map]) {
    const value = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
    const isList = (KEYWORDS.list as readonly string[]).includes(keyword);
    if (typeof value !== "object" || value === null || Array.isArray(value) !== isList) continue;
    const at = joinPointer(pointer, keyword);
    for (const [key, child] of Object.entries(value)) add(keyword, joinPointer(at, key), child);
  }
  return found;
}

export class SchemaDocument {
  /** By pointer. */
  readonly schemas = new Map<string, unknown>();
  /** Pointers by name. */
  private readonly anchors = new Map<string, string>();
  /** The second place of a name that is given twice. */
  readonly repeatedAnchors: string[] = [];

  constructor(root: unknown) {
    const stack: { pointer: string; schema: unknown }[] = [{ pointer: "", schema: root }];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      this.schemas.set(at.pointer, at.schema);
      if (!isSchemaObject(at.schema)) continue;
      for (const keyword of ANCHORS) {
        const name = at.schema[keyword];
        if (typeof name !== "string") continue;
        if (this.anchors.has(name)) this.repeatedAnchors.push(joinPointer(at.pointer, keyword));
        else this.anchors.set(name, at.pointer);
      }
      stack.push(...subSchemas(at.schema, at.pointer).toReversed());
    }
  }

  /** The pointer of the subschema that a reference means, or null where it means none. */
  target(reference: string): string | null {
    if (!reference.startsWith("#")) return null;
    let fragment: string;
    try {
      fragment = decodeURIComponent(reference.slice(1));
    } catch {
      return null;
    }
    const pointer = fragment === "" || fragment.startsWith("/") ? fragment : this.anchors.get(fragment);
    return pointer !== undefined && this.schemas.has(pointer) ? pointer : null;
  }

  /** What applies to the same value as the schema at `pointer`: from which place, and the subschema's pointer. */
  inPlace(pointer: string): { from: string; to: string }[] {
    const schema = this.schemas.get(pointer);
    if (!isSchemaObject(schema)) return [];
    const children = subSchemas(schema, pointer)
      .filter(({ keyword }) => IN_PLACE.has(keyword))
      .map((child) => ({ from: child.pointer, to: child.pointer }));
    for (const keyword of REFERENCES) {
      const reference = schema[keyword];
      const to = typeof reference === "string" ? this.target(reference) : null;
      if (to !== null) children.push({ from: joinPointer(pointer, keyword), to });
    }
    return children;
  }
}

export function isSchemaObject(schema: unknown): schema is JsonObject {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema);
}
