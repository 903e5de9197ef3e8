// The operators: arithmetic, order, equality and membership. Each charges the meter by the length of its operands.
import type { BinarySign } from "../parse/ast.ts";
import { CHARS, type Meter } from "./meter.ts";
import {
  Duration,
  Fault,
  int,
  isMap,
  kindOf,
  Optional,
  timestamp,
  Uint,
  uint,
  type Value,
} from "../values/values.ts";

/** Maximum nesting of compared values. JSON from outside is less deep; only an expression can build deeper values. */
const EQUALITY_DEPTH = 128;

export function binary(sign: BinarySign, left: Value, right: Value, meter: Meter): Value | Fault {
  switch (sign) {
    case "==":
      return equals(left, right, meter);
    case "!=":
      return !equals(left, right, meter);
    case "in":
      return isIn(left, right, meter);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return ordered(sign, left, right, meter);
    default:
      return arithmetic(sign, left, right, meter);
  }
}

type Arithmetic = "+" | "-" | "*" | "/" | "%";

function arithmetic(sign: Arithmetic, left: Value, right: Value, meter: Meter): Value | Fault {
  if (typeof left === "number" && typeof right === "number" && sign !== "%") {
    return ofDoubles(sign, left, right);
  }
  if (typeof left === "bigint" && typeof right === "bigint") {
    meter.integer(left);
    meter.integer(right);
    const result = ofIntegers(sign, left, right);
    return result instanceof Fault ? result : int(result);
  }
  if (left instanceof Uint && right instanceof Uint) {
    const result = ofIntegers(sign, left.value, right.value);
    return result instanceof Fault ? result : uint(result);
  }
  if (sign === "+") return sum(left, right, meter);
  if (sign === "-") return difference(left, right);
  return noOperation(sign, left, right);
}

function ofDoubles(sign: Exclude<Arithmetic, "%">, left: number, right: number): number {
  switch (sign) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
  }
}

function ofIntegers(sign: Arithmetic, left: bigint, right: bigint): bigint | Fault {
  switch (sign) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right === 0n ? new Fault("division by zero") : left / right;
    case "%":
      return right === 0n ? new Fault("modulo by zero") : left % right;
  }
}

function sum(left: Value, right: Value, meter: Meter): Value | Fault {
  if (typeof left === "string" && typeof right === "string") {
    meter.makeText(left.length + right.length);
    return left + right;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    meter.makeList(left.length + right.length);
    return left.concat(right);
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    meter.makeText(left.length + right.length);
    const bytes = new Uint8Array(left.length + right.length);
    bytes.set(left);
    bytes.set(right, left.length);
    return bytes;
  }
  if (left instanceof Duration && right instanceof Duration) {
    return new Duration(left.nanoseconds + right.nanoseconds);
  }
  if (left instanceof Date && right instanceof Duration) return moved(left, right.nanoseconds);
  if (left instanceof Duration && right instanceof Date) return moved(right, left.nanoseconds);
  return noOperation("+", left, right);
}

function difference(left: Value, right: Value): Value | Fault {
  if (left instanceof Duration && right instanceof Duration) {
    return new Duration(left.nanoseconds - right.nanoseconds);
  }
  if (left instanceof Date && right instanceof Duration) return moved(left, -right.nanoseconds);
  if (left instanceof Date && right instanceof Date) {
    return new Duration(BigInt(left.getTime() - right.getTime()) * NANOSECONDS_PER_MS);
  }
  return noOperation("-", left, right);
}

const NANOSECONDS_PER_MS = 1_000_000n;

function moved(time: Date, nanoseconds: bigint): Date | Fault {
  return timestamp(time.getTime() + Number(nanoseconds / NANOSECONDS_PER_MS));
}

function ordered(sign: "<" | "<=" | ">" | ">=", left: Value, right: Value, meter: Meter): boolean | Fault {
  if (typeof left === "number" && typeof right === "number") return holds(sign, left, right);
  const a = comparable(left);
  const b = comparable(right);
  const numbers = isNumber(a) && isNumber(b) && kindGroup(left) === kindGroup(right);
  if (typeof a === "string" && typeof b === "string") meter.chars(Math.min(a.length, b.length), CHARS.COPIED);
  else if (!numbers && !(typeof a === "boolean" && typeof b === "boolean")) {
    return noOperation(sign, left, right);
  }
  return holds(sign, a as number, b as number);
}

/** Compares two numbers, strings or booleans. */
function holds(sign: "<" | "<=" | ">" | ">=", left: number, right: number): boolean {
  switch (sign) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
  }
}

type Comparable = string | number | bigint | boolean | null;

