// Checks an expression before it is stored: its names, functions and kinds, loops nested over data, and the cost that
// its text alone implies. Data is assumed to be as small as possible, so that the check refuses no expression that
// could be evaluated.
import { LIMITS } from "../../../contract/limits.ts";
import type { Node } from "../parse/ast.ts";
import { noFunction, overloadsOf } from "../functions/functions.ts";
import { CHARS } from "../evaluate/meter.ts";
import { binaryType } from "./operator-types.ts";
import { DYN, mayBe, of, ofValue, simple, type Type, unify } from "./types.ts";
import { Fault, type Kind, quoted, TYPE_NAMES, type Value } from "../values/values.ts";

/** The static knowledge about a value. */
interface Known {
  readonly type: Type;
  /** Bounds of its length, if it has one. */
  readonly least: number;
  readonly most: number;
  /** A part of a loop's current item: all loops over such parts together take as many steps as the data is long. */
  readonly partial: boolean;
}

interface Local {
  readonly name: string;
  readonly known: Known;
  readonly outer: Local | null;
}

/** A variable of an expression. A text or list in it has at least `least` characters or items. */
interface Variable {
  readonly kind: Kind | "dyn";
  readonly least?: number;
}
export type Variables = Readonly<Record<string, Variable>>;

/** The type of an expression's value, or the error of the check. */
export function check(root: Node, variables: Variables): Kind | "dyn" | Fault {
  try {
    return new Checker(variables).known(root, null).type.kind;
  } catch (cause) {
    if (cause instanceof Refused) return new Fault(cause.message);
    throw cause;
  }
}

/** Ends the walk over the tree. */
class Refused extends Error {}

class Checker {
  private readonly variables: Variables;
  /** Steps that the text alone implies. */
  private steps = 0;
  /** How often the current node is evaluated: the product of the enclosing loops' lengths that the text gives. */
  private times = 1;
  /** Enclosing loops over data, whose length is unknown. */
  private loops = 0;

  constructor(variables: Variables) {
    this.variables = variables;
  }

  known(node: Node, locals: Local | null): Known {
    const known = this.node(node, locals);
    this.charge(1);
    if (known.type.kind === "string" && known.least > LIMITS.EXPRESSION_TEXT_CHARS && node.op !== "name") {
      throw tooCostly(`a text of ${LIMITS.EXPRESSION_TEXT_CHARS} characters`);
    }
    if (known.type.kind === "list" && known.least > LIMITS.EXPRESSION_ITEMS && node.op !== "name") {
      throw tooCostly(`a list of ${LIMITS.EXPRESSION_ITEMS} items`);
    }
    return known;
  }

  private node(node: Node, locals: Local | null): Known {
    switch (node.op) {
      case "literal":
        return { ...any(ofValue(node.value)), ...lengthOf(node.value) };
      case "name":
        return this.name(node.name, locals);
      case "field": {
        const holder = this.known(node.of, locals);
        return part(holder, this.member(holder, simple("string"), node.name), node.optional);
      }
      case "index": {
        const holder = this.known(node.of, locals);
        const index = this.known(node.index, locals);
        return part(holder, this.member(holder, index.type, null), node.optional);
      }
      case "has":
        this.known(node.of, locals);
        return any(simple("bool"));
      case "call":
        return this.call(node, locals);
      case "list": {
        const items = node.items.map((item) => this.known(item, locals).type);
        const type = of(
          "list",
          items.reduce((left, right) => unify(left, right) ?? DYN, items[0] ?? DYN),
        );
        return { ...any(type), least: items.length, most: items.length };
      }
      case "map":
        return this.map(node, locals);
      case "if": {
        this.expect(this.known(node.condition, locals), "bool", "a condition");
        return this.either(this.known(node.yes, locals), this.known(node.no, locals), "the two sides of ? :");
      }
      case "and":
      case "or":
        this.expect(this.known(node.left, locals), "bool", "a side of && or ||");
        this.expect(this.known(node.right, locals), "bool", "a side of && or ||");
        return any(simple("bool"));
      case "not":
        return any(this.expect(this.known(node.of, locals), "bool", "the operand of !"));
      case "negate": {
        const { type } = this.known(node.of, locals);
        if (!mayBe(type, "int") && !mayBe(type, "double")) throw new Refused(`no operation -${type.kind}`);
        return any(type);
      }
      case "binary":
        return this.binary(node, locals);
      case "loop":
        return this.loop(node, locals);
      case "bind": {
        const known = this.known(node.value, locals);
        return this.known(node.body, { name: node.variable, known, outer: locals });
      }
      case "or_else": {
        const optional = this.known(node.of, locals);
        this.expect(optional, "optional", node.plain ? "the receiver of orValue" : "the receiver of or");
        const value = any(optional.type.item ?? DYN);
        const other = this.known(node.other, locals);
        if (node.plain) return this.either(value, other, "a value and the argument of orValue");
        this.expect(other, "optional", "the argument of or");
        return any(optional.type);
      }
    }
  }

