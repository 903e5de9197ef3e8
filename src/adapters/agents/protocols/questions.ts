// The schema of the answer to what an agent of another protocol asks.
import type { JsonObject } from "../../../contract/json.ts";
import { schemaFaults } from "../../../core/schemas/schema-faults.ts";
import { membersOf } from "./members.ts";

/** Null for none, and for one with words that are not known here: any answer is taken then. */
export function usableSchema(given: unknown): JsonObject | null {
  const schema = membersOf(given);
  return Object.keys(schema).length === 0 || schemaFaults(schema).length > 0 ? null : { ...schema };
}

/** Of the answers to several questions in one object. */
export function schemaOfMembers(members: readonly (readonly [string, JsonObject | null])[]): JsonObject {
  return {
    type: "object",
    properties: Object.fromEntries(members.map(([name, schema]) => [name, schema ?? {}])),
    required: members.map(([name]) => name),
  };
}
