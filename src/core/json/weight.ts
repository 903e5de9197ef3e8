// The size of values: UTF-8 bytes of their JSON, wherever a limit counts bytes (a stage's result, memory_limit_mb).
import type { AgentAnswer } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";

const encoder = new TextEncoder();

export function utf8Bytes(text: string): number {
  return encoder.encode(text).byteLength;
}

/** UTF-8 bytes of a value's JSON; 0 for what JSON leaves out. */
export function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : utf8Bytes(JSON.stringify(value));
}

/** The size of an answer: its data, its context and its usage. */
export function answerBytes({ data, context, usage }: AgentAnswer): number {
  return jsonBytes(data) + jsonBytes(context) + jsonBytes(usage);
}

/** Bytes of the members of `context` that go when `patch` is laid over it: a key that is overwritten counts once. */
export function overwrittenBytes(context: JsonObject, patch: JsonObject | undefined): number {
  let bytes = 0;
  for (const key of Object.keys(patch ?? {})) {
    if (Object.hasOwn(context, key)) bytes += memberBytes(key, context[key]);
  }
  return bytes;
}

/** A member in an object's JSON, with its colon and its comma. */
function memberBytes(key: string, value: unknown): number {
  return jsonBytes(key) + jsonBytes(value) + 2;
}
