// An outage's end: the first runs come up at once, further ones one after another, nobody later than the bound, and
// whoever finds the machine busy lets the others go first; in peace nobody waits.
import { expect, test } from "vitest";
import { PACE } from "../../src/core/pace.ts";
import { wakeTurn } from "../../src/engine/wake-turn.ts";

/** A clock that stands; timers are kept, to be run by hand as late as is wanted. */
function standingClock(start: number) {
  let now = start;
  const timers: { ms: number; due: number; task: () => void }[] = [];
  const clock = {
    now: () => now,
    after: (ms: number, task: () => void) => {
      timers.push({ ms, due: now + ms, task });
      return () => {};
    },
  };
  const fire = async (late: number) => {
    const timer = timers.shift();
    now = Math.max(now, timer?.due ?? 0) + late;
    timer?.task();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { clock, timers, fire };
}

test("a burst at once, then one after another, and never longer than the bound", async () => {
  const { clock, timers } = standingClock(1_000_000);
  for (let run = 0; run <= PACE.WAKING_AT_ONCE; run += 1) await wakeTurn(clock);
  expect(timers).toEqual([]);
  for (let run = 0; run < 5_000; run += 1) void wakeTurn(clock);
  expect(timers.slice(0, 3).map(({ ms }) => ms)).toEqual(
    [1, 2, 3].map((place) => place * PACE.WAKING_GAP_MS),
  );
  expect(Math.max(...timers.map(({ ms }) => ms))).toBe(PACE.WAKING_WAIT_MS);
  const later = standingClock(1_000_000 + 3_600_000);
  for (let run = 0; run <= PACE.WAKING_AT_ONCE; run += 1) await wakeTurn(later.clock);
  expect(later.timers).toEqual([]);
});

test("who finds their timer late goes to the end of the queue", async () => {
  const { clock, timers, fire } = standingClock(100_000_000);
  for (let run = 0; run <= PACE.WAKING_AT_ONCE; run += 1) await wakeTurn(clock);
  const turns: number[] = [];
  for (let run = 0; run < 10; run += 1) void wakeTurn(clock).then(() => turns.push(run));
  await fire(PACE.WAKING_LATE_MS);
  expect(turns).toEqual([]);
  expect(timers).toHaveLength(10);
  while (timers.length > 0) await fire(0);
  await Promise.resolve();
  expect(turns).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
});
