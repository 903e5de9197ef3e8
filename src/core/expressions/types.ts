// Static types of expressions, for checking one before it is stored. Nesting is followed a few levels deep and is
// then `dyn`: a type is never larger than its expression.
import type { Kind, Value } from "./values.ts";
import { kindOf } from "./values.ts";

export interface Type {
  readonly kind: Kind | "dyn";
  /** Of a list its items', of a map its values', of an optional its value's. */
  readonly item: Type | null;
}

const DEPTH = 8;

export const DYN: Type = { kind: "dyn", item: null };
const SIMPLE = new Map<Kind | "dyn", Type>([["dyn", DYN]]);

/** The type of a kind, whose items may be anything. */
export function simple(kind: Kind | "dyn"): Type {
  const known = SIMPLE.get(kind);
  if (known !== undefined) return known;
  const type = { kind, item: isContainer(kind) ? DYN : null };
  SIMPLE.set(kind, type);
  return type;
}

/** A list, map or optional of this type. */
export function of(kind: "list" | "map" | "optional", item: Type): Type {
  return { kind, item: depthOf(item) >= DEPTH ? DYN : item };
}

export function ofValue(value: Value): Type {
  return simple(kindOf(value) ?? "dyn");
}

/** The type of a value that is of one of two types; null where no value is of both. */
export function unify(left: Type, right: Type): Type | null {
  if (left === right || left.kind === "dyn") return left;
  if (right.kind === "dyn") return right;
  if (left.kind !== right.kind) return null;
  if (left.item === null || right.item === null) return left;
  return { kind: left.kind, item: unify(left.item, right.item) ?? DYN };
}

/** True where a value of this type may be of that kind. */
export function mayBe(type: Type, kind: Kind | "dyn"): boolean {
  return type.kind === "dyn" || kind === "dyn" || type.kind === kind;
}

function isContainer(kind: Kind | "dyn"): boolean {
  return kind === "list" || kind === "map" || kind === "optional";
}

function depthOf(type: Type): number {
  return type.item === null ? 0 : 1 + depthOf(type.item);
}
