// The pure core against chance: random pipelines, agents that fail in every way or answer later, stages that ask people,
// who answer early, late, twice or not as they should, verbs at any moment, crashes after every effect, on a virtual
// clock; in half of the runs stages that map lists and stages that repeat. The assertions are I1 to I12, I15, I17 and I20 of
// src/README.md section 4 (simulation/observer.ts, simulation/observed/, simulation/audit.ts and simulation/outside/ name
// them), what `map` and `repeat` promise, and that the committed log gives back the state.
//
// SIMULATION_RUNS sets how many, SIMULATION_SEED where they begin; SIMULATION_REPLAY=SEED:SIZE runs a single one.
import { assert as assertProperty, integer, oneof, property } from "fast-check";
import { expect, test } from "vitest";
import { sizeOf } from "../support/sizes.ts";
import { drawScenario } from "./simulation/scenario.ts";
import { Tally } from "./simulation/tally.ts";
import { World } from "./simulation/world.ts";

const RUNS = sizeOf("SIMULATION_RUNS");
const SEED = Number(process.env["SIMULATION_SEED"] ?? 20_261_123);
const REPLAY = process.env["SIMULATION_REPLAY"];

/** What must have happened often enough to mean anything. */
const FAULTS = [
  "unregistered",
  "not_callable",
  "rejected",
  "timeout",
  "truncated",
  "status",
  "stream_error",
  "contract",
  "body_too_large",
  "result_too_large",
  "context_too_large",
  "call aborted",
  "late answer",
  "fallback",
  "nothing_cached",
  "refused",
  "clock set back",
  "crash in start",
  "crash in answer",
  "crash in tick",
  "crash in recover",
  "crash in pause",
  "crash in resume",
  "crash in cancel",
  "crash in signal",
  "crash in callback",
  "crash in heartbeat",
  "answer: early",
  "answer: the same again",
  "answer: another one",
  "answer: at expires_at or later",
  "answer: too late",
  "answer: to another question",
  "answer: to an agent's stage",
  "answer: not as the schema says",
  "answer: too large",
  "no answer: stage.failed",
  "no answer: stage.completed",
  "no answer: stage.skipped",
  "no answer: stage.fallback",
  "callback: before the 202",
  "callback: to a call that a crash repeated",
  "callback: the same again",
  "callback: another one",
  "callback: at expires_at or later",
  "callback: of a try that has ended",
  "heartbeat: of a try that has ended",
  "no callback",
  "no heartbeat",
  "no place to come back to",
  "pause while it waits",
  "resume while it waits",
  "cancel while it waits",
];

/** What befell items and iterations. */
const UNITS = [
  "crash with items in flight",
  "crash between iterations",
  "item failed in fail",
  "item failed in collect",
  "item aborted by its sibling",
  "item called again",
  "item tried again",
  "item falls back",
  "item waits for its callback",
  "callback of an item",
  "iteration: a further one",
  "iteration: called again",
  "iteration: the last one is taken",
  "map: all items",
  "map: no item",
  "map: no list, INVALID_PIPELINE_CONFIG",
  "map: no list, RESOURCE_EXHAUSTED",
  "on_max: fail",
  "until: an error",
  "no place for a further item",
];

/** What went well, and must have come as often. */
const WELL = ["complete", "fail", "202", "callback", "failed callback", "heartbeat"];

const size = oneof(
  { weight: 75, arbitrary: integer({ min: 1, max: 7 }) },
  { weight: 22, arbitrary: integer({ min: 8, max: 18 }) },
  { weight: 3, arbitrary: integer({ min: 19, max: 64 }) },
);

function simulate(seed: number, stages: number, tally: Tally): void {
  const before = tally.total;
  try {
    new World(drawScenario(seed, stages, true, true, true), tally).run();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${message} (SIMULATION_REPLAY=${seed}:${stages})`, { cause });
  }
  if (tally.total === before) throw new Error(`no fault was injected (SIMULATION_REPLAY=${seed}:${stages})`);
}

if (REPLAY === undefined) {
  test(`I1 to I12, I15, I17 and I20 hold in ${RUNS} simulated runs, each with a fault`, {
    timeout: 60_000 + RUNS * 20,
  }, () => {
    const tally = new Tally();
    const holds = property(integer(), size, (seed, stages) => simulate(seed, stages, tally));
    const began = performance.now();
    assertProperty(holds, { numRuns: RUNS, seed: SEED, includeErrorInReport: true });
    console.log(`${String(tally)}\n  ${Math.round(performance.now() - began)} ms, seed ${SEED}`);
    expect(tally.runs).toBe(RUNS);
    for (const kind of FAULTS) expect(tally.faults.get(kind) ?? 0, kind).toBeGreaterThan(RUNS / 2_000);
    for (const kind of UNITS) expect(tally.units.get(kind) ?? 0, kind).toBeGreaterThan(RUNS / 500);
    for (const kind of WELL) expect(tally.verbs.get(kind) ?? 0, kind).toBeGreaterThan(RUNS / 200);
    for (const end of ["completed", "failed", "cancelled"]) {
      expect(tally.ends.get(end) ?? 0, end).toBeGreaterThan(RUNS / 20);
    }
  });
} else {
  test(`the run ${REPLAY} holds`, () => {
    const [seed, stages] = REPLAY.split(":").map(Number);
    simulate(seed as number, stages as number, new Tally());
  });
}
