// The macros that loop: `all`, `exists`, `exists_one`, `map` and `filter` over the items of a list or the keys of a
// map.
import type { LoopMacro } from "../parse/ast.ts";
import { type Frame, notBool, type Run, STEPS } from "./frame.ts";
import { Fault, type Value } from "../values/values.ts";

type Each = (items: readonly Value[], frame: Frame) => Value | Fault;

/** The compiled macro. @param slot slot of the loop variable */
export function eachOf(macro: LoopMacro, filter: Run | null, body: Run, slot: number): Each {
  switch (macro) {
    case "all":
      return quantifier(false, body, slot);
    case "exists":
      return quantifier(true, body, slot);
    case "exists_one":
      return existsOne(body, slot);
    case "map":
      return mapped(filter, body, slot);
    case "filter":
      return filtered(body, slot);
  }
}

/** `all` and `exists`. An item that decides the result does so even if other items are faults. */
function quantifier(deciding: boolean, body: Run, slot: number): Each {
  return (items, frame) => {
    let fault: Fault | null = null;
    for (const item of items) {
      const value = step(item, body, slot, frame);
      if (value === deciding) return deciding;
      if (value instanceof Fault) fault ??= value;
      else if (typeof value !== "boolean") fault ??= notBool("a loop's predicate", value);
    }
    return fault ?? !deciding;
  };
}

function existsOne(body: Run, slot: number): Each {
  return (items, frame) => {
    let found = 0;
    for (const item of items) {
      const value = step(item, body, slot, frame);
      if (value instanceof Fault) return value;
      if (typeof value !== "boolean") return notBool("a loop's predicate", value);
      if (value) found += 1;
    }
    return found === 1;
  };
}

function mapped(filter: Run | null, body: Run, slot: number): Each {
  return (items, frame) => {
    const made: Value[] = [];
    for (const item of items) {
      const wanted = filter === null ? true : step(item, filter, slot, frame);
      if (wanted instanceof Fault) return wanted;
      if (typeof wanted !== "boolean") return notBool("a loop's predicate", wanted);
      if (!wanted) continue;
      const value = step(item, body, slot, frame);
      if (value instanceof Fault) return value;
      keep(made, value, frame);
    }
    return made;
  };
}

function filtered(body: Run, slot: number): Each {
  return (items, frame) => {
    const made: Value[] = [];
    for (const item of items) {
      const wanted = step(item, body, slot, frame);
      if (wanted instanceof Fault) return wanted;
      if (typeof wanted !== "boolean") return notBool("a loop's predicate", wanted);
      if (wanted) keep(made, item, frame);
    }
    return made;
  };
}

function step(item: Value, body: Run, slot: number, frame: Frame): Value | Fault {
  frame.meter.spend(STEPS.ITERATION);
  frame.slots[slot] = item;
  return body(frame);
}

function keep(made: Value[], value: Value, frame: Frame): void {
  made.push(value);
  frame.meter.chargeLength(made.length);
}
