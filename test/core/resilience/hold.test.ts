// How long an agent's Retry-After holds its calls back, and how they come back.
import { expect, test } from "vitest";
import { answered, holdFor, nextTurn, NO_HOLD } from "../../../src/core/resilience/hold.ts";

const NOW = 1_000_000_000;

test("a hold lasts as long as the agent says, 60 s at most", () => {
  expect(nextTurn(holdFor(NO_HOLD, 2_000, NOW), 0, false, NOW)).toBe(NOW + 2_000);
  expect(nextTurn(holdFor(NO_HOLD, 365 * 86_400_000, NOW), 0, false, NOW)).toBe(NOW + 60_000);
  expect(nextTurn(holdFor(NO_HOLD, 0, NOW), 0, false, NOW)).toBeNull();
});

test("a shorter one does not end a longer one", () => {
  const long = holdFor(NO_HOLD, 10_000, NOW);
  expect(nextTurn(holdFor(long, 1_000, NOW), 0, false, NOW)).toBe(NOW + 10_000);
});

test("a hold that others have reported counts, too", () => {
  expect(nextTurn(NO_HOLD, NOW + 3_000, false, NOW)).toBe(NOW + 3_000);
  expect(nextTurn(NO_HOLD, NOW + 3_000, false, NOW + 3_000)).toBeNull();
});

test("an agent that answered nothing before gets a call a second", () => {
  const held = holdFor(NO_HOLD, 2_000, NOW);
  const turn = nextTurn(held, 0, false, NOW) ?? 0;
  expect(nextTurn({ ...held, turn_at: turn }, 0, false, NOW)).toBe(turn + 1_000);
});

test("what it answered long ago counts less", () => {
  let hold = NO_HOLD;
  for (let call = 0; call < 100; call += 1) hold = answered(hold, NOW);
  const gapAfter = (seconds: number) => {
    const now = NOW + seconds * 1_000;
    const held = { ...holdFor(hold, 1_000, now), turn_at: now + 1_000 };
    return (nextTurn(held, 0, false, now) ?? 0) - now - 1_000;
  };
  expect(gapAfter(1)).toBe(10);
  expect(gapAfter(10)).toBeGreaterThan(20);
  expect(gapAfter(600)).toBe(1_000);
});

test("a clock that was set back by an hour holds nothing back for an hour", () => {
  const held = { ...holdFor(NO_HOLD, 60_000, NOW), turn_at: NOW + 61_000 };
  const back = NOW - 2 * 3_600_000;
  expect(nextTurn(held, NOW + 60_000, false, back)).toBeNull();
});
