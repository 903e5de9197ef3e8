// Compiles an expression's tree to functions. Names are resolved once, here. At the evaluation a node only does its own
// operation and charges it to the meter.
import { at, optionalAt } from "./access.ts";
import type { Node } from "../parse/ast.ts";
import { notBool, type Run, STEPS } from "./frame.ts";
import { noFunction, type Overload, overloadsOf } from "../functions/functions.ts";
import { eachOf } from "./loops.ts";
import { binary, keyOf, nameOf, negate } from "./operators.ts";
import {
  Fault,
  FORBIDDEN_KEYS,
  isMap,
  kindOf,
  type MapValue,
  Optional,
  quoted,
  TYPE_NAMES,
  type Value,
} from "../values/values.ts";

/** The variables of the loops and bindings that enclose a node, the innermost first. */
interface Local {
  readonly name: string;
  readonly slot: number;
  readonly outer: Local | null;
}

/** The compiled expression, and the number of slots that its frame needs. */
export function compile(root: Node): { run: Run; slots: number } {
  const compiler = new Compiler();
  const run = compiler.node(root, null);
  return { run, slots: compiler.slots };
}

class Compiler {
  slots = 0;

  node(node: Node, locals: Local | null): Run {
    switch (node.op) {
      case "literal":
        return constant(node.value);
      case "name":
        return this.name(node.name, locals);
      case "field":
        return this.field(node, locals);
      case "index":
        return this.index(node, locals);
      case "has":
        return has(this.node(node.of, locals), node.name);
      case "call":
        return this.call(node, locals);
      case "list":
        return list(node.items.map((item) => this.node(item, locals)));
      case "map":
        return map(
          node.entries.map(([key, value]) => ({
            key: this.node(key, locals),
            value: this.node(value, locals),
            steps: key.op === "literal" ? STEPS.ENTRY : STEPS.COMPUTED_ENTRY,
          })),
        );
      case "if":
        return choice(
          this.node(node.condition, locals),
          this.node(node.yes, locals),
          this.node(node.no, locals),
        );
      case "and":
        return logical(false, this.node(node.left, locals), this.node(node.right, locals));
      case "or":
        return logical(true, this.node(node.left, locals), this.node(node.right, locals));
      case "not":
        return unary(this.node(node.of, locals), not);
      case "negate":
        return unary(this.node(node.of, locals), negate);
      case "binary": {
        const left = this.node(node.left, locals);
        const right = this.node(node.right, locals);
        const { sign } = node;
        return (frame) => {
          const a = left(frame);
          if (a instanceof Fault) return a;
          const b = right(frame);
          if (b instanceof Fault) return b;
          frame.meter.spend(STEPS.OPERATION);
          return binary(sign, a, b, frame.meter);
        };
      }
      case "loop":
        return this.loop(node, locals);
      case "bind": {
        const value = this.node(node.value, locals);
        const local = this.local(node.variable, locals);
        const body = this.node(node.body, local);
        return (frame) => {
          const bound = value(frame);
          if (bound instanceof Fault) return bound;
          frame.meter.spend(STEPS.OPERATION);
          frame.slots[local.slot] = bound;
          return body(frame);
        };
      }
      case "or_else":
        return orElse(this.node(node.of, locals), this.node(node.other, locals), node.plain);
    }
  }

  private local(name: string, outer: Local | null): Local {
    const slot = this.slots;
    this.slots += 1;
    return { name, slot, outer };
  }

  private name(name: string, locals: Local | null): Run {
    for (let local = locals; local !== null; local = local.outer) {
      if (local.name !== name) continue;
      const { slot } = local;
      return (frame) => frame.slots[slot] as Value;
    }
    const fallback = TYPE_NAMES.get(name) ?? new Fault(() => `unknown variable ${quoted(name)}`);
    return ({ scope }) => (Object.hasOwn(scope, name) ? (scope[name] as Value) : fallback);
  }

  private field({ of, name, optional }: Extract<Node, { op: "field" }>, locals: Local | null): Run {
    const value = this.node(of, locals);
    return (frame) => {
      const holder = value(frame);
      if (holder instanceof Fault) return holder;
      frame.meter.spend(STEPS.OPERATION);
      return optional ? optionalAt(holder, name, frame.meter) : at(holder, name, frame.meter);
    };
  }

  private index({ of, index, optional }: Extract<Node, { op: "index" }>, locals: Local | null): Run {
    const value = this.node(of, locals);
    const position = this.node(index, locals);
    return (frame) => {
      const holder = value(frame);
      if (holder instanceof Fault) return holder;
      const key = position(frame);
      if (key instanceof Fault) return key;
      frame.meter.spend(STEPS.INDEX);
      return optional ? optionalAt(holder, key, frame.meter) : at(holder, key, frame.meter);
    };
  }

