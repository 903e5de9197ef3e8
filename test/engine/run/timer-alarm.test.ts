// What a run without storage has in place of an alarm: a timer that knows no longest wait.
import { expect, test } from "vitest";
import { timerAlarm } from "../../../src/engine/run/timer-alarm.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

const DAY = 86_400_000;

function clockOf(time: VirtualTime) {
  return { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
}

test.each([0, 1, 15_000, 30 * DAY])("an alarm set %i ms ahead comes then, once", async (ms) => {
  const time = new VirtualTime(1_000);
  const came: number[] = [];
  await timerAlarm(clockOf(time), () => came.push(time.now)).set(1_000 + ms);
  while (await time.step());
  expect(came).toEqual([1_000 + ms]);
});

test("an alarm that is set again fires only at its new time", async () => {
  const time = new VirtualTime(0);
  const came: number[] = [];
  const alarm = timerAlarm(clockOf(time), () => came.push(time.now));
  await alarm.set(5_000);
  await alarm.set(9_000);
  await alarm.set(7_000);
  while (await time.step());
  expect(came).toEqual([7_000]);
});