function comparable(value: Value): Comparable {
  if (typeof value !== "object") return value;
  if (value instanceof Uint) return value.value;
  if (value instanceof Date) return value.getTime();
  return value instanceof Duration ? value.nanoseconds : null;
}

/** The group of kinds that have an order: numbers of any kind, timestamps, durations. */
function kindGroup(value: Value): string {
  return value instanceof Date || value instanceof Duration ? (kindOf(value) as string) : "number";
}

function isNumber(value: Comparable): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Equality of any two values: numbers of any kind by their mathematical value, lists and maps by their items. */
function equals(left: Value, right: Value, meter: Meter, depth = 0): boolean {
  meter.spend(1);
  if (typeof left === "string") {
    if (typeof right !== "string" || left.length !== right.length) return false;
    meter.chars(left.length, CHARS.COPIED);
    return left === right;
  }
  if (left === right) return true;
  if (typeof left === "number" && typeof right === "number") return false;
  const a = comparable(left);
  const b = comparable(right);
  // `===` of a bigint and a number is always false; `==` compares their mathematical values.
  if (isNumber(a) && isNumber(b)) return kindGroup(left) === kindGroup(right) && a == b;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (depth === EQUALITY_DEPTH) return meter.exceed(`a comparison of ${EQUALITY_DEPTH} levels`);
  if (Array.isArray(left) && Array.isArray(right)) return equalLists(left, right, meter, depth);
  if (isMap(left) && isMap(right)) {
    const keys = meter.keys(left);
    if (keys.length !== meter.keys(right).length) return false;
    return keys.every(
      (key) => Object.hasOwn(right, key) && equals(left[key] as Value, right[key] as Value, meter, depth + 1),
    );
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) return equalBytes(left, right, meter);
  if (!(left instanceof Optional) || !(right instanceof Optional)) return false;
  if (left.value === undefined || right.value === undefined) return left.value === right.value;
  return equals(left.value, right.value, meter, depth + 1);
}

function equalLists(left: readonly Value[], right: readonly Value[], meter: Meter, depth: number): boolean {
  if (left.length !== right.length) return false;
  return left.every((item, at) => equals(item, right[at] as Value, meter, depth + 1));
}

function equalBytes(left: Uint8Array, right: Uint8Array, meter: Meter): boolean {
  if (left.length !== right.length) return false;
  meter.chars(left.length, CHARS.SCANNED);
  return left.every((byte, at) => byte === right[at]);
}

function isIn(left: Value, right: Value, meter: Meter): boolean | Fault {
  if (Array.isArray(right)) {
    for (const item of right as readonly Value[]) if (equals(left, item, meter)) return true;
    return false;
  }
  if (!isMap(right)) return noOperation("in", left, right);
  meter.spend(LOOKUP_STEPS);
  const key = keyOf(left, meter);
  return key !== null && Object.hasOwn(right, key);
}

/** Steps for the lookup of a key, which may be any text, in a map of any shape. */
const LOOKUP_STEPS = 4;

/** The price of an operation includes the lookup of a key of up to this length. */
const SHORT_KEY_CHARS = 64;

/** The map key that a value denotes; null if the value cannot be a key. */
export function keyOf(value: Value, meter: Meter): string | null {
  if (typeof value === "string") {
    if (value.length > SHORT_KEY_CHARS) meter.chars(value.length, CHARS.SCANNED);
    return value;
  }
  const number = value instanceof Uint ? value.value : value;
  if (typeof number === "boolean") return `${number}`;
  return typeof number === "bigint" || typeof number === "number" ? textOf(number, meter) : null;
}

/** Steps for writing a number's digits. */
const DIGITS_STEPS = 8;

/** A number as text, in decimal digits. */
export function textOf(number: number | bigint, meter: Meter): string {
  meter.spend(DIGITS_STEPS);
  meter.integer(number);
  return `${number}`;
}

export function negate(value: Value): Value | Fault {
  if (typeof value === "number") return -value;
  if (typeof value === "bigint") return int(-value);
  return new Fault(() => `no operation -${nameOf(value)}`);
}

/** The kind of a value, for a message. */
export function nameOf(value: Value): string {
  return kindOf(value) ?? "an unknown value";
}

function noOperation(sign: string, left: Value, right: Value): Fault {
  return new Fault(() => {
    const kinds = [nameOf(left), nameOf(right)];
    const mixed = kinds.includes("double") && kinds.includes("int");
    const hint = mixed ? " (numbers in data are doubles: write 1.0, not 1)" : "";
    return `no operation ${kinds.join(` ${sign} `)}${hint}`;
  });
}
