// Converts an expression's result to JSON: events and calls of agents have no other values.
import { LIMITS } from "../../../contract/limits.ts";
import { integerOf } from "../../json/exact-integer.ts";
import { base64 } from "../functions/bytes.ts";
import { CHARS, type Meter } from "../evaluate/meter.ts";
import { Duration, Fault, FORBIDDEN_KEYS, isMap, Optional, TypeValue, Uint, type Value } from "./values.ts";

/**
 * The value as JSON. The copy is charged, because a value may contain another one many times and JSON repeats it each
 * time. Bytes become base64, times ISO 8601, durations seconds ("1.5s"), an empty optional null. Integers keep their
 * digits.
 * @throws CostExceeded
 */
export function toJson(value: Value, meter: Meter, depth = 0): unknown {
  meter.spend(1);
  switch (typeof value) {
    case "string":
      meter.chars(value.length, CHARS.COPIED);
      return value;
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : new Fault("a number that is not finite has no JSON form");
    case "bigint":
      return integerOf(value);
    default:
      return value === null ? null : object(value, meter, depth);
  }
}

function object(value: Exclude<Value, null>, meter: Meter, depth: number): unknown {
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value, meter, depth);
  if (value instanceof Uint) return integerOf(value.value);
  if (value instanceof Uint8Array) return base64(value, meter);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Duration) return seconds(value);
  if (value instanceof TypeValue) return value.name;
  if (depth === LIMITS.JSON_DEPTH) return new Fault(`JSON of more than ${LIMITS.JSON_DEPTH} levels`);
  if (Array.isArray(value)) return list(value, meter, depth);
  return isMap(value) ? map(value, meter, depth) : new Fault("a value that has no JSON form");
}

function list(items: readonly Value[], meter: Meter, depth: number): unknown {
  const made: unknown[] = [];
  for (const item of items) {
    const json = toJson(item, meter, depth + 1);
    if (json instanceof Fault) return json;
    made.push(json);
  }
  return made;
}

function map(value: Readonly<Record<string, Value>>, meter: Meter, depth: number): unknown {
  const made: Record<string, unknown> = {};
  for (const key of meter.keys(value)) {
    if (FORBIDDEN_KEYS.has(key)) return new Fault(`a map cannot have the key ${key}`);
    const json = toJson(value[key] as Value, meter, depth + 1);
    if (json instanceof Fault) return json;
    made[key] = json;
  }
  return made;
}

function seconds({ nanoseconds }: Duration): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = `${size % 1_000_000_000n}`.padStart(9, "0").replace(/0+$/, "");
  return `${sign}${size / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}s`;
}
