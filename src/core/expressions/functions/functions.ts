// The functions and methods of expressions, by name and number of arguments. Each charges the meter by the length of
// its arguments and its result. There is no `matches`: the JavaScript engine's regular expressions backtrack.
import { LIMITS } from "../../../contract/limits.ts";
import { BYTE_FUNCTIONS } from "./bytes.ts";
import type { Definition, Implementation } from "./definition.ts";
import { CHARS, type Meter } from "../evaluate/meter.ts";
import { textOf } from "../evaluate/operators.ts";
import { TEXT_FUNCTIONS } from "./text-functions.ts";
import { TIME_FUNCTIONS } from "./time.ts";
import {
  Fault,
  int,
  type Kind,
  kindOf,
  Optional,
  quoted,
  typeOf,
  Uint,
  uint,
  type Value,
} from "../values/values.ts";

/** One overload of a function. */
export interface Overload {
  readonly params: readonly (Kind | "dyn")[];
  readonly result: Kind | "dyn";
  readonly run: Implementation;
}

/** Maximum length of a text that is converted to a number; a longer one is refused unread. */
const NUMBER_CHARS = 400;
/** Steps for a conversion, besides one for each character. */
const NUMBER_STEPS = 6;

const TRUE: ReadonlySet<string> = new Set(["1", "t", "true", "TRUE", "True"]);
const LONGEST_BOOL = 5;
const FALSE: ReadonlySet<string> = new Set(["0", "f", "false", "FALSE", "False"]);
const INFINITIES: ReadonlyMap<string, number> = new Map([
  ["inf", Number.POSITIVE_INFINITY],
  ["+inf", Number.POSITIVE_INFINITY],
  ["infinity", Number.POSITIVE_INFINITY],
  ["+infinity", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
  ["-infinity", Number.NEGATIVE_INFINITY],
  ["nan", Number.NaN],
]);

const same: Implementation = ([value]) => value as Value;

const CONVERSIONS: readonly Definition[] = [
  ["dyn", ["dyn"], "dyn", same],
  ["type", ["dyn"], "type", ([value]) => typeOf(kindOf(value) ?? "null")],
  ["bool", ["bool"], "bool", same],
  ["bool", ["string"], "bool", ([value]) => toBool(value as string)],
  ["double", ["double"], "double", same],
  [
    "double",
    ["int"],
    "double",
    ([value], meter) => {
      meter.integer(value as bigint);
      return Number(value);
    },
  ],
  ["double", ["uint"], "double", ([value]) => Number((value as Uint).value)],
  ["double", ["string"], "double", ([value], meter) => toDouble(value as string, meter)],
  ["int", ["int"], "int", same],
  ["int", ["uint"], "int", ([value]) => int((value as Uint).value)],
  ["int", ["double"], "int", ([value]) => ofDouble(value as number, int)],
  ["int", ["string"], "int", ([value], meter) => ofText(value as string, "int", int, meter)],
  ["uint", ["uint"], "uint", same],
  ["uint", ["int"], "uint", ([value]) => uint(value as bigint)],
  ["uint", ["double"], "uint", ([value]) => ofDouble(value as number, uint)],
  ["uint", ["string"], "uint", ([value], meter) => ofText(value as string, "uint", uint, meter)],
  ["string", ["string"], "string", same],
  ["string", ["bool"], "string", ([value]) => `${value as boolean}`],
  ["string", ["int"], "string", ([value], meter) => textOf(value as bigint, meter)],
  ["string", ["uint"], "string", ([value], meter) => textOf((value as Uint).value, meter)],
  ["string", ["double"], "string", ([value], meter) => doubleText(value as number, meter)],
];

const OPTIONALS: readonly Definition[] = [
  ["hasValue", ["optional"], "bool", ([value]) => (value as Optional).value !== undefined],
  ["value", ["optional"], "dyn", ([value]) => valueOf(value as Optional)],
];

/** The functions in the namespace `optional`. */
const OF_OPTIONAL: readonly Definition[] = [
  ["optional.of", ["dyn"], "optional", ([value]) => new Optional(value)],
  ["optional.none", [], "optional", () => Optional.NONE],
];

const SIZES: readonly Definition[] = [
  ["size", ["list"], "int", ([value]) => BigInt((value as readonly Value[]).length)],
  ["size", ["map"], "int", ([value], meter) => BigInt(meter.keys(value as object).length)],
  ...TEXT_FUNCTIONS.sizes,
  ...BYTE_FUNCTIONS.sizes,
];

const METHODS: readonly Definition[] = [
  ...SIZES,
  ...OPTIONALS,
  ...TEXT_FUNCTIONS.methods,
  ...BYTE_FUNCTIONS.methods,
  ...TIME_FUNCTIONS.methods,
  ["join", ["list"], "string", ([list], meter) => join(list as readonly Value[], "", meter)],
  [
    "join",
    ["list", "string"],
    "string",
    ([list, separator], meter) => join(list as readonly Value[], separator as string, meter),
  ],
];

const FUNCTIONS: readonly Definition[] = [
  ...CONVERSIONS,
  ...SIZES,
  ...OF_OPTIONAL,
  ...BYTE_FUNCTIONS.functions,
  ...TIME_FUNCTIONS.functions,
];

const OVERLOADS = new Map<string, Overload[]>();
for (const [definitions, method] of [
  [FUNCTIONS, false],
  [METHODS, true],
] as const) {
  for (const [name, params, result, run] of definitions) {
    const key = keyOf(name, method, params.length);
    OVERLOADS.set(key, [...(OVERLOADS.get(key) ?? []), { params, result, run }]);
  }
}

/**
 * The overloads of a function; none if the function does not exist.
 * @param count number of arguments, a method's receiver included
 */
export function overloadsOf(name: string, method: boolean, count: number): readonly Overload[] {
  return OVERLOADS.get(keyOf(name, method, count)) ?? [];
}

/** The fault of a call that matches no overload. */
export function noFunction(name: string, count: number): Fault {
  if (name === "matches") return new Fault("matches is not supported: use contains, startsWith or endsWith");
  return new Fault(() => `no function ${quoted(name)} of ${count} argument${count === 1 ? "" : "s"}`);
}

function keyOf(name: string, method: boolean, count: number): string {
  return `${method ? "." : ""}${name}/${count}`;
}

function valueOf({ value }: Optional): Value | Fault {
  return value === undefined ? new Fault("value() of an optional without a value") : value;
}

function toBool(value: string): boolean | Fault {
  // A set reads the whole of a text to look it up.
  if (value.length > LONGEST_BOOL) return noBool();
  if (TRUE.has(value)) return true;
  return FALSE.has(value) ? false : noBool();
}

function noBool(): Fault {
  return new Fault("bool() of a string that is neither true nor false");
}

function toDouble(value: string, meter: Meter): number | Fault {
  if (value === "" || value.length > NUMBER_CHARS || value !== value.trim()) return noNumber("double");
  meter.spend(NUMBER_STEPS + value.length);
  const named = INFINITIES.get(value.toLowerCase());
  if (named !== undefined) return named;
  const parsed = Number(value);
  return Number.isNaN(parsed) ? noNumber("double") : parsed;
}

function ofDouble<T>(value: number, fit: (value: bigint) => T | Fault): T | Fault {
  return Number.isFinite(value) ? fit(BigInt(Math.trunc(value))) : new Fault("integer overflow");
}

function ofText<T>(value: string, type: string, fit: (value: bigint) => T | Fault, meter: Meter): T | Fault {
  meter.spend(NUMBER_STEPS);
  if (value.length > 20 || value !== value.trim() || !/^[-+]?[0-9]+$/.test(value)) return noNumber(type);
  return fit(BigInt(value));
}

function noNumber(type: string): Fault {
  return new Fault(`${type}() of a string that is not a number`);
}

function doubleText(value: number, meter: Meter): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : textOf(value, meter);
}

function join(list: readonly Value[], separator: string, meter: Meter): string | Fault {
  meter.spend(list.length);
  const texts: string[] = [];
  let length = separator.length * Math.max(0, list.length - 1);
  for (const item of list) {
    if (typeof item !== "string") return new Fault("join() of a list with items other than strings");
    texts.push(item);
    length += item.length;
    if (length > LIMITS.EXPRESSION_TEXT_CHARS) break;
  }
  meter.makeText(length);
  meter.chars(length, CHARS.SCANNED);
  return texts.join(separator);
}
