// The slots of runs that come up together: their order and rate, slots that alarms were set to, late machines.
import { expect, test } from "vitest";
import { WakeQueue } from "../../../src/core/resilience/wake-queue.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const { WAKING_AT_ONCE, WAKING_GAP_MS, WAKING_HOLD_MS, WAKING_LATE_MS, WAKING_ROUNDS, WAKING_CLAIM_MS } =
  TIMINGS;
const NOW = 1_764_000_000_000;

test("some come at once, the others one after another, and a queue that was left alone is open again", () => {
  const queue = new WakeQueue();
  expect(queue.isOpen(NOW)).toBe(true);
  const waits = Array.from({ length: WAKING_AT_ONCE + 4 }, () => queue.next(NOW).at - NOW);
  expect(waits.filter((ms) => ms === 0)).toHaveLength(WAKING_AT_ONCE + 1);
  expect(waits.slice(-3)).toEqual([1, 2, 3].map((place) => place * WAKING_GAP_MS));
  expect(queue.isOpen(NOW)).toBe(false);
  expect(queue.isOpen(NOW + (WAKING_AT_ONCE + 4) * WAKING_GAP_MS)).toBe(true);
});

test("a slot that an alarm was set to is claimed once, and is forgotten where no run claims it", () => {
  const queue = new WakeQueue();
  queue.give({ at: NOW + 5, rounds: 1 }, NOW);
  expect(queue.claim(NOW + 4)).toBeNull();
  expect(queue.claim(NOW + 5)).toEqual({ at: NOW + 5, rounds: 1 });
  expect(queue.claim(NOW + 5)).toBeNull();
  queue.give({ at: NOW + 10, rounds: 0 }, NOW);
  queue.give({ at: NOW + 10 + 2 * WAKING_CLAIM_MS, rounds: 0 }, NOW + 11 + WAKING_CLAIM_MS);
  expect(queue.claim(NOW + 10)).toBeNull();
});

test("a slot that is near is waited for in memory; before one that is far the run stays for a part of the hold", () => {
  const queue = new WakeQueue();
  expect(queue.stay({ at: NOW + WAKING_HOLD_MS, rounds: 0 }, NOW)).toBeNull();
  const stays = Array.from({ length: 1_000 }, (_, place) =>
    queue.stay({ at: NOW + 2 * WAKING_HOLD_MS + place * WAKING_GAP_MS, rounds: 0 }, NOW),
  ).map(Number);
  expect(Math.min(...stays)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...stays)).toBeLessThan(WAKING_HOLD_MS);
  // Spread: a tenth of them in each tenth of it.
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inIt = stays.filter((ms) => Math.floor((ms / WAKING_HOLD_MS) * 10) === tenth);
    expect(inIt.length).toBeGreaterThan(80);
  }
});

test("a run that is late goes to the end some times, and then is admitted, one at a time", () => {
  const queue = new WakeQueue();
  const late = NOW + WAKING_LATE_MS;
  expect(queue.admits({ at: NOW, rounds: 0 }, late - 1)).toBe(true);
  for (let rounds = 0; rounds < WAKING_ROUNDS; rounds += 1)
    expect(queue.admits({ at: NOW, rounds }, late)).toBe(false);
  expect(queue.admits({ at: NOW, rounds: WAKING_ROUNDS }, late)).toBe(true);
  expect(queue.admits({ at: NOW, rounds: WAKING_ROUNDS }, late)).toBe(false);
  expect(queue.admits({ at: NOW, rounds: WAKING_ROUNDS }, late + WAKING_GAP_MS)).toBe(true);
});
