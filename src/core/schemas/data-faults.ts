// Why data does not satisfy a JSON Schema.
import type { JsonObject } from "../../contract/json.ts";
import type { InputError } from "../../contract/problem.ts";

export function dataFaults(_schema: JsonObject, _data: unknown): InputError[] {
  return [];
}
