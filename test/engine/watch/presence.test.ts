// Watchers of a run with `on_disconnect: cancel`: when it is cancelled, and when it is not.
import { describe, expect, test } from "vitest";
import type { ExecutionStatus } from "../../../src/contract/execution.ts";
import type { Command } from "../../../src/core/execution/command.ts";
import { startExecution } from "../../../src/core/execution/rules/start.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { Presence } from "../../../src/engine/watch/presence.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

function watched(
  fields: Partial<ReturnType<typeof makeSpec>> = {},
  restarted = false,
  resting = { count: 0 },
) {
  const time = new VirtualTime(0);
  const submitted: { at: number; command: Command }[] = [];
  const spec = { ...makeSpec([makeStage("a")]), on_disconnect: "cancel" as const, watched: true, ...fields };
  const driver = {
    state: startExecution(spec, 0).state,
    submit: (command: Command) => submitted.push({ at: time.now, command }),
  };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const presence = Presence.of(driver as unknown as ExecutionDriver, clock, restarted, () => resting.count);
  const end = async () => {
    while (await time.step());
    return submitted.map(({ at, command }) => [at, command.type]);
  };
  return { time, presence, end, driver };
}

const GRACE = TIMINGS.DISCONNECT_GRACE_MS;

test("the run is cancelled a grace after the last watcher has gone, however often one says so", async () => {
  const { time, presence, end } = watched();
  const [one, two] = [presence?.enter(), presence?.enter()];
  one?.();
  one?.();
  time.now = 1_000;
  expect(await end()).toEqual([]);
  two?.();
  expect(await end()).toEqual([[1_000 + GRACE, "cancel"]]);
});

test("a watcher that comes back within the grace keeps the run", async () => {
  const { presence, end } = watched();
  presence?.enter()();
  presence?.enter();
  expect(await end()).toEqual([]);
});

test("after a restart the grace of a watched run begins at once, of another one never", async () => {
  expect(await watched({}, true).end()).toEqual([[GRACE, "cancel"]]);
  expect(await watched({ watched: false }, true).end()).toEqual([]);
  expect(await watched({}, false).end()).toEqual([]);
});

test("a run that goes on without watchers has no presence", () => {
  expect(watched({ on_disconnect: "continue" }).presence).toBeNull();
});

test("readers at rest are watchers: the grace begins when the last of them has gone", async () => {
  const resting = { count: 1 };
  const { time, presence, end } = watched({}, false, resting);
  presence?.enter()();
  expect(presence?.isResting).toBe(true);
  expect(await end()).toEqual([]);
  resting.count = 0;
  presence?.left();
  expect(presence?.isResting).toBe(false);
  time.now = 0;
  expect(await end()).toEqual([[GRACE, "cancel"]]);
});

test("a reader that comes to rest within the grace keeps the run", async () => {
  const resting = { count: 0 };
  const { presence, end } = watched({}, false, resting);
  presence?.enter()();
  expect(presence?.isResting).toBe(false);
  resting.count = 1;
  presence?.rested();
  expect(presence?.isResting).toBe(true);
  expect(await end()).toEqual([]);
});

test("after a restart the readers at rest are still watchers", async () => {
  expect(await watched({}, true, { count: 1 }).end()).toEqual([]);
});

test("a reader whose stream rests may be slow to come back, whoever leaves meanwhile", async () => {
  const resting = { count: 0 };
  const { time, presence, end } = watched({}, false, resting);
  const [one, two] = [presence?.enter(), presence?.enter()];
  one?.(3_000);
  two?.(3_000);
  time.now = 1_000;
  presence?.left();
  expect(await end()).toEqual([[GRACE + 3_000, "cancel"]]);
});

