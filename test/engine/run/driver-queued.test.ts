// A run of the real driver that waits in the queue of its conversation, on the simulated platform: what it does while it
// waits, what a crash leaves of it, and what it starts with; and what a run that is superseded has said.
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { waitForCaller } from "../../../src/engine/watch/wait.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, later, said } from "../simulation/fair-weather.ts";
import { drained } from "../simulation/virtual-time.ts";

const queued = { behind: "ex_before", position: 1 };
const HISTORY = [{ query: "before", answer: { answer: "said" } }];

function waiting(config = {}): Bench {
  const bench = new Bench((_request, _hooks, b) => later(b, 10, said({ answer: "now" })));
  bench.driver.submit({ type: "start", spec: makeSpec([makeStage("one")], config), queued });
  return bench;
}

test("calls no agent, has no deadline, and its alarm comes every few seconds", async () => {
  const bench = waiting({ pipeline_timeout_seconds: 60 });
  await bench.until(120_000);
  expect(bench.types).toEqual(["execution.queued"]);
  expect(bench.requests).toEqual([]);
  expect(bench.platform.alarms).toBeGreaterThanOrEqual(120_000 / TIMINGS.QUEUE_POLL_MS - 1);
  expect(bench.platform.alarms).toBeLessThan(120_000 / TIMINGS.QUEUE_POLL_MS + 5);
});

test("is queued after a crash, too, and starts with the history that it is admitted with, on disk before its call", async () => {
  const bench = waiting();
  await bench.until(1_000);
  bench.platform.evict();
  await bench.until(20_000);
  expect(bench.driver.state?.status).toBe("queued");
  bench.driver.submit({ type: "admit", history: HISTORY });
  // No batch of another kind would be committed so soon.
  await bench.until(20_002);
  expect(bench.types).toEqual(["execution.queued", "execution.started", "stage.started one"]);
  bench.driver.submit({ type: "admit", history: [] });
  await bench.until();
  expect(bench.requests.map(({ call }) => call.history)).toEqual([HISTORY]);
  expect(bench.types.at(-1)).toBe("execution.completed");
});

test("is cancelled where it waits too long, and its caller waits as for one that runs", async () => {
  const bench = waiting({ max_pause_seconds: 30 });
  await drained();
  let isOver = false;
  const clock = {
    now: () => bench.time.now,
    after: (ms: number, task: () => void) => bench.time.after(ms, task),
  };
  void waitForCaller(bench.driver, clock, null).then(() => {
    isOver = true;
  });
  await bench.until(29_000);
  expect(isOver).toBe(false);
  await bench.until();
  expect(bench.types).toEqual(["execution.queued", "execution.cancelled"]);
  expect(bench.ms).toBeLessThan(30_010);
  await drained();
  expect(isOver).toBe(true);
});

test("what the stages in flight have said is had by stage, and goes with a run that is superseded", async () => {
  const stages = [makeStage("one", { parallel: true }), makeStage("two", { parallel: true })];
  const bench = new Bench(({ call }, hooks) => {
    if (call.stage === "one") for (const text of ["so ", "far"]) hooks.delta(text);
    return new Promise<never>(() => {});
  });
  await bench.start(makeSpec(stages));
  await bench.until(100);
  const texts = bench.driver.said();
  expect(texts).toEqual({ one: "so far" });
  bench.driver.submit({ type: "cancel", reason: "superseded by b", superseded: { by: "b", texts } });
  expect(bench.driver.said()).toEqual({});
  await bench.until();
  expect(bench.driver.state?.superseded_by).toBe("b");
  expect(bench.driver.state?.stages[0]?.said).toBe("so far");
});
