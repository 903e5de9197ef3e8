// An outage's end: the first runs come up at once, further ones one after another, nobody later than the bound; and
// in peace nobody waits.
import { expect, test } from "vitest";
import { PACE } from "../../src/core/pace.ts";
import { wakeTurn } from "../../src/engine/wake-turn.ts";

function clockAt(start: number) {
  const waits: number[] = [];
  let now = start;
  const clock = {
    now: () => now,
    after: (ms: number, task: () => void) => {
      waits.push(ms);
      task();
      return () => {};
    },
  };
  return { clock, waits, pass: (ms: number) => (now += ms) };
}

test("a burst at once, then one after another, and never longer than the bound", async () => {
  const { clock, waits, pass } = clockAt(1_000_000);
  for (let run = 0; run < PACE.WAKING_AT_ONCE; run += 1) await wakeTurn(clock);
  expect(waits).toEqual([]);
  for (let run = 0; run < 3; run += 1) await wakeTurn(clock);
  expect(waits).toEqual([0, 1, 2].map((more) => more * PACE.WAKING_GAP_MS).filter((ms) => ms > 0));
  for (let run = 0; run < 5_000; run += 1) await wakeTurn(clock);
  expect(Math.max(...waits)).toBe(PACE.WAKING_WAIT_MS);
  pass(10 * 60_000);
  waits.length = 0;
  for (let run = 0; run < PACE.WAKING_AT_ONCE; run += 1) await wakeTurn(clock);
  expect(waits).toEqual([]);
});
