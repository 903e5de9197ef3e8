// A run without storage is listed while it lives: its entry in the index is renewed until it ends.
import { expect, test } from "vitest";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { startExecution } from "../../../src/core/execution/rules/start.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { refreshListing } from "../../../src/engine/watch/listing-refresh.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

function clockOf(time: VirtualTime) {
  return { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
}

function runOf(storage: "memory" | "durable_object"): ExecutionState {
  const spec = { ...makeSpec([makeStage("a")], { pipeline_timeout_seconds: 3_600 }), storage };
  return startExecution(spec, 0).state;
}

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
