// What the driver does for waits: an accepted answer is in the log before it is acknowledged (I17), the 202 of an agent at
// once (I4), and the alarm of a run at rest is the end of its first wait (I15).
import { expect, test } from "vitest";
import type { Command } from "../../../src/core/execution/command.ts";
import { isAtRest, stageOf } from "../../../src/core/execution/state.ts";
import { asks, later as laterStage, side, stage } from "../../core/rules/play.ts";
import { makeSpec } from "../../core/simulation/spec.ts";
import { Bench, later, said, type Script } from "../simulation/fair-weather.ts";

const YES = { ok: true, data: { approved: true } } as const;
const signal: Command = { type: "signal", stage: "approval", wait: null, answer: YES, by: "key:1" };

/** Agents of these types answer 202, the others after so many ms. */
function agents(later_ms: number, ...accepting: string[]): Script {
  return ({ call }, _hooks, bench) =>
    accepting.includes(call.agent_type)
      ? later(bench, 5, { ok: "later", location: "https://agents.example/jobs/7" })
      : later(bench, later_ms, said());
}

test.each([
  [
    "before its question",
    [stage("draft"), asks("approval", {}, { depends_on: ["draft"] })],
    "stage.signalled",
  ],
  ["in time", [side("draft"), asks("approval")], "stage.completed"],
])("an answer %s is written at once, though nothing else is in a hurry", async (_when, stages, type) => {
  const bench = await new Bench(agents(5_000)).start(makeSpec(stages));
  await bench.until(1_000);
  expect(bench.driver.submit(signal)).toBeNull();
  // A commit takes 1 ms here.
  await bench.until(1_002);
  expect(bench.types.at(-1)).toBe(`${type} approval`);
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
});

test("a callback and a heartbeat are written at once", async () => {
  const stages = [laterStage("slow", { heartbeat_seconds: 60 }), side("other")];
  const bench = await new Bench(agents(5_000, "agent_slow")).start(makeSpec(stages));
  await bench.until(1_000);
  const call = stageOf(bench.driver.state as never, "slow").call;
  expect(bench.driver.submit({ type: "heartbeat", stage: "slow", call })).toBeNull();
  expect(bench.driver.submit({ type: "heartbeat", stage: "slow", call })).toBeNull();
  await bench.until(1_002);
  expect(bench.types.at(-1)).toBe("stage.signalled slow");
  const outcome = { ok: true, answer: { data: { n: 1 } }, bytes: 7 } as const;
  expect(bench.driver.submit({ type: "callback", stage: "slow", call, outcome })).toBeNull();
  await bench.until(1_004);
  expect(bench.types.at(-1)).toBe("stage.completed slow");
});

test("an agent's 202 is written at once", async () => {
  const bench = await new Bench(agents(5_000, "agent_slow")).start(
    makeSpec([laterStage("slow"), side("other")]),
  );
  await bench.until(12);
  expect(bench.types).toContain("stage.waiting slow");
});

test("a run at rest sets its alarm once, to the end of its first wait, and goes on by it", async () => {
  const stages = [
    laterStage("slow", { callback_timeout_seconds: 3_600, required: false, retry_attempts: 1 }),
    asks("approval", { timeout_seconds: 86_400, on_timeout: "skip" }),
  ];
  const bench = await new Bench(agents(10, "agent_slow")).start(
    makeSpec(stages, { pipeline_timeout_seconds: 5 }),
  );
  await bench.until(60_000);
  const { state } = bench.driver;
  expect(state !== null && isAtRest(state)).toBe(true);
  const handed = bench.log.find((event) => event.type === "stage.waiting" && event.stage === "slow");
  expect(bench.platform.alarmAt).toBe(Date.parse(handed?.timestamp ?? "") + 3_600_000);
  expect(bench.requests).toHaveLength(1);
  await bench.until();
  expect(bench.types.slice(-2)).toEqual(["stage.skipped approval", "execution.completed"]);
  expect(bench.ms).toBeGreaterThanOrEqual(86_400_000);
});
