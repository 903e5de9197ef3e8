// The syntax tree of an expression. Macros have their own nodes; function calls are resolved later.
import type { Value } from "../values/values.ts";

export type BinarySign = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "+" | "-" | "*" | "/" | "%";
export type LoopMacro = "all" | "exists" | "exists_one" | "map" | "filter";

export type Node =
  | { readonly op: "literal"; readonly value: Value }
  | { readonly op: "name"; readonly name: string }
  | { readonly op: "field"; readonly of: Node; readonly name: string; readonly optional: boolean }
  | { readonly op: "index"; readonly of: Node; readonly index: Node; readonly optional: boolean }
  /** `has(of.name)` */
  | { readonly op: "has"; readonly of: Node; readonly name: string }
  | { readonly op: "call"; readonly name: string; readonly receiver: Node | null; readonly args: Node[] }
  | { readonly op: "list"; readonly items: Node[] }
  | { readonly op: "map"; readonly entries: (readonly [Node, Node])[] }
  | { readonly op: "if"; readonly condition: Node; readonly yes: Node; readonly no: Node }
  | { readonly op: "and" | "or"; readonly left: Node; readonly right: Node }
  | { readonly op: "not" | "negate"; readonly of: Node }
  | { readonly op: "binary"; readonly sign: BinarySign; readonly left: Node; readonly right: Node }
  | {
      readonly op: "loop";
      readonly macro: LoopMacro;
      readonly range: Node;
      readonly variable: string;
      /** The middle argument of `map(x, filter, body)`. */
      readonly filter: Node | null;
      readonly body: Node;
    }
  /** `cel.bind(variable, value, body)` */
  | { readonly op: "bind"; readonly variable: string; readonly value: Node; readonly body: Node }
  /** `of.or(other)` is an optional, `of.orValue(other)` a plain value. */
  | { readonly op: "or_else"; readonly of: Node; readonly other: Node; readonly plain: boolean };
