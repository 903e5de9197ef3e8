// The values of expressions: JSON unchanged, and CEL's further values (64-bit integers, bytes, times, optionals,
// types). A JSON number is a double, except an integer that a double would change (core/json/exact-integer.ts). Other
// integers come from literals and functions of an expression.

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

/** Why a value could not be computed. It is a value itself, because `||`, `&&`, `all` and `exists` may absorb it. */
export class Fault {
  private readonly text: string | (() => string);

  /** @param message the text, or a function that creates it: most faults in loops are absorbed and need no text */
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

/** The result of `type(x)`. Each type has one object, so that equal types are identical. */
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

/** The kind of a value; null for a value that expressions do not have. */
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

/** Keys that could change the prototype of an object. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Whether the value is a plain object, whose own keys are its fields. */
export function isMap(value: unknown): value is MapValue {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
export const MAX_UINT = 2n ** 64n - 1n;

/** The integer, or the fault that it exceeds 64 bits. */
export function int(value: bigint): bigint | Fault {
  return value <= MAX_INT && value >= MIN_INT ? value : new Fault("integer overflow");
}

/** The unsigned integer, or the fault that it exceeds 64 bits. */
export function uint(value: bigint): Uint | Fault {
  return value >= 0n && value <= MAX_UINT ? new Uint(value) : new Fault("unsigned integer overflow");
}

/** The first and the last millisecond of the years 1 to 9999, since the epoch. */
const FIRST_MS = -62_135_596_800_000;
const LAST_MS = 253_402_300_799_999;

/** The time, or the fault that it is outside the years 1 to 9999. */
export function timestamp(ms: number): Date | Fault {
  return ms >= FIRST_MS && ms <= LAST_MS ? new Date(ms) : new Fault("timestamp out of range");
}

/** The beginning of a caller's text, short enough for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
