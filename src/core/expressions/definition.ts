// What a function of expressions is: its name, the kinds that it takes and gives, and its work.
import type { Meter } from "./meter.ts";
import type { Fault, Kind, Value } from "./values.ts";

/** A method's first argument is what it is called on. */
export type Implementation = (args: readonly Value[], meter: Meter) => Value | Fault;

export type Definition = readonly [
  name: string,
  params: readonly (Kind | "dyn")[],
  result: Kind | "dyn",
  run: Implementation,
];
