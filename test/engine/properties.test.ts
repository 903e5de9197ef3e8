// The real driver, log and feed on a simulated platform: group commits, one alarm, crashes at every effect, evictions,
// agents that answer late or hang, readers that come and go. simulation/run.ts holds I1, I4, I5, I7 to I11, I13
// and I15.
//
// DRIVER_RUNS sets how many, SIMULATION_SEED where they begin; DRIVER_REPLAY=SEED:SIZE runs a single one.
import { assert as assertProperty, asyncProperty, integer } from "fast-check";
import { expect, test } from "vitest";
import { Tally } from "../core/simulation/tally.ts";
import { sizeOf } from "../support/sizes.ts";
import { DriverRun } from "./simulation/run.ts";

const RUNS = sizeOf("DRIVER_RUNS");
const SEED = Number(process.env["SIMULATION_SEED"] ?? 20_261_123);
const REPLAY = process.env["DRIVER_REPLAY"];

/** What must have happened for the proof to mean anything. */
const FAULTS = [
  "crash in commit",
  "crash in append",
  "crash in alarm.set",
  "crash in agents.call",
  "crash in timer",
  "evicted",
  "call aborted",
  "late answer",
  "status",
  "rejected",
  "truncated",
  "contract",
  "record refused",
  "report refused",
  "agent held",
  "call held back",
  "call queued",
  "queue full",
  "turn lost",
];

/** What must have befallen items and iterations. */
const UNITS = [
  "item failed in fail",
  "item failed in collect",
  "item aborted by its sibling",
  "item tried again",
  "item called again",
  "iteration: a further one",
  "iteration: called again",
  "map: all items",
];

async function simulate(seed: number, stages: number, tally: Tally): Promise<void> {
  const before = tally.total;
  try {
    await new DriverRun(seed, stages, tally).run();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${message} (DRIVER_REPLAY=${seed}:${stages})`, { cause });
  }
  if (tally.total === before) throw new Error(`no fault was injected (DRIVER_REPLAY=${seed}:${stages})`);
}

if (REPLAY === undefined) {
  test(`I1 to I11 and I15 hold in ${RUNS} runs of the driver, each with a fault`, {
    timeout: 60_000 + RUNS * 50,
  }, async () => {
    const tally = new Tally();
    const size = integer({ min: 1, max: 9 });
    const holds = asyncProperty(integer(), size, (seed, stages) => simulate(seed, stages, tally));
    const began = performance.now();
    await assertProperty(holds, { numRuns: RUNS, seed: SEED, includeErrorInReport: true });
    console.log(`${String(tally)}\n  ${Math.round(performance.now() - began)} ms, seed ${SEED}`);
    expect(tally.runs).toBe(RUNS);
    for (const kind of FAULTS) expect(tally.faults.get(kind) ?? 0, kind).toBeGreaterThan(RUNS / 1_000);
    for (const kind of UNITS) expect(tally.units.get(kind) ?? 0, kind).toBeGreaterThan(RUNS / 1_000);
    for (const end of ["completed", "failed", "cancelled"]) {
      expect(tally.ends.get(end) ?? 0, end).toBeGreaterThan(RUNS / 50);
    }
  });
} else {
  test(`the driver's run ${REPLAY} holds`, async () => {
    const [seed, stages] = REPLAY.split(":").map(Number);
    await simulate(seed as number, stages as number, new Tally());
  });
}
