// What the observer knows of a unit with `repeat`: which iteration it is in, and when a further one must begin.
import type { LogEventOf } from "../../../../src/core/execution/log-event.ts";
import { untilOf } from "../mapped/expressions.ts";
import { hold } from "./hold.ts";
import { nameOf, type Observed, type Sight } from "./stage.ts";

/** A call begins: of the iteration after the last one that ended, or of the same again. */
export function holdIteration(unit: Observed, event: LogEventOf<"stage.started">): void {
  const isNext = unit.attempt === 0;
  const expected = unit.spec.repeat === undefined ? undefined : unit.iteration + (isNext ? 1 : 0);
  const { iteration } = event.data;
  hold("repeat", iteration === expected, () => {
    return `${nameOf(unit)} begins iteration ${iteration}, not ${expected}`;
  });
  unit.iteration = expected ?? 0;
}

/** An iteration has ended, and its result is not good: a further one follows. */
export function iterated(observer: Sight, unit: Observed, event: LogEventOf<"stage.iterated">): void {
  const { iteration, spec, rescued } = unit;
  const name = nameOf(unit);
  const { data, internal } = event;
  hold("repeat", spec.repeat !== undefined && rescued === null, () => `${name} repeats for nothing`);
  hold("repeat", data.iteration === iteration, () => `${name} ends iteration ${data.iteration}`);
  hold("repeat", iteration < (spec.repeat?.max ?? 0), () => `${name} repeats after ${iteration} iterations`);
  hold("I5", event.attempt === unit.attempt, () => `${name} ends try ${event.attempt}`);
  observer.bytes += internal?.bytes ?? 0;
  unit.phase = "cut";
  unit.outside.reason = null;
  unit.shown = true;
  // Tries are each iteration's own.
  unit.attempt = 0;
  unit.tries = 0;
  unit.first = 0;
  unit.broken = 0;
  unit.previous = data.data;
  observer.recoveriesWithoutProgress = 0;
}

type Verdict = "completes" | "repeats" | "INVALID_PIPELINE_CONFIG" | "AGENT_PROCESSING_ERROR";

/** What a good answer makes of a unit: its end, a further iteration, or a failure with this code. */
export function verdictOn({ spec, rescued, iteration }: Observed, data: object): Verdict {
  const { repeat } = spec;
  if (repeat === undefined || rescued !== null) return "completes";
  const isGood = untilOf(repeat.until, { ...data }, iteration);
  if (isGood === null) return "INVALID_PIPELINE_CONFIG";
  if (isGood) return "completes";
  if (iteration < repeat.max) return "repeats";
  return repeat.on_max === "accept" ? "completes" : "AGENT_PROCESSING_ERROR";
}
