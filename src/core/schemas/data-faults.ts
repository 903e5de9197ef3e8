// Why data do not satisfy a schema: the deepest causes alone, each a pointer into the data and one sentence that goes on
// from it (`/approved is required`). A check has a budget: one that would take longer ends as a fault.
import { LIMITS } from "../../contract/limits.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { InputError } from "../../contract/problem.ts";
import { apply, type Node } from "./checks/check.ts";
import { compileSchema } from "./compile.ts";
import { CheckStopped, Run } from "./run.ts";
import { schemaFaults } from "./schema-faults.ts";

/** Compiled schemas by the JSON that they are of, which is not changed once it is read; a text for one with faults. */
const compiled = new WeakMap<JsonObject, Node | string>();

/**
 * What is wrong with the data, at most LIMITS.ERRORS faults; none where they satisfy the schema. Against a schema that
 * has faults itself, no data are right.
 * @param data JSON as `readJson` gives it
 */
export function dataFaults(
  schema: JsonObject,
  data: unknown,
  steps: number = LIMITS.SCHEMA_STEPS,
): InputError[] {
  let known = compiled.get(schema);
  if (known === undefined) {
    const [fault] = schemaFaults(schema);
    known =
      fault === undefined
        ? compileSchema(schema)
        : `cannot be checked: its schema's ${fault.pointer} ${fault.detail}`;
    compiled.set(schema, known);
  }
  if (typeof known === "string") return [{ pointer: "", detail: known }];
  const run = new Run(steps);
  try {
    if (apply(known, data, null, run, null)) return [];
  } catch (cause) {
    if (!(cause instanceof CheckStopped)) throw cause;
    return [{ pointer: "", detail: cause.message }];
  }
  return distinct(run.found);
}

/** Two subschemas may find the same. */
function distinct(faults: readonly InputError[]): InputError[] {
  return [...new Map(faults.map((fault) => [`${fault.pointer} ${fault.detail}`, fault])).values()];
}
