// Integers in JSON whose digits a double would change. They are read as BigInts and written as the same digits again;
// every other number is a double, as JSON.parse gives it. A BigInt is a primitive: copies, comparisons, structured
// clones and CEL take it as it is, and only reading and writing JSON need to know of it.

/** Counts the BigInts that JSON.stringify has written, so that `writeJson` knows whether a text holds any. */
let written = 0;

// JSON.stringify throws at a BigInt unless it has a toJSON, which is asked of BigInts alone: other values cost nothing.
// The alternatives are a replacer, which is asked of every value, and JSON.rawJSON objects in the BigInts' place, which
// structured clones refuse and which look like objects to all code that walks values.
// oxlint-disable-next-line no-extend-native -- The language leaves this method to programs; there is no other hook.
Object.defineProperty(BigInt.prototype, "toJSON", {
  value(this: bigint): unknown {
    written += 1;
    return RAW.rawJSON(this.toString());
  },
  writable: true,
  configurable: true,
});

/** JSON.stringify writes what rawJSON gives as the text itself. TypeScript's library does not know it yet. */
const RAW = JSON as unknown as { rawJSON(text: string): unknown };

/** An integer that a double would change. */
export function isExact(value: unknown): value is bigint {
  return typeof value === "bigint";
}

/** JSON.parse that keeps the digits of every integer. For texts that the coordinator itself has written. */
export function parseJson(text: string): unknown {
  return mayChange(text) ? parseDigits(text) : JSON.parse(text);
}

/** As `parseJson`, of a text of which it is known that it holds such integers: about five times as slow as JSON.parse. */
export function parseDigits(text: string): unknown {
  return JSON.parse(text, keepDigits);
}

/** The value's JSON, and whether it holds integers that JSON.parse would change. */
export function writeJson(value: unknown): { json: string; hasExact: boolean } {
  const before = written;
  const json = JSON.stringify(value);
  return { json, hasExact: written !== before };
}

/**
 * Whether a text may hold an integer that would change. Integers up to 15 digits are exact, and few texts have longer
 * ones. Reads only digits and the characters beside them: what has a fraction or an exponent is a decimal, which may be
 * rounded, and what is in quotes is a string.
 */
export function mayChange(text: string): boolean {
  for (const { 0: digits, index } of text.matchAll(/\d{16,}/g)) {
    const before = text.slice(Math.max(0, index - 2), index);
    const after = text.slice(index + digits.length, index + digits.length + 1);
    const isWhole = /(?:^|[[,:\s])-?$/.test(before) && /^[\],}\s]?$/.test(after);
    if (isWhole && changes(digits, Number(digits))) return true;
  }
  return false;
}

/** The JSON pointer of the first such integer of a value; null where there is none. For values of bounded depth. */
export function pointerToExact(value: unknown, pointer = ""): string | null {
  if (isExact(value)) return pointer;
  if (value === null || typeof value !== "object") return null;
  for (const [key, child] of Object.entries(value)) {
    const found = pointerToExact(child, joinPointer(pointer, key));
    if (found !== null) return found;
  }
  return null;
}

/** The JSON pointer (RFC 6901) of a member. */
export function joinPointer(pointer: string, key: string): string {
  return `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** What the parser calls for each value, with the text that a number was written as. */
function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number") return value;
  const source = context?.source ?? "";
  // A number out of a double's range becomes infinite, which readers refuse: a BigInt of a megabyte of digits takes
  // long to make.
  const isLong = Number.isFinite(value) && /^-?\d{16,}$/.test(source);
  return isLong && changes(source, value) ? BigInt(source) : value;
}

/** An integer as JSON's values hold it: a number where a double keeps its digits. */
export function integerOf(value: bigint): number | bigint {
  const number = Number(value);
  return changes(`${value}`, number) ? value : number;
}

/** Whether `value`, written as JSON again, has other digits than the integer that it was read from. */
function changes(digits: string, value: number): boolean {
  return JSON.stringify(value) !== digits;
}
