// The budget of many isolates under lost and late messages, crashes, restarts and clocks that are set back: in no window
// do its runs cost more than it, what is lent and the calls in flight; and it is used again after each window.
import { expect, test } from "vitest";
import { sizeOf } from "../../support/sizes.ts";
import { noCounts, TERMS, WINDOW_MS, World } from "./simulation/world.ts";

const SPENDING_MS = 4 * WINDOW_MS;

async function simulate(seed: number, faults: number, counts = noCounts()): Promise<World> {
  const world = new World(seed, faults, counts);
  const { chance } = world;
  if (faults > 0) {
    for (let made = 0; made < 4; made += 1) {
      const at = () => chance.below(SPENDING_MS);
      world.time.after(at(), () => world.crash(chance.below(6)));
      world.time.after(at(), () => world.restart());
      world.time.after(at(), () => world.setBack(chance.below(6), chance.below(2 * WINDOW_MS)));
      world.time.after(at(), () => world.setBack("object", chance.below(2 * WINDOW_MS)));
    }
  }
  let most = 0;
  await world.run(SPENDING_MS, () => {
    const { counted } = world;
    most = Math.max(most, counted);
    if (counted > world.most) expect(counted, `seed ${seed}`).toBeLessThanOrEqual(world.most);
  });
  // It is used up, so that the bound is reached.
  expect(most, `seed ${seed}`).toBeGreaterThan(TERMS.cost_usd * 0.9);
  return world;
}

test("in no window is more spent than the budget, what is lent, and the calls in flight", async () => {
  const counts = noCounts();
  for (let seed = 1; seed <= sizeOf("SPENDING_RUNS"); seed += 1)
    await simulate(seed, seed % 4 === 0 ? 0 : 20, counts);
  // Each fault was there.
  for (const [kind, count] of Object.entries(counts)) expect(count, kind).toBeGreaterThan(10);
});

test("isolates that crash again and again, each with a loan that it has not reported, spend no more", async () => {
  const world = new World(7, 0);
  for (let ms = 500; ms < 2 * WINDOW_MS; ms += 500)
    world.time.after(ms, () => world.crash(world.chance.below(6)));
  let most = 0;
  await world.run(2 * WINDOW_MS, () => {
    const { counted } = world;
    most = Math.max(most, counted);
    if (counted > world.most) expect(counted).toBeLessThanOrEqual(world.most);
  });
  expect(most).toBeGreaterThan(1);
  expect(world.counts.refused).toBeGreaterThan(10);
});

test("nothing starves: after a window and a lease all of the budget is there again", async () => {
  for (const seed of [1, 2]) {
    const world = await simulate(seed, 20);
    world.faults = 0;
    world.stop();
    await world.run(2 * WINDOW_MS, () => {});
    const { calls, counts } = world;
    const refused = counts.refused;
    world.go();
    await world.run(10_000, () => {});
    expect(world.calls, `seed ${seed}`).toBeGreaterThan(calls + 20);
    expect(counts.refused, `seed ${seed}`).toBe(refused);
  }
});

test("most calls of a budget that is far from spent make no request", async () => {
  const world = new World(1, 0);
  await world.run(5_000, () => {});
  expect(world.calls).toBeGreaterThan(40);
  expect(world.hops / world.calls).toBeLessThan(0.8);
});
