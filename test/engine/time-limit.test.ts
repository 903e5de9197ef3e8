// A limit on a wait: by a clock that a test moves.
import { expect, test } from "vitest";
import { withTimeLimit } from "../../src/engine/time-limit.ts";

class ManualClock {
  readonly timers = new Map<number, () => void>();
  after(ms: number, task: () => void): () => void {
    this.timers.set(ms, task);
    return () => void this.timers.delete(ms);
  }
}

test("what the task gives comes through, and the timer is stopped", async () => {
  const clock = new ManualClock();
  expect(await withTimeLimit(clock, 5, Promise.resolve("value"), () => "late")).toBe("value");
  expect(clock.timers.size).toBe(0);
});

test("what the task rejects with comes through, and the timer is stopped", async () => {
  const clock = new ManualClock();
  await expect(withTimeLimit(clock, 5, Promise.reject(new Error("no")), () => "late")).rejects.toThrow("no");
  expect(clock.timers.size).toBe(0);
});

test("after the time the other value is made, and a task that rejects later is ignored", async () => {
  const clock = new ManualClock();
  const task = Promise.withResolvers<string>();
  let made = 0;
  const limited = withTimeLimit(clock, 5, task.promise, () => {
    made += 1;
    return "late";
  });
  expect(made).toBe(0);
  clock.timers.get(5)?.();
  expect(await limited).toBe("late");
  task.reject(new Error("too late"));
  await expect(task.promise).rejects.toThrow("too late");
  expect(made).toBe(1);
});
