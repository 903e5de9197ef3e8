// I18 under a network that loses, repeats and delays messages, and under crashes of the shard, of runs and of Workers
// between any two steps: at most one run is admitted at any moment, and each one that was accepted comes to its end.
import { expect, test } from "vitest";
import { TIMINGS } from "../../../../src/core/timings.ts";
import { sizeOf } from "../../../support/sizes.ts";
import { noCounts, World } from "./world.ts";

const QUESTIONS = 14;
const ASKING_MS = 20_000;

/** @returns the runs in the order in which they ran */
async function simulate(seed: number, faults: number, counts = noCounts()): Promise<string[]> {
  const world = new World(seed, faults, counts);
  const { chance } = world;
  const ran: string[] = [];
  const check = () => {
    const running = [...world.runs.values()].filter(({ log }) => log === "running");
    const ids = running.map(({ execution_id }) => execution_id);
    for (const id of ids) if (!ran.includes(id)) ran.push(id);
    expect(ids.slice(1), `seed ${seed}: beside ${ids[0]}`).toEqual([]);
  };
  for (let at = 0; at < QUESTIONS; at += 1) {
    const id = `r${at}`;
    const on_busy = chance.pick(["queue", "queue", "queue", "reject", "interrupt"] as const);
    world.at(chance.below(8_000), () => world.ask(id, on_busy));
    // A caller that had no answer asks again.
    if (chance.below(4) === 0) world.at(chance.below(ASKING_MS), () => world.ask(id, on_busy));
    if (chance.below(8) === 0) world.at(chance.below(ASKING_MS), () => world.runs.get(id)?.instance.cancel());
  }
  for (let crashes = faults > 0 ? 4 : 0; crashes > 0; crashes -= 1) {
    world.at(chance.below(ASKING_MS), () => world.crashShard());
    for (const victim of [chance.below(QUESTIONS), chance.below(QUESTIONS)]) {
      world.at(chance.below(ASKING_MS), () => world.runs.get(`r${victim}`)?.crash());
    }
  }
  await world.run(world.now + ASKING_MS, check);
  world.faults = 0;
  // Places of runs that were never started are free after a minute, where another one asks for them.
  await world.run(world.now + 2 * TIMINGS.START_LOST_MS + QUESTIONS * TIMINGS.QUEUE_POLL_MS, check);
  const open = [...world.runs.values()].filter(({ log }) => log === "queued" || log === "running");
  expect(
    open.map(({ execution_id, log }) => `${execution_id} ${log}`),
    `seed ${seed}`,
  ).toEqual([]);
  world.disk.close();
  return ran;
}

test("a queue runs in the order in which its places were given", async () => {
  const world = new World(1, 0);
  const ran: string[] = [];
  for (let at = 0; at < 8; at += 1) world.at(at * 100, () => world.ask(`r${at}`, "queue"));
  await world.run(world.now + 60_000, () => {
    for (const { log, execution_id } of world.runs.values())
      if (log === "running" && !ran.includes(execution_id)) ran.push(execution_id);
  });
  expect(ran).toEqual(["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"]);
  world.disk.close();
});

test("at most one is admitted at any moment, and each that was accepted ends", async () => {
  const counts = noCounts();
  for (let seed = 1; seed <= sizeOf("ADMISSION_RUNS"); seed += 1)
    await simulate(seed, seed % 4 === 0 ? 0 : 12, counts);
  // Each fault was there, and each way to run.
  for (const [kind, count] of Object.entries(counts)) expect(count, kind).toBeGreaterThan(10);
});
