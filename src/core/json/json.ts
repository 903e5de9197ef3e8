// Reads JSON text from outside (callers' bodies, agents' answers): RFC 8259, and nothing that could hurt
// later: no nesting beyond a bound, no key that could change a prototype, no number that is not finite. Integers keep
// their digits.
import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/names.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { joinPointer, mayChange, parseDigits } from "./exact-integer.ts";
import { faultPosition, placeAt, type TextPlace } from "./json-place.ts";

/** Why a text was refused. `truncated` is a text that ends before its value does. */
export interface JsonFault {
  reason: "syntax" | "truncated" | "depth" | "reserved_key" | "not_finite";
  /** JSON pointer to the place, "" for the whole text. */
  pointer: string;
  detail: string;
  /** Where a text that is not JSON stops being it. */
  place?: TextPlace;
}

/** Parses `text`; the value is safe to walk recursively and to spread. An integer that a double would change is a BigInt. */
export function readJson(text: string, maxDepth: number = LIMITS.JSON_DEPTH): Result<unknown, JsonFault> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return err(
      endsEarly(text, cause instanceof Error ? cause.message : "")
        ? { reason: "truncated", pointer: "", detail: "ends in the middle of a JSON value" }
        : syntaxFault(text),
    );
  }
  const fault = valueFault(value, maxDepth);
  if (fault !== null) return err(fault);
  return ok(mayChange(text) ? parseDigits(text) : value);
}

function syntaxFault(text: string): JsonFault {
  const place = placeAt(text, faultPosition(text));
  const { line, column, position } = place;
  const detail = `is not JSON: line ${line}, column ${column} (position ${position})`;
  return { reason: "syntax", pointer: "", detail, place };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * The members of a JSON object of which the reader picks a few by name and type, and keeps and walks no others: what
 * `readJson` refuses in one member must not void the others. Null if the text is not a JSON object.
 */
export function readMembers(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The first part of a parsed value that `readJson` refuses, or null. */
export function valueFault(root: unknown, maxDepth: number): JsonFault | null {
  if (isInfinite(root)) return notFinite("");
  if (root === null || typeof root !== "object") return null;
  // An explicit stack: a text of a million brackets must not exhaust the engine's own.
  const stack: { value: object; pointer: string; depth: number }[] = [{ value: root, pointer: "", depth: 1 }];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (at.depth > maxDepth) {
      return { reason: "depth", pointer: at.pointer, detail: `is nested deeper than ${maxDepth}` };
    }
    const isArray = Array.isArray(at.value);
    for (const [key, child] of Object.entries(at.value)) {
      const plain = child === null || (typeof child !== "object" && !isInfinite(child));
      if (!isArray && RESERVED_KEYS.has(key)) {
        return {
          reason: "reserved_key",
          pointer: joinPointer(at.pointer, key),
          detail: `the key ${key} is not allowed`,
        };
      }
      if (plain) continue;
      const pointer = joinPointer(at.pointer, key);
      if (typeof child === "number") return notFinite(pointer);
      stack.push({ value: child as object, pointer, depth: at.depth + 1 });
    }
  }
  return null;
}

/** What JSON.parse makes of a number that is too large for a double. */
function isInfinite(value: unknown): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
}

function notFinite(pointer: string): JsonFault {
  return { reason: "not_finite", pointer, detail: "is not a finite number" };
}

/**
 * True where the parser ran out of text: it says so, or names a position that is the text's end. The wording is
 * V8's, which is the only engine this runs on; a test holds it.
 */
function endsEarly(text: string, message: string): boolean {
  if (message.startsWith("Unexpected end")) return true;
  const position = /at position (\d+)/.exec(message)?.[1];
  return position !== undefined && Number(position) === text.length;
}

/** JSON with every object's keys sorted: equal values give equal text in any key order. */
export function canonicalJson(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const fields = value as Record<string, unknown>;
  let text = "";
  for (const key of Object.keys(fields).toSorted()) {
    const field = fields[key];
    if (field !== undefined) text += `${text === "" ? "" : ","}${quoted(key)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

/** Texts that JSON writes as they are. A call of JSON.stringify costs as much as twenty of these tests. */
const PLAIN = /^[ !#-[\]-~]*$/;
/** Of a longer one it is JSON.stringify that is cheaper. */
const PLAIN_CHARS = 64;

function quoted(text: string): string {
  return text.length <= PLAIN_CHARS && PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
