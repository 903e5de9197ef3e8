// The state of one evaluation, and the function that computes a node in it.
import type { Meter } from "./meter.ts";
import { Fault, type Value } from "../values/values.ts";
import { nameOf } from "./operators.ts";

/** One evaluation: its budget, its variables, and the values of the variables of loops and cel.bind. */
export interface Frame {
  readonly meter: Meter;
  readonly scope: Readonly<Record<string, unknown>>;
  readonly slots: Value[];
}

export type Run = (frame: Frame) => Value | Fault;

/** Literals and names cost nothing by themselves: the price of their operation includes them. */
export const STEPS = {
  OPERATION: 1,
  /** A key that is computed is sought among the engine's names first. */
  INDEX: 3,
  CALL: 6,
  ITERATION: 1,
  /** Of a map that is written down. */
  ENTRY: 3,
  /** One whose key is computed: to the engine each new set of keys is a shape, which it makes in 0.5 µs. */
  COMPUTED_ENTRY: 14,
} as const;

export function notBool(what: string, value: Value): Fault {
  return new Fault(() => `${what} must be bool, not ${nameOf(value)}`);
}
