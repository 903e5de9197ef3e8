// When reports are due: refused ones after 5 seconds, doubling up to an hour, to the last moment before the execution
// is forgotten; and what an alarm's own time shows of those before it.
import { expect, test } from "vitest";
import { nextReportAt, wasReported } from "../../../../src/core/execution/alarm/report-times.ts";
import { retainedUntil } from "../../../../src/core/execution/alarm/retention.ts";
import { Play } from "../../rules/play.ts";
import { makeStage } from "../../simulation/spec.ts";

const WEEK_S = 604_800;

function ended(retention_seconds = WEEK_S) {
  return new Play([makeStage("one")], { retention_seconds }).after(50).answer("one");
}

/** The waits between tries that are all refused, in seconds, until there is none left. */
function waits({ state, now }: Play, chance: number): number[] {
  const found: number[] = [];
  for (let at: number | null = now; at !== null; ) {
    const next = nextReportAt(state, at, chance);
    if (next !== null) found.push((next - at) / 1_000);
    at = next;
  }
  return found;
}

test("the wait doubles from 5 seconds to an hour", () => {
  const found = waits(ended(), 0);
  expect(found.slice(0, 12)).toEqual([5, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
  expect(Math.max(...found)).toBe(3_600);
  // An hour apart for a week, and not one try every 5 seconds.
  expect(found.length).toBeLessThan(185);
});

test("chance stretches a wait by a half at most, and two runs that ended together part", () => {
  const least = waits(ended(), 0);
  const most = waits(ended(), 0.999_999);
  expect(most[0]).toBeGreaterThan(7);
  expect(most[0]).toBeLessThanOrEqual((least[0] ?? 0) * 1.5);
});

test("the last try is just before the execution is forgotten, and after it there is none", () => {
  const play = ended(60);
  const until = retainedUntil(play.state);
  const sum = waits(play, 0.3).reduce((total, wait) => total + wait, 0);
  expect(play.now + Math.round(sum * 1_000)).toBe(until - 1);
  expect(nextReportAt(play.state, until - 1, 0)).toBeNull();
  expect(nextReportAt(play.state, until + 1_000_000, 0)).toBeNull();
});

test("an instance that comes up later goes on where the last one stopped", () => {
  const { state } = ended();
  const hour = (state.ended_at ?? 0) + 3_600_000;
  expect(nextReportAt(state, hour, 0)).toBe(hour + 3_600_000);
});

test("an alarm at retention's end shows that the end was delivered; an earlier one does not", () => {
  const { state } = ended(60);
  const until = retainedUntil(state);
  expect([until, until - 1, until - 59_000, null].map((at) => wasReported(state, at))).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test("retention that is not a whole number of ms still has one alarm time", () => {
  const { state } = ended(1.000_5);
  expect(Number.isInteger(retainedUntil(state))).toBe(true);
  expect(wasReported(state, retainedUntil(state))).toBe(true);
});

test("a pause was reported where the alarm is the pause's own", () => {
  const play = new Play([makeStage("one")], { max_pause_seconds: 100 }).after(10).pause("abort");
  const until = (play.state.paused_at ?? 0) + 100_000;
  expect([until, until - 99_100, null].map((at) => wasReported(play.state, at))).toEqual([
    true,
    false,
    false,
  ]);
  // A run that goes on reports by itself.
  expect(wasReported(play.resume().state, null)).toBe(true);
});
