// The size of values: UTF-8 bytes of their JSON, wherever a limit counts bytes (a stage's result, memory_limit_mb).
import type { AgentAnswer } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import { isHighSurrogate, isLowSurrogate } from "../../contract/text.ts";
import { joinPointer } from "./exact-integer.ts";

const encoder = new TextEncoder();

export function utf8Bytes(text: string): number {
  return encoder.encode(text).byteLength;
}

/** UTF-8 bytes of a value's JSON; 0 for what JSON leaves out. */
export function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : utf8Bytes(JSON.stringify(value));
}

/** Texts that JSON writes as they are, in one byte a character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** UTF-8 bytes of a text's JSON, counted without writing it: JSON.stringify takes 0.4 µs for a lone surrogate. */
export function textBytes(text: string): number {
  if (PLAIN.test(text)) return text.length + 2;
  let bytes = 2;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20) bytes += unit >= 8 && unit <= 13 && unit !== 11 ? 2 : 6;
    else if (unit < 0x80) bytes += unit === 0x22 || unit === 0x5c ? 2 : 1;
    else if (unit < 0x800) bytes += 2;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(at + 1))) {
      bytes += 4;
      at += 1;
    } else bytes += isHighSurrogate(unit) || isLowSurrogate(unit) ? 6 : 3;
  }
  return bytes;
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

/** In the JSON of one: a key's quotes, the colon, a value and the comma. */
const MEMBER_BYTES = 5;

/**
 * The JSON pointer of the first object with more than LIMITS.MEMBERS members; null where there is none.
 * @param bytes of the value's JSON: few bytes are no wide object
 */
export function pointerToWide(value: unknown, bytes: number, pointer = ""): string | null {
  if (bytes < MEMBER_BYTES * LIMITS.MEMBERS || value === null || typeof value !== "object") return null;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  if (Array.isArray(keys) && keys.length > LIMITS.MEMBERS) return pointer;
  for (const key of keys) {
    const child = (value as Record<string | number, unknown>)[key];
    if (child === null || typeof child !== "object") continue;
    const found = pointerToWide(child, bytes, joinPointer(pointer, `${key}`));
    if (found !== null) return found;
  }
  return null;
}

/** Whether a context would have more than LIMITS.MEMBERS members with `patch` over it. */
export function widens(context: JsonObject, patch: JsonObject | undefined): boolean {
  const added = Object.keys(patch ?? {}).filter((key) => !Object.hasOwn(context, key)).length;
  return added > 0 && Object.keys(context).length + added > LIMITS.MEMBERS;
}
