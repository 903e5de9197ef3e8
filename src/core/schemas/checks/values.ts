// The keywords that are about a value by itself: its type, its size, a text's pattern and format.
import type { JsonObject } from "../../../contract/json.ts";
import { canonicalJson } from "../../json/json.ts";
import { FORMATS } from "../formats.ts";
import { type Run, UNITS_PER_STEP } from "../run.ts";
import { anyOfThese, clipped, counted, shown, typeWord, written } from "../words.ts";
import { type Check, type CompileScope, isObject } from "./check.ts";

type Bound = number | bigint;

/** Of a division of decimals, besides one for each power of ten between them. */
const MULTIPLE_STEPS = 20;

/** The checks of the keywords that a schema has. */
export function valueChecks(schema: JsonObject, scope: CompileScope): Check[] {
  const checks: Check[] = [];
  const { type, enum: values, multipleOf, pattern, format } = schema;
  if (type !== undefined) checks.push(typeCheck(type as string | string[]));
  if (Object.hasOwn(schema, "const")) checks.push(equalCheck([schema.const], "must be"));
  if (values !== undefined) checks.push(equalCheck(values as unknown[], "must be one of"));
  for (const [keyword, size] of Object.entries(SIZES)) {
    const bound = schema[keyword] as Bound | undefined;
    if (bound !== undefined) checks.push(sizeCheck(size, bound));
  }
  for (const [keyword, { holds, word }] of Object.entries(ORDERS)) {
    const bound = schema[keyword] as Bound | undefined;
    if (bound === undefined) continue;
    checks.push(
      (value, place, run) =>
        !isNumber(value) ||
        holds(value, bound) ||
        run.fault(place, () => `must be ${word} ${written(bound)}, not ${written(value)}`),
    );
  }
  if (multipleOf !== undefined) checks.push(multipleCheck(multipleOf as Bound));
  if (pattern !== undefined) checks.push(patternCheck(pattern as string, scope));
  if (format !== undefined) checks.push(formatCheck(format as string));
  return checks;
}

function isNumber(value: unknown): value is Bound {
  return typeof value === "number" || typeof value === "bigint";
}

const ORDERS: Readonly<Record<string, { holds: (value: Bound, bound: Bound) => boolean; word: string }>> = {
  minimum: { holds: (value, bound) => value >= bound, word: "at least" },
  maximum: { holds: (value, bound) => value <= bound, word: "at most" },
  exclusiveMinimum: { holds: (value, bound) => value > bound, word: "more than" },
  exclusiveMaximum: { holds: (value, bound) => value < bound, word: "less than" },
};

interface Size {
  /** Null where the keyword is not about such a value. */
  of: (value: unknown, run: Run) => number | null;
  least: boolean;
  one: string;
  many: string;
}

const CHARACTERS = { of: codePoints, one: "character", many: "characters" };
const ITEMS = {
  of: (value: unknown) => (Array.isArray(value) ? value.length : null),
  one: "item",
  many: "items",
};
const PROPERTIES = { of: propertyCount, one: "property", many: "properties" };

const SIZES: Readonly<Record<string, Size>> = {
  minLength: { ...CHARACTERS, least: true },
  maxLength: { ...CHARACTERS, least: false },
  minItems: { ...ITEMS, least: true },
  maxItems: { ...ITEMS, least: false },
  minProperties: { ...PROPERTIES, least: true },
  maxProperties: { ...PROPERTIES, least: false },
};

function sizeCheck({ of, least, one, many }: Size, bound: Bound): Check {
  return (value, place, run) => {
    const size = of(value, run);
    if (size === null || (least ? size >= bound : size <= bound)) return true;
    return run.fault(
      place,
      () => `must have at ${least ? "least" : "most"} ${counted(bound, one, many)}, not ${size}`,
    );
  };
}

function codePoints(value: unknown, run: Run): number | null {
  if (typeof value !== "string") return null;
  run.spend(Math.ceil(value.length / UNITS_PER_STEP));
  let count = 0;
  for (let at = 0; at < value.length; at += (value.codePointAt(at) as number) > 0xffff ? 2 : 1) count += 1;
  return count;
}

function propertyCount(value: unknown, run: Run): number | null {
  if (!isObject(value)) return null;
  const { length } = Object.keys(value);
  run.spend(length);
  return length;
}

function typeCheck(type: string | readonly string[]): Check {
  const types = typeof type === "string" ? [type] : type;
  return (value, place, run) =>
    types.some((each) => isOfType(value, each)) ||
    run.fault(place, () => `must be ${types.map(typeWord).join(" or ")}, not ${shown(value)}`);
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value) || typeof value === "bigint";
    case "number":
      return isNumber(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "null":
      return value === null;
    default:
      // oxlint-disable-next-line valid-typeof -- `string` and `boolean`, as JSON Schema names them, too.
      return typeof value === type;
  }
}

/** Compared as canonical JSON, which is equal where the values are: 1 and 1.0, objects in any order of their keys. */
function equalCheck(values: readonly unknown[], word: string): Check {
  const allowed = new Set(values.map(canonicalJson));
  const hasObjects = values.some((value) => typeof value === "object" && value !== null);
  return (value, place, run) => {
    // An object that no value can equal is not written out.
    if (hasObjects || typeof value !== "object" || value === null) {
      run.weigh(value);
      if (allowed.has(canonicalJson(value))) return true;
    }
    return run.fault(place, () => `${word} ${anyOfThese(values)}, not ${shown(value)}`);
  };
}

function multipleCheck(divisor: Bound): Check {
  return (value, place, run) =>
    !isNumber(value) ||
    isMultiple(value, divisor, run) ||
    run.fault(place, () => `must be a multiple of ${written(divisor)}, not ${written(value)}`);
}

/** By the digits that JSON has of both: as doubles, 0.3 is no multiple of 0.1. */
function isMultiple(value: Bound, divisor: Bound, run: Run): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor))
    return Number(value) % Number(divisor) === 0;
  const [digits, exponent] = decimal(value);
  const [divisorDigits, divisorExponent] = decimal(divisor);
  const least = Math.min(exponent, divisorExponent);
  run.spend(MULTIPLE_STEPS + Math.max(exponent, divisorExponent) - least);
  return (
    (digits * 10n ** BigInt(exponent - least)) % (divisorDigits * 10n ** BigInt(divisorExponent - least)) ===
    0n
  );
}

/** A number as an integer and a power of ten. */
function decimal(value: Bound): [digits: bigint, exponent: number] {
  const [mantissa = "", power = "0"] = `${value}`.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return [BigInt(whole + fraction), Number(power) - fraction.length];
}

function patternCheck(source: string, scope: CompileScope): Check {
  const pattern = scope.pattern(source);
  return (value, place, run) =>
    typeof value !== "string" ||
    run.matches(pattern, value) ||
    run.fault(place, () => `must match the pattern ${clipped(source)}, and is ${shown(value)}`);
}

function formatCheck(format: string): Check {
  const isValid = FORMATS.get(format);
  return (value, place, run) => {
    if (typeof value !== "string" || isValid === undefined) return true;
    run.spend(1 + Math.ceil(value.length / UNITS_PER_STEP));
    return (
      isValid(value) || run.fault(place, () => `must be of the format ${format}, and is ${shown(value)}`)
    );
  };
}
