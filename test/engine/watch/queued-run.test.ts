// A run that waits in the queue of its conversation: when it asks, and what it does with the answer.
import { expect, test } from "vitest";
import type { Command } from "../../../src/core/execution/command.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { QueuedRun } from "../../../src/engine/watch/queued-run.ts";
import type { Entered } from "../../../src/engine/worker-ports.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

const TURNS = [{ query: "q", answer: { answer: "a" } }];
const ADMITTED: Entered = { admission: { kind: "admitted" }, turns: TURNS };
const QUEUED: Entered = { admission: { kind: "queued", place: { behind: "a", position: 1 } }, turns: [] };

/** A queued run whose questions are answered by hand. */
function queued(status = "queued") {
  const time = new VirtualTime(0);
  const asked: PromiseWithResolvers<Entered>[] = [];
  const submitted: Command[] = [];
  const driver = {
    state: { status } as ExecutionState,
    fault: null as { cause: unknown } | null,
    submit: (command: Command) => {
      submitted.push(command);
      driver.state = { status: "running" } as ExecutionState;
      return null;
    },
  };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const run = new QueuedRun(driver, clock, () => {
    const question = Promise.withResolvers<Entered>();
    asked.push(question);
    return question.promise;
  });
  return { time, asked, submitted, driver, run };
}

test("starts with the history that it is given, once", async () => {
  const { run, asked, submitted } = queued();
  const asking = run.ask();
  expect(run.isAsking).toBe(true);
  asked[0]?.resolve(ADMITTED);
  await asking;
  expect(submitted).toEqual([{ type: "admit", history: TURNS }]);
  expect(run.isAsking).toBe(false);
  await run.ask();
  expect(asked).toHaveLength(1);
});

test("waits on where it is not its turn, and where the index does not answer, or not in time", async () => {
  const { run, asked, submitted, time } = queued();
  const first = run.ask();
  asked[0]?.resolve(QUEUED);
  await first;
  const second = run.ask();
  asked[1]?.reject(new Error("overloaded"));
  await second;
  const third = run.ask();
  expect(await time.step()).toBe(true);
  expect(time.now).toBe(TIMINGS.QUEUE_WAIT_MS);
  await third;
  // The answer that comes late is lost: the next question has it again.
  asked[2]?.resolve(ADMITTED);
  await Promise.resolve();
  expect([asked.length, submitted]).toEqual([3, []]);
});

test("asks again where it is woken while it asks: the answer in flight may be older", async () => {
  const { run, asked, submitted } = queued();
  const asking = run.ask();
  void run.ask();
  void run.ask();
  expect(asked).toHaveLength(1);
  asked[0]?.resolve(QUEUED);
  await expect.poll(() => asked.length).toBe(2);
  asked[1]?.resolve(ADMITTED);
  await asking;
  expect(submitted).toHaveLength(1);
});

test("a run that is not queued, or whose driver is broken, asks nothing", async () => {
  for (const status of ["running", "cancelled"]) {
    const { run, asked } = queued(status);
    await run.ask();
    expect(asked).toEqual([]);
  }
  const broken = queued();
  broken.driver.fault = { cause: new Error("refused") };
  await broken.run.ask();
  expect(broken.asked).toEqual([]);
});