  private name(name: string, locals: Local | null): Known {
    for (let local = locals; local !== null; local = local.outer) if (local.name === name) return local.known;
    if (Object.hasOwn(this.variables, name)) {
      const { kind, least = 0 } = this.variables[name] as Variable;
      return { ...any(simple(kind)), least };
    }
    const type = TYPE_NAMES.get(name);
    if (type !== undefined) return any(ofValue(type));
    throw new Refused(`unknown variable ${quoted(name)}; known: ${Object.keys(this.variables).join(", ")}`);
  }

  private map({ entries }: Extract<Node, { op: "map" }>, locals: Local | null): Known {
    let type: Type | null = null;
    for (const [key, value] of entries) {
      const { kind } = this.known(key, locals).type;
      if (!KEY_KINDS.has(kind)) throw new Refused(`a map cannot have a key of type ${kind}`);
      const held = this.known(value, locals).type;
      type = type === null ? held : (unify(type, held) ?? DYN);
    }
    return { ...any(of("map", type ?? DYN)), least: entries.length, most: entries.length };
  }

  /** The type of a field or an item of a value. */
  private member(holder: Known, index: Type, field: string | null): Type {
    const type = holder.type.kind === "optional" ? (holder.type.item ?? DYN) : holder.type;
    if (type.kind === "dyn") return DYN;
    if (type.kind === "map") return type.item ?? DYN;
    if (type.kind === "list" && (mayBe(index, "int") || mayBe(index, "double"))) return type.item ?? DYN;
    if (type.kind === "list")
      throw new Refused(`a list has no ${field === null ? index.kind : quoted(field)} index`);
    throw new Refused(`${type.kind} has no field${field === null ? "" : ` ${quoted(field)}`}`);
  }

  private call({ name, receiver, args }: Extract<Node, { op: "call" }>, locals: Local | null): Known {
    const namespaced =
      receiver?.op === "name" && receiver.name === "optional" && find("optional", locals) === null;
    const method = receiver !== null && !namespaced;
    const called = namespaced ? `optional.${name}` : name;
    const given = (method ? [receiver, ...args] : args).map((arg) => this.known(arg, locals));
    const overloads = overloadsOf(called, method, given.length);
    if (overloads.length === 0) throw new Refused(noFunction(called, args.length).message);
    const fitting = overloads.filter(({ params }) =>
      params.every((param, at) => mayBe((given[at] as Known).type, param)),
    );
    const [first, ...others] = fitting.map(({ result }) => simple(result));
    if (first === undefined) {
      throw new Refused(`no function ${called}(${given.map(({ type }) => type.kind).join(", ")})`);
    }
    for (const { least } of given) this.charge(least / CHARS.COPIED);
    if (called === "optional.of") return any(of("optional", (given[0] as Known).type));
    return any(others.reduce((left, right) => unify(left, right) ?? DYN, first));
  }

