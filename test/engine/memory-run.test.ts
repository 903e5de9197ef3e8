// What a run without storage has in place of an alarm and of a kept log: a timer that knows no longest wait, and an
// entry in the index that expires soon after the last report of it.
import { expect, test } from "vitest";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { indexEntry } from "../../src/core/monitoring/index-entry.ts";
import { evolve } from "../../src/core/execution/evolve.ts";
import { startExecution } from "../../src/core/execution/rules/start.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import type { ExecutionDriver } from "../../src/engine/run/driver.ts";
import { refreshListing } from "../../src/engine/watch/listing-refresh.ts";
import { timerAlarm } from "../../src/engine/run/timer-alarm.ts";
import { makeSpec, makeStage } from "../core/simulation/spec.ts";
import { VirtualTime } from "./simulation/virtual-time.ts";

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

function runOf(storage: "memory" | "durable_object"): ExecutionState {
  const spec = { ...makeSpec([makeStage("a")], { pipeline_timeout_seconds: 3_600 }), storage };
  return startExecution(spec, 0).state;
}

test("a run without storage is listed two minutes after its last report, and a minute after its end", () => {
  expect(indexEntry(runOf("memory"), 10_000).expires).toBe(10_000 + 2 * TIMINGS.MEMORY_LISTED_MS);
  expect(indexEntry(runOf("durable_object"), 10_000).expires).toBe(3_600_000 + TIMINGS.INDEX_GRACE_MS);
  const state = runOf("memory");
  const ended = evolve(state, {
    execution_id: state.spec.execution_id,
    seq: state.seq + 1,
    timestamp: new Date(60_000).toISOString(),
    type: "execution.cancelled",
    status: "cancelled",
    message: "",
    data: { error_info: null },
  });
  expect(indexEntry(ended, 999_000).expires).toBe(60_000 + TIMINGS.MEMORY_KEPT_MS);
});

test("a run without storage is reported every minute until it ends, also where a report fails", async () => {
  const time = new VirtualTime(0);
  const driver = { state: runOf("memory"), fault: null } as unknown as ExecutionDriver;
  const reported: number[] = [];
  const receive = async () => {
    reported.push(time.now);
    if (reported.length === 1) throw new Error("unreachable");
  };
  refreshListing(driver, clockOf(time), { name: "index", receive });
  for (let step = 0; step < 3; step += 1) await time.step();
  expect(reported).toEqual([1, 2, 3].map((n) => n * TIMINGS.MEMORY_LISTED_MS));
  Object.assign(driver.state as object, { status: "completed" });
  while (await time.step());
  expect(reported).toHaveLength(3);
});
