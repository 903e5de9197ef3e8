// The approximate memory of a JSON value: much more than its text if it has many small parts. A megabyte of text
// of empty lists is 11 MB of heap.

/** Bytes of V8's heap: an object's own, a list's own, one place in either, a number that is not a small integer. */
const OBJECT = 32;
const LIST = 32;
const PLACE = 8;
const NUMBER = 12;
/** An integer of up to 128 bits that no double holds; longer ones take less than their text. */
const BIGINT = 32;
/** A key's place; its text is shared by all objects that have it. */
const KEY = 16;
/** A text's own. */
const TEXT = 20;

/** @param value of bounded depth, as everything that comes from outside is */
export function jsonWeight(value: unknown): number {
  if (typeof value === "string") return textWeight(value);
  if (typeof value === "number") return NUMBER;
  if (typeof value === "bigint") return BIGINT;
  if (value === null || typeof value !== "object") return 0;
  if (Array.isArray(value)) {
    let sum = LIST;
    for (const item of value) sum += PLACE + jsonWeight(item);
    return sum;
  }
  let sum = OBJECT;
  for (const field of Object.values(value)) sum += KEY + jsonWeight(field);
  return sum;
}

/** One byte a character, or two for all of them where one is beyond Latin-1. */
export function textWeight(text: string): number {
  return TEXT + (BEYOND_LATIN_1.test(text) ? 2 : 1) * text.length;
}

const BEYOND_LATIN_1 = /[\u0100-\uffff]/;