  private call({ name, receiver, args }: Extract<Node, { op: "call" }>, locals: Local | null): Run {
    const namespaced =
      receiver?.op === "name" && receiver.name === "optional" && !isLocal("optional", locals);
    const method = receiver !== null && !namespaced;
    const called = namespaced ? `optional.${name}` : name;
    const values = (method ? [receiver, ...args] : args).map((arg) => this.node(arg, locals));
    const overloads = overloadsOf(called, method, values.length);
    if (overloads.length === 0) return constant(noFunction(called, args.length));
    return (frame) => {
      const given: Value[] = [];
      for (const value of values) {
        const arg = value(frame);
        if (arg instanceof Fault) return arg;
        given.push(arg);
      }
      frame.meter.spend(STEPS.CALL);
      const overload = matching(overloads, given);
      if (overload !== null) return overload.run(given, frame.meter);
      return new Fault(() => `no function ${called}(${given.map(nameOf).join(", ")})`);
    };
  }

  private loop(node: Extract<Node, { op: "loop" }>, locals: Local | null): Run {
    const range = this.node(node.range, locals);
    const local = this.local(node.variable, locals);
    const filter = node.filter === null ? null : this.node(node.filter, local);
    const body = this.node(node.body, local);
    const each = eachOf(node.macro, filter, body, local.slot);
    return (frame) => {
      const holder = range(frame);
      if (holder instanceof Fault) return holder;
      frame.meter.spend(STEPS.OPERATION);
      if (Array.isArray(holder)) return each(holder as readonly Value[], frame);
      if (isMap(holder)) return each(frame.meter.keys(holder), frame);
      return new Fault(() => `${node.macro} over ${nameOf(holder)}, which is neither a list nor a map`);
    };
  }
}

function isLocal(name: string, locals: Local | null): boolean {
  for (let local = locals; local !== null; local = local.outer) if (local.name === name) return true;
  return false;
}

function constant(value: Value | Fault): Run {
  return () => value;
}

function matching(overloads: readonly Overload[], args: readonly Value[]): Overload | null {
  for (const overload of overloads) if (takes(overload, args)) return overload;
  return null;
}

function takes({ params }: Overload, args: readonly Value[]): boolean {
  for (let at = 0; at < params.length; at += 1) {
    if (params[at] !== "dyn" && params[at] !== kindOf(args[at])) return false;
  }
  return true;
}

function has(value: Run, name: string): Run {
  return (frame) => {
    const holder = value(frame);
    if (holder instanceof Fault) return holder;
    frame.meter.spend(STEPS.OPERATION);
    const held = holder instanceof Optional ? holder.value : holder;
    return isMap(held) && Object.hasOwn(held, name);
  };
}

function list(items: readonly Run[]): Run {
  return (frame) => {
    frame.meter.spend(STEPS.OPERATION);
    const values: Value[] = [];
    for (const item of items) {
      const value = item(frame);
      if (value instanceof Fault) return value;
      frame.meter.spend(STEPS.OPERATION);
      values.push(value);
    }
    return values;
  };
}

function map(entries: readonly { key: Run; value: Run; steps: number }[]): Run {
  return (frame) => {
    const made: Record<string, Value> = {};
    frame.meter.spend(STEPS.OPERATION);
    for (const { key, value, steps } of entries) {
      const given = key(frame);
      if (given instanceof Fault) return given;
      const name = keyOf(given, frame.meter);
      if (name === null || FORBIDDEN_KEYS.has(name)) {
        return new Fault(() => `a map cannot have the key ${name ?? nameOf(given)}`);
      }
      const held = value(frame);
      if (held instanceof Fault) return held;
      frame.meter.spend(steps);
      made[name] = held;
    }
    return made satisfies MapValue;
  };
}

function choice(condition: Run, yes: Run, no: Run): Run {
  return (frame) => {
    const chosen = condition(frame);
    if (chosen instanceof Fault) return chosen;
    frame.meter.spend(STEPS.OPERATION);
    if (typeof chosen !== "boolean") return notBool("a condition", chosen);
    return chosen ? yes(frame) : no(frame);
  };
}

/** `||` and `&&`. A side that decides the result does so even if the other side is a fault. */
function logical(deciding: boolean, left: Run, right: Run): Run {
  return (frame) => {
    const a = left(frame);
    if (a === deciding) return deciding;
    frame.meter.spend(STEPS.OPERATION);
    const b = right(frame);
    if (b === deciding) return deciding;
    if (a instanceof Fault) return a;
    if (typeof a !== "boolean") return notBool("a side of && or ||", a);
    if (b instanceof Fault || typeof b === "boolean") return b;
    return notBool("a side of && or ||", b);
  };
}

function unary(of: Run, apply: (value: Value) => Value | Fault): Run {
  return (frame) => {
    const value = of(frame);
    if (value instanceof Fault) return value;
    frame.meter.spend(STEPS.OPERATION);
    return apply(value);
  };
}

function not(value: Value): Value | Fault {
  return typeof value === "boolean" ? !value : new Fault(() => `no operation !${nameOf(value)}`);
}

function orElse(of: Run, other: Run, plain: boolean): Run {
  return (frame) => {
    const value = of(frame);
    if (value instanceof Fault) return value;
    frame.meter.spend(STEPS.OPERATION);
    const name = plain ? "orValue" : "or";
    if (!(value instanceof Optional))
      return new Fault(() => `${name} of ${nameOf(value)}, which is not an optional`);
    if (value.value !== undefined) return plain ? value.value : value;
    const alternative = other(frame);
    if (plain || alternative instanceof Fault || alternative instanceof Optional) return alternative;
    return new Fault(() => `or(${nameOf(alternative)}), which is not an optional`);
  };
}
