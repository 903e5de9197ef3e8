// The definition of a function of expressions: its name, the kinds of its arguments and its result, its code.
import type { Meter } from "../evaluate/meter.ts";
import type { Fault, Kind, Value } from "../values/values.ts";

/** A method's first argument is its receiver. */
export type Implementation = (args: readonly Value[], meter: Meter) => Value | Fault;

export type Definition = readonly [
  name: string,
  params: readonly (Kind | "dyn")[],
  result: Kind | "dyn",
  run: Implementation,
];
