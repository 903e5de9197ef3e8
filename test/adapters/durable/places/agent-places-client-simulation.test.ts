// Isolates at an agent with limits, at random (I10): calls in numbers and bursts, crashes of isolates, requests, answers
// and releases that are late or lost, restarts of the object, clocks that are set back. The limits hold at every moment,
// and every call gets its place.
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../../src/contract/agent.ts";
import {
  type Caller,
  FAIR,
  mostAtOnce,
  mostWithin,
  PlacesWorld,
  type Weather,
  within,
  type Context,
} from "../../../support/objects/agent-places-world.ts";
import { sizeOf } from "../../../support/sizes.ts";
import { type Chance, seeded } from "../../../support/values/chance.ts";

const RUNS = sizeOf("PLACES_RUNS");
const STORM: Weather = { lost_requests: 4, lost_answers: 4, slow: 5, lost_releases: 5, late_releases: 10 };
/** Longer than any lease, and than all of what a storm delays. */
const MOST_MS = 3_600_000;
const SET_BACK_MS = 60_000;

const faults = new Map<string, number>();

function limitsOf(chance: Chance): AgentLimits {
  const concurrency = chance.pick([1, 2, 5, 40]);
  const rate = chance.pick([
    { calls: 1, per_seconds: 1 },
    { calls: 7, per_seconds: 2 },
    { calls: 60, per_seconds: 1 },
    { calls: 20, per_seconds: 10 },
  ]);
  return chance.pick([{ concurrency }, { rate }, { concurrency, rate }]);
}

function callersOf(chance: Chance): Caller[] {
  const count = 5 + chance.below(60);
  const most_ms = chance.pick([20, 300, 4_000]);
  return Array.from({ length: count }, (_, at) => {
    const takes_ms = chance.below(most_ms);
    return {
      holder: `call-${at}`,
      conversation_id: `c${chance.below(5)}`,
      priority: chance.below(3) - 1,
      takes_ms,
      lease_ms: takes_ms + chance.below(5_000),
    };
  });
}

async function simulate(seed: number): Promise<void> {
  const chance = seeded(seed);
  const world = new PlacesWorld(limitsOf(chance), chance);
  const callers = callersOf(chance);
  const isolates = Array.from({ length: 1 + chance.below(4) }, () => world.isolate());
  const storms = chance.below(4) > 0;
  if (storms) world.weather = STORM;
  const span_ms = chance.pick([50, 1_000, 10_000]);
  let ended = 0;

  const call = async (caller: Caller): Promise<void> => {
    const at = chance.below(isolates.length);
    const isolate = isolates[at] as (typeof isolates)[number];
    const work = async () => {
      const place = await world.place(isolate, caller);
      if (place === null) return;
      await world.use(isolate, caller, place);
      ended += 1;
      pending.delete(caller);
    };
    const context = { isAlive: true };
    pending.set(caller, { isolate, context });
    within(context, () => void work());
  };
  const pending = new Map<Caller, { isolate: (typeof isolates)[number]; context: Context }>();
  /** The call's run recovers, maybe elsewhere, and asks again for the same call. */
  const recover = (caller: Caller) => {
    world.time.after(chance.below(2_000), () => {
      world.fault("holder asked again");
      world.over(caller.holder);
      void call(caller);
    });
  };

  for (const caller of callers) world.time.after(chance.below(span_ms), () => void call(caller));
  if (storms) {
    for (let left = chance.below(4); left > 0; left -= 1)
      world.time.after(chance.below(2 * span_ms), () => world.restart());
    if (chance.below(2) === 0)
      world.time.after(chance.below(span_ms), () => world.setBack(1 + chance.below(SET_BACK_MS)));
    if (chance.below(2) === 0) {
      world.time.after(chance.below(span_ms), () => {
        world.fault("isolate's clock set back");
        // More than any request takes, so that it is seen.
        (isolates[0] as (typeof isolates)[number]).clock.offset -= SET_BACK_MS + chance.below(SET_BACK_MS);
      });
    }
    for (let left = chance.below(3); left > 0; left -= 1) {
      world.time.after(chance.below(2 * span_ms), () => {
        const at = chance.below(isolates.length);
        const dead = isolates[at] as (typeof isolates)[number];
        world.fault("isolate crashed");
        world.crash(dead);
        isolates[at] = world.isolate();
        for (const [caller, { isolate, context }] of pending) {
          if (isolate !== dead || !context.isAlive) continue;
          context.isAlive = false;
          recover(caller);
        }
      });
    }
    for (let left = chance.below(12); left > 0; left -= 1) {
      world.time.after(chance.below(2 * span_ms), () => {
        const alive = [...pending].filter(([, { context }]) => context.isAlive);
        if (alive.length === 0) return;
        const [caller, { context }] = chance.pick(alive);
        world.fault("run crashed, and its isolate goes on");
        context.isAlive = false;
        recover(caller);
      });
    }
    world.time.after(2 * span_ms, () => {
      world.weather = FAIR;
    });
  }

  const isDone = await world.run(() => ended === callers.length, MOST_MS);
  expect(isDone, `${ended} of ${callers.length} calls have ended`).toBe(true);
  const { concurrency, rate } = world.limits;
  if (concurrency !== undefined)
    expect(mostAtOnce(world.uses), "I10: concurrency").toBeLessThanOrEqual(concurrency);
  if (rate !== undefined)
    expect(mostWithin(world.uses, rate.per_seconds * 1_000), "I10: rate").toBeLessThanOrEqual(rate.calls);
  for (const [name, times] of world.faults) faults.set(name, (faults.get(name) ?? 0) + times);
}

describe("the limits of an agent", () => {
  test("hold, and every call gets its place", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => simulate(seed)),
      { numRuns: RUNS, seed: 1, endOnFailure: true },
    );
  });

  afterAll(() => {
    const fired = [...faults.keys()].toSorted();
    expect(fired).toEqual([
      "answer of places lost",
      "holder asked again",
      "isolate crashed",
      "isolate's clock set back",
      "object restarted",
      "object's clock set back",
      "places lost",
      "release late",
      "release lost",
      "request lost with the object",
      "request of a dead isolate",
      "request of a dead run",
      "run crashed, and its isolate goes on",
      "slow",
    ]);
  });
});
