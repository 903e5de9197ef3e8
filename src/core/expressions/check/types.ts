// Static types of expressions, for the check before an expression is stored. Types nest a few levels deep; below that
// they are `dyn`, so that a type is never larger than its expression.
import type { Kind, Value } from "../values/values.ts";
import { kindOf } from "../values/values.ts";

export interface Type {
  readonly kind: Kind | "dyn";
  /** The type of a list's items, of a map's values, or of an optional's value. */
  readonly item: Type | null;
}

const DEPTH = 8;

export const DYN: Type = { kind: "dyn", item: null };
const SIMPLE = new Map<Kind | "dyn", Type>([["dyn", DYN]]);

/** The type of a kind with items of any type. */
export function simple(kind: Kind | "dyn"): Type {
  const known = SIMPLE.get(kind);
  if (known !== undefined) return known;
  const type = { kind, item: isContainer(kind) ? DYN : null };
  SIMPLE.set(kind, type);
  return type;
}

/** The type of a list, map or optional with items of this type. */
export function of(kind: "list" | "map" | "optional", item: Type): Type {
  return { kind, item: depthOf(item) >= DEPTH ? DYN : item };
}

export function ofValue(value: Value): Type {
  return simple(kindOf(value) ?? "dyn");
}

/** The type of a value that has one of two types; null if the types exclude each other. */
export function unify(left: Type, right: Type): Type | null {
  if (left === right || left.kind === "dyn") return left;
  if (right.kind === "dyn") return right;
  if (left.kind !== right.kind) return null;
  if (left.item === null || right.item === null) return left;
  return { kind: left.kind, item: unify(left.item, right.item) ?? DYN };
}

/** Whether a value of this type may be of that kind. */
export function mayBe(type: Type, kind: Kind | "dyn"): boolean {
  return type.kind === "dyn" || kind === "dyn" || type.kind === kind;
}

function isContainer(kind: Kind | "dyn"): boolean {
  return kind === "list" || kind === "map" || kind === "optional";
}

function depthOf(type: Type): number {
  return type.item === null ? 0 : 1 + depthOf(type.item);
}