  private binary({ sign, left, right }: Extract<Node, { op: "binary" }>, locals: Local | null): Known {
    const a = this.known(left, locals);
    const b = this.known(right, locals);
    const type = binaryType(sign, a.type, b.type);
    if (type === null) throw new Refused(`no operation ${a.type.kind} ${sign} ${b.type.kind}`);
    if (sign !== "+" || (type.kind !== "string" && type.kind !== "list")) return any(type);
    const least = a.least + b.least;
    this.charge(type.kind === "list" ? least : least / CHARS.COPIED);
    return {
      ...any(type.kind === "list" ? (unify(a.type, b.type) ?? type) : type),
      least,
      most: a.most + b.most,
    };
  }

  private loop(node: Extract<Node, { op: "loop" }>, locals: Local | null): Known {
    const { macro, variable } = node;
    const range = this.known(node.range, locals);
    if (!mayBe(range.type, "list") && !mayBe(range.type, "map")) {
      throw new Refused(`${macro} over ${range.type.kind}, which is neither a list nor a map`);
    }
    const isLong = range.most === Number.POSITIVE_INFINITY;
    if (this.loops > 0 && isLong && !range.partial) {
      throw new Refused(
        `${macro} inside another loop is supported only over a part of that loop's item or a list of known length`,
      );
    }
    const item = range.type.kind === "map" ? simple("string") : (range.type.item ?? DYN);
    const local = { name: variable, known: { ...any(item), partial: true }, outer: locals };
    const before = this.times;
    this.times *= Math.max(1, range.least);
    if (isLong) this.loops += 1;
    this.charge(1);
    if (node.filter !== null) this.expect(this.known(node.filter, local), "bool", `the filter of ${macro}`);
    const body = this.known(node.body, local);
    if (isLong) this.loops -= 1;
    this.times = before;
    if (macro === "map") {
      const least = node.filter === null ? range.least : 0;
      return { ...range, type: of("list", body.type), least };
    }
    this.expect(body, "bool", `the predicate of ${macro}`);
    if (macro !== "filter") return any(simple("bool"));
    return { ...range, type: range.type.kind === "map" ? of("list", item) : unlessDyn(range.type), least: 0 };
  }

  /** The knowledge about a value that is one of two. */
  private either(left: Known, right: Known, what: string): Known {
    const type = unify(left.type, right.type);
    const isNull = left.type.kind === "null" || right.type.kind === "null";
    if (type === null && !isNull) {
      throw new Refused(`${what} must be of one type, not ${left.type.kind} and ${right.type.kind}`);
    }
    return {
      type: type ?? DYN,
      least: Math.min(left.least, right.least),
      most: Math.max(left.most, right.most),
      partial: left.partial && right.partial,
    };
  }

  private expect({ type }: Known, kind: Kind, what: string): Type {
    if (mayBe(type, kind)) return simple(kind);
    throw new Refused(`${what} must be ${kind}, not ${type.kind}`);
  }

  private charge(steps: number): void {
    this.steps += steps * this.times;
    if (this.steps > LIMITS.EXPRESSION_STEPS) throw tooCostly(`${LIMITS.EXPRESSION_STEPS} steps`);
  }
}

const KEY_KINDS: ReadonlySet<Kind | "dyn"> = new Set(["string", "int", "uint", "double", "bool", "dyn"]);

function any(type: Type): Known {
  return { type, least: 0, most: Number.POSITIVE_INFINITY, partial: false };
}

/** A part of a part of an item is a part of that item. */
function part(holder: Known, type: Type, optional: boolean): Known {
  const isOptional = optional || holder.type.kind === "optional";
  const held = isOptional && type.kind !== "optional" ? of("optional", type) : type;
  return { ...any(held), partial: holder.partial };
}

function lengthOf(value: Value): { least: number; most: number } {
  const length = typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
  return { least: length, most: length };
}

function find(name: string, locals: Local | null): Local | null {
  for (let local = locals; local !== null; local = local.outer) if (local.name === name) return local;
  return null;
}

/** A filter over a list or a map returns a list. */
function unlessDyn(type: Type): Type {
  return type.kind === "dyn" ? simple("list") : type;
}

function tooCostly(limit: string): Refused {
  return new Refused(`exceeds the cost limit of an expression (${limit})`);
}
