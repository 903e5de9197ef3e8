// The values that an expression works on: JSON as it came, and what CEL has beside it (integers of 64 bits, bytes,
// times, optionals, types). A number of JSON is a double, but for an integer that a double would change
// (core/json/exact-integer.ts); other integers are written in an expression, or counted by it.

export type Kind =
  | "null"
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "list"
  | "map"
  | "timestamp"
  | "duration"
  | "type"
  | "optional";

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint
  | Uint8Array
  | Date
  | Duration
  | TypeValue
  | Optional
  | readonly Value[]
  | MapValue;

export interface MapValue {
  readonly [key: string]: Value;
}

/** Why a value could not be computed. A value of its own, since `||`, `&&`, `all` and `exists` may absorb it. */
export class Fault {
  private readonly text: string | (() => string);

  /** @param message or what makes it: most faults of a loop are absorbed, and need no text */
  constructor(message: string | (() => string)) {
    this.text = message;
  }

  get message(): string {
    return typeof this.text === "string" ? this.text : this.text();
  }
}

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

export class Duration {
  readonly nanoseconds: bigint;
  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds;
  }
}

export class Optional {
  static readonly NONE = new Optional(undefined);
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
}

/** The result of `type(x)`. One object for each type, so that equal types are the same object. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const NAMES: Readonly<Record<Kind, string>> = {
  null: "null_type",
  bool: "bool",
  int: "int",
  uint: "uint",
  double: "double",
  string: "string",
  bytes: "bytes",
  list: "list",
  map: "map",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
  type: "type",
  optional: "optional_type",
};

const TYPES = new Map(Object.entries(NAMES).map(([kind, name]) => [kind, new TypeValue(name)]));

export function typeOf(kind: Kind): TypeValue {
  return TYPES.get(kind) as TypeValue;
}

/** The names of types, as in `type(x) == int`. */
export const TYPE_NAMES: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...(["bool", "int", "uint", "double", "string", "bytes", "list", "map", "type"] as const).map(
    (kind): [string, Value] => [kind, typeOf(kind)],
  ),
  ["null_type", typeOf("null")],
  ["google", { protobuf: { Timestamp: typeOf("timestamp"), Duration: typeOf("duration") } }],
]);

/** The kind of a value, or null for one that expressions do not know. */
export function kindOf(value: unknown): Kind | null {
  switch (typeof value) {
    case "string":
      return "string";
    case "number":
      return "double";
    case "bigint":
      return "int";
    case "boolean":
      return "bool";
    case "object":
      return kindOfObject(value);
    default:
      return null;
  }
}

function kindOfObject(value: object | null): Kind | null {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (isMap(value)) return "map";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Uint) return "uint";
  if (value instanceof Optional) return "optional";
  if (value instanceof Date) return "timestamp";
  if (value instanceof Duration) return "duration";
  if (value instanceof TypeValue) return "type";
  return null;
}

/** Keys that would change what an object is rather than what it holds. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** True for a plain object, whose own keys are its fields. */
export function isMap(value: unknown): value is MapValue {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
export const MAX_UINT = 2n ** 64n - 1n;

/** The integer, or the fault that it does not fit 64 bits. */
export function int(value: bigint): bigint | Fault {
  return value <= MAX_INT && value >= MIN_INT ? value : new Fault("integer overflow");
}

/** The unsigned integer, or the fault that it does not fit 64 bits. */
export function uint(value: bigint): Uint | Fault {
  return value >= 0n && value <= MAX_UINT ? new Uint(value) : new Fault("unsigned integer overflow");
}

/** The first and the last moment of years 1 to 9999, in ms since the epoch. */
const FIRST_MS = -62_135_596_800_000;
const LAST_MS = 253_402_300_799_999;

/** The time, or the fault that it lies outside the years 1 to 9999. */
export function timestamp(ms: number): Date | Fault {
  return ms >= FIRST_MS && ms <= LAST_MS ? new Date(ms) : new Fault("timestamp out of range");
}

/** A piece of a text from outside, short enough for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
