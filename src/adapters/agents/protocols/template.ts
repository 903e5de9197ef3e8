// Templates of what is sent to agents of other protocols: `{{path.to.value}}` is that value of the call.
import type { JsonObject } from "../../../contract/json.ts";
import { isObject } from "../../../core/json/json.ts";
import type { AgentRequest } from "../../../engine/ports.ts";

type Call = AgentRequest["call"];

const PLACE = /\{\{\s*([^{}\s]+)\s*\}\}/g;
const ONLY_PLACE = /^\{\{\s*([^{}\s]+)\s*\}\}$/;

/** The text with its places filled: strings as they are, other values as JSON, and nothing where there is no value. */
export function filledText(template: string, call: Call): string {
  const roots = rootsOf(call);
  return template.replace(PLACE, (_, path: string) => textOf(valueAt(roots, path)));
}

/** The object with its texts filled. A text that is one place alone becomes its value, of any type. */
export function filledObject(template: JsonObject, call: Call): JsonObject {
  const roots = rootsOf(call);
  const filled = (value: unknown): unknown => {
    if (typeof value === "string") {
      const only = ONLY_PLACE.exec(value)?.[1];
      if (only !== undefined) return valueAt(roots, only) ?? null;
      return value.replace(PLACE, (_, path: string) => textOf(valueAt(roots, path)));
    }
    if (Array.isArray(value)) return value.map(filled);
    return isObject(value) ? members(value) : value;
  };
  const members = (object: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, filled(value)]));
  return members(template);
}

/** The prompt of a call without a template: the query, and what its dependencies have made, as JSON. */
export function defaultPrompt({ query, input, inputs }: Call): string {
  const given = input ?? Object.fromEntries(Object.entries(inputs).filter(([, data]) => data !== null));
  return Object.keys(given).length === 0 ? query : `${query}\n\n${JSON.stringify(given)}`;
}

function rootsOf(call: Call): JsonObject {
  const { query, input, inputs, context, config, history, conversation_id, execution_id } = call;
  return { query, input, inputs, context, config, history, conversation_id, execution_id };
}

/** The value at a path of names and list indices; undefined where there is none. */
function valueAt(roots: JsonObject, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) return undefined;
    return (value as Readonly<Record<string, unknown>>)[name];
  }, roots);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}
