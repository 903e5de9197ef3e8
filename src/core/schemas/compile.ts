// A schema as checks: each keyword becomes one function of a value. Schemas are compiled only once they have no faults,
// and a compiled one belongs to its JSON.
import { LIMITS } from "../../contract/limits.ts";
import type { JsonObject } from "../../contract/json.ts";
import { joinPointer } from "../json/exact-integer.ts";
import { isSchemaObject, SchemaDocument } from "./document.ts";
import { applicatorChecks } from "./checks/applicators.ts";
import type { Check, CompileScope, Node } from "./checks/check.ts";
import { memberChecks } from "./checks/members.ts";
import { valueChecks } from "./checks/values.ts";
import { compilePattern, type Pattern } from "./pattern.ts";

/** The checks of a schema without faults. */
export function compileSchema(schema: JsonObject): Node {
  const document = new SchemaDocument(schema);
  const nodes = new Map<string, Node>();
  const patterns = new Map<string, Pattern>();

  const nodeAt = (pointer: string): Node => {
    const known = nodes.get(pointer);
    if (known !== undefined) return known;
    const checks: Check[] = [];
    const schema = document.schemas.get(pointer);
    const node: Node = { checks, watches: isSchemaObject(schema) && watches(schema) };
    // Before its checks are made: references may lead back to it.
    nodes.set(pointer, node);
    if (schema === false) checks.push((_value, place, run) => run.fault(place, () => "is not allowed"));
    if (isSchemaObject(schema)) checks.push(...checksOf(schema, scopeAt(pointer)));
    return node;
  };
  const scopeAt = (pointer: string): CompileScope => ({
    node: (keyword, key) => {
      const at = joinPointer(pointer, keyword);
      return nodeAt(key === undefined ? at : joinPointer(at, `${key}`));
    },
    target: (reference) => nodeAt(document.target(reference) as string),
    pattern: (source) => {
      const pattern = patterns.get(source) ?? compilePattern(source, LIMITS.SCHEMA_PATTERN_CHARS);
      patterns.set(source, pattern);
      return pattern;
    },
  });
  return nodeAt("");
}

/** Values of the wrong type first; `unevaluated…` last, since it asks what all others have evaluated. */
function checksOf(schema: JsonObject, scope: CompileScope): Check[] {
  const { inPlace, unevaluated } = applicatorChecks(schema, scope);
  return [...valueChecks(schema, scope), ...memberChecks(schema, scope), ...inPlace, ...unevaluated];
}

function watches(schema: JsonObject): boolean {
  return schema.unevaluatedProperties !== undefined || schema.unevaluatedItems !== undefined;
}
