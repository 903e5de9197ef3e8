// The static operand and result types of operators.
import type { BinarySign } from "../parse/ast.ts";
import { DYN, mayBe, simple, type Type, unify } from "./types.ts";
import type { Kind } from "../values/values.ts";

const ORDERED: ReadonlySet<Kind | "dyn"> = new Set([
  "bool",
  "int",
  "uint",
  "double",
  "string",
  "timestamp",
  "duration",
]);

type Result = readonly [left: Kind, right: Kind, result: Kind];
const NUMBERS: readonly Result[] = [
  ["int", "int", "int"],
  ["uint", "uint", "uint"],
  ["double", "double", "double"],
];
/** Operand and result kinds of each arithmetic operator. */
const RESULTS: Readonly<Record<"+" | "-" | "*" | "/" | "%", readonly Result[]>> = {
  "+": [
    ...NUMBERS,
    ["string", "string", "string"],
    ["list", "list", "list"],
    ["bytes", "bytes", "bytes"],
    ["duration", "duration", "duration"],
    ["timestamp", "duration", "timestamp"],
    ["duration", "timestamp", "timestamp"],
  ],
  "-": [
    ...NUMBERS,
    ["duration", "duration", "duration"],
    ["timestamp", "duration", "timestamp"],
    ["timestamp", "timestamp", "duration"],
  ],
  "*": NUMBERS,
  "/": NUMBERS,
  "%": NUMBERS.slice(0, 2),
};

/** The result type of an operator, or null if it does not accept these types. */
export function binaryType(sign: BinarySign, left: Type, right: Type): Type | null {
  switch (sign) {
    case "in":
      return isSearchable(left, right) ? simple("bool") : null;
    case "==":
    case "!=":
      return mayBe(left, right.kind) ? simple("bool") : null;
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(left, right) ? simple("bool") : null;
    default: {
      const fitting = RESULTS[sign].filter(([a, b]) => mayBe(left, a) && mayBe(right, b));
      const [first, ...others] = fitting.map(([, , result]) => simple(result));
      if (first === undefined) return null;
      return others.reduce((a, b) => (a.kind === b.kind ? a : DYN), first);
    }
  }
}

function isSearchable(item: Type, range: Type): boolean {
  if (range.kind === "list" && range.item !== null) return unify(item, range.item) !== null;
  return mayBe(range, "list") || mayBe(range, "map");
}

function isOrdered(left: Type, right: Type): boolean {
  const known = [left.kind, right.kind].filter((kind) => kind !== "dyn");
  if (!known.every((kind) => ORDERED.has(kind))) return false;
  return known.length < 2 || known[0] === known[1] || known.every((kind) => NUMERIC.has(kind));
}

const NUMERIC: ReadonlySet<Kind | "dyn"> = new Set(["int", "uint", "double"]);