/** A run that may rest alone, and what makes it be in another status. */
function restingAlone(
  rests_alone: true | "for_good" = true,
  restarted = false,
  pausedSpans: [number, number][] = [],
) {
  const made = watched({ rests_alone }, false);
  const { driver, time } = made;
  driver.state = { ...driver.state, pausedSpans };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const presence = restarted
    ? Presence.of(driver as unknown as ExecutionDriver, clock, true, () => 0)
    : made.presence;
  const become = (status: ExecutionStatus, reason: "wait" | "callback" = "wait") => {
    const wait = status === "waiting" ? { reason, asks: reason === "wait" } : null;
    const stages = driver.state.stages.map((stage) => ({ ...stage, wait }) as typeof stage);
    driver.state = { ...driver.state, status, stages };
    presence?.settled();
  };
  return { ...made, presence, become };
}

describe("a run whose readers leave where it rests", () => {
  test.each(["paused", "waiting"] as const)(
    "is not cancelled while it is %s, and need not stay in memory",
    async (status) => {
      const { presence, end, become } = restingAlone();
      const leave = presence?.enter();
      become(status);
      expect(presence?.isResting).toBe(false);
      leave?.();
      expect(presence?.isResting).toBe(true);
      expect(await end()).toEqual([]);
    },
  );

  test.each(["paused", "waiting"] as const)(
    "is cancelled a grace after it goes on from where it was %s, unless one comes",
    async (status) => {
      for (const comes of [false, true]) {
        const { time, presence, end, become } = restingAlone();
        const leave = presence?.enter();
        become(status);
        leave?.();
        time.now = 60_000;
        become("running");
        expect(presence?.isResting).toBe(false);
        if (comes) presence?.enter();
        expect(await end()).toEqual(comes ? [] : [[60_000 + GRACE, "cancel"]]);
      }
    },
  );

  test("has a whole grace where it goes on before the first one is over", async () => {
    const { time, presence, end, become } = restingAlone();
    presence?.enter()();
    time.now = 1_000;
    become("paused");
    time.now = GRACE - 1;
    become("running");
    expect(await end()).toEqual([[2 * GRACE - 1, "cancel"]]);
  });

  test("has a grace from where it goes on after a restart, too", async () => {
    const { driver, time, end } = restingAlone();
    driver.state = { ...driver.state, status: "paused" };
    const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
    const presence = Presence.of(driver as unknown as ExecutionDriver, clock, true, () => 0);
    expect(await end()).toEqual([]);
    time.now = 9_000;
    driver.state = { ...driver.state, status: "running" };
    presence?.settled();
    expect(await end()).toEqual([[9_000 + GRACE, "cancel"]]);
  });

  test("is cancelled as any other while it goes on, and while its agent is to call back", async () => {
    const running = restingAlone();
    running.presence?.enter()();
    expect(await running.end()).toEqual([[GRACE, "cancel"]]);
    const { presence, end, become } = restingAlone();
    become("waiting", "callback");
    presence?.enter()();
    expect(await end()).toEqual([[GRACE, "cancel"]]);
  });
});

describe("a run whose caller is answered where it rests", () => {
  test.each(["paused", "waiting"] as const)("goes on for good once it was %s", async (status) => {
    const { presence, end, become } = restingAlone("for_good");
    const leave = presence?.enter();
    become(status);
    leave?.();
    become("running");
    expect(await end()).toEqual([]);
    // Another caller changes nothing.
    presence?.enter()();
    expect(await end()).toEqual([]);
  });

  test("is cancelled where its caller leaves before, also where its agent is to call back", async () => {
    const { presence, end, become } = restingAlone("for_good");
    become("waiting", "callback");
    become("running");
    presence?.enter()();
    expect(await end()).toEqual([[GRACE, "cancel"]]);
  });

  test("goes on after a restart where it has rested, and not where it has not", async () => {
    expect(await restingAlone("for_good", true, [[1, 2]]).end()).toEqual([]);
    expect(await restingAlone("for_good", true).end()).toEqual([[GRACE, "cancel"]]);
    expect(await restingAlone(true, true, [[1, 2]]).end()).toEqual([[GRACE, "cancel"]]);
  });
});

test("a run whose readers stay where it rests is cancelled there, too", async () => {
  const { presence, end, driver } = watched();
  driver.state = { ...driver.state, status: "paused" };
  presence?.enter()();
  presence?.settled();
  expect(await end()).toEqual([[GRACE, "cancel"]]);
});
