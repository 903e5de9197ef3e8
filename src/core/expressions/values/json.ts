// Converts an expression's result to JSON: events and calls of agents have no other values.
import { LIMITS } from "../../../contract/limits.ts";
import { integerOf } from "../../json/exact-integer.ts";
import { textBytes } from "../../json/weight.ts";
import { base64 } from "../functions/bytes.ts";
import { CHARS, type Meter } from "../evaluate/meter.ts";
import { Duration, Fault, FORBIDDEN_KEYS, isMap, Optional, TypeValue, Uint, type Value } from "./values.ts";

/** Steps for writing an integer, a number with a fraction, a time or a duration. */
const INTEGER_STEPS = 10;
const FRACTION_STEPS = 5;
const TIME_STEPS = 20;

/**
 * The value as JSON, its steps and its bytes charged: a value may contain another one many times, and JSON repeats it
 * each time. What is JSON already is given as it is, not as a copy. Bytes become base64, times ISO 8601, durations
 * seconds ("1.5s"), an empty optional null. Integers keep their digits.
 * @throws CostExceeded
 */
export function toJson(value: Value, meter: Meter, depth = 0): unknown {
  meter.spend(1);
  switch (typeof value) {
    case "string":
      return text(value, meter);
    case "boolean":
      meter.give(value ? 4 : 5);
      return value;
    case "number":
      return number(value, meter);
    case "bigint":
      return integer(value, meter);
    default:
      if (value !== null) return object(value, meter, depth);
      meter.give(4);
      return null;
  }
}

function text(value: string, meter: Meter): string {
  meter.chars(value.length, CHARS.SCANNED);
  meter.give(textBytes(value));
  return value;
}

function number(value: number, meter: Meter): number | Fault {
  if (!Number.isFinite(value)) return new Fault("a number that is not finite has no JSON form");
  if (!Number.isSafeInteger(value)) meter.spend(FRACTION_STEPS);
  meter.give(`${value}`.length);
  return value;
}

function integer(value: bigint, meter: Meter): number | bigint {
  meter.spend(INTEGER_STEPS);
  meter.integer(value);
  meter.give(`${value}`.length);
  return integerOf(value);
}

function object(value: Exclude<Value, null>, meter: Meter, depth: number): unknown {
  if (value instanceof Optional) return toJson(value.value ?? null, meter, depth);
  if (value instanceof Uint) return integer(value.value, meter);
  if (value instanceof Uint8Array) return text(base64(value, meter), meter);
  if (value instanceof Date) {
    meter.spend(TIME_STEPS);
    return text(value.toISOString(), meter);
  }
  if (value instanceof Duration) {
    meter.spend(TIME_STEPS);
    return text(seconds(value), meter);
  }
  if (value instanceof TypeValue) return text(value.name, meter);
  if (depth === LIMITS.JSON_DEPTH) return new Fault(`JSON of more than ${LIMITS.JSON_DEPTH} levels`);
  if (Array.isArray(value)) return list(value, meter, depth);
  return isMap(value) ? map(value, meter, depth) : new Fault("a value that has no JSON form");
}

function list(items: readonly Value[], meter: Meter, depth: number): unknown {
  meter.give(2 + Math.max(0, items.length - 1));
  let made: unknown[] | null = null;
  for (const [at, item] of items.entries()) {
    const json = toJson(item, meter, depth + 1);
    if (json instanceof Fault) return json;
    if (made === null && json !== item) made = items.slice(0, at);
    made?.push(json);
  }
  return made ?? items;
}

function map(value: Readonly<Record<string, Value>>, meter: Meter, depth: number): unknown {
  let made: Record<string, unknown> | null = null;
  const keys = meter.keys(value);
  // Its brackets, the colons and the commas.
  meter.give(2 + Math.max(0, 2 * keys.length - 1));
  for (const [at, key] of keys.entries()) {
    if (FORBIDDEN_KEYS.has(key)) return new Fault(`a map cannot have the key ${key}`);
    text(key, meter);
    const json = toJson(value[key] as Value, meter, depth + 1);
    if (json instanceof Fault) return json;
    if (made === null && json !== value[key]) {
      made = Object.fromEntries(keys.slice(0, at).map((before) => [before, value[before]]));
    }
    if (made !== null) made[key] = json;
  }
  return made ?? value;
}

function seconds({ nanoseconds }: Duration): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = `${size % 1_000_000_000n}`.padStart(9, "0").replace(/0+$/, "");
  return `${sign}${size / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}s`;
}
