// The alarm's one keeper (I15), with the real driver and outbox: how often a run sets its alarm, each time a billed row,
// what it sets it to, and that nothing sets it while it is handled. That it is right after every effect is held in
// simulation/run.ts.
import { expect, test } from "vitest";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import { retainedUntil } from "../../../src/core/execution/alarm/retention.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { AlarmKeeper, NOTHING_ELSE } from "../../../src/engine/run/alarm-keeper.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, BUSY, later, said } from "../simulation/fair-weather.ts";
import { drained } from "../simulation/virtual-time.ts";

const chain = ["a", "b", "c", "d"].map((name, at, all) =>
  makeStage(name, { depends_on: at === 0 ? [] : [all[at - 1] as string] }),
);

const stateOf = (bench: Bench) => bench.driver.state as ExecutionState;

/** When the alarm was set to fire, in ms since the run began. */
const sets = ({ platform, began }: Bench) => platform.alarmSets.map((at) => at - began);

// Of 400 ms its start is not reported yet when it ends, of 800 ms it is.
test.each([100, 200])(
  "a run of four stages of %i ms sets its alarm twice and never handles it",
  async (ms) => {
    const bench = new Bench((_request, _hooks, b) => later(b, ms, said()));
    await bench.start(makeSpec(chain));
    await bench.until(10_000);
    expect(bench.types.at(-1)).toBe("execution.completed");
    expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS, retainedUntil(stateOf(bench)) - bench.began]);
    expect(bench.platform.alarms).toBe(0);
  },
);

test("a longer run sets it twice and handles it once", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 800, said()));
  await bench.start(makeSpec(chain));
  await bench.until(10_000);
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS, retainedUntil(stateOf(bench)) - bench.began]);
  expect(bench.platform.alarms).toBe(1);
});

test("short retries set it no more often than a run without", async () => {
  const bench = new Bench((request, _hooks, b) => later(b, 20, request.call.attempt === 1 ? BUSY : said()));
  await bench.start(makeSpec(chain.slice(0, 2), { retry_delay_seconds: 0.1 }));
  await bench.until(10_000);
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(sets(bench)).toHaveLength(2);
});

test("a wait that needs no loop has its own alarm at once, and the run leaves nothing else", async () => {
  const bench = new Bench((request, _hooks, b) => later(b, 10, request.call.attempt === 1 ? BUSY : said()));
  await bench.start(makeSpec([makeStage("one")], { retry_delay_seconds: 30 }));
  await bench.until(1_000);
  const due = nextActions(stateOf(bench)).wake_at as number;
  expect(due - bench.began).toBeGreaterThan(10_000);
  expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS, due - bench.began]);
  expect(bench.platform.alarmAt).toBe(due);
});

test("a pause moves it to the pause's end once the pause is reported, a resume back to soon", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 600, said()));
  await bench.start(makeSpec([makeStage("one")], { max_pause_seconds: 100 }));
  await bench.until(100);
  bench.driver.submit({ type: "pause", mode: "abort" });
  // Until it is reported, the first alarm is early enough.
  expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS]);
  await bench.until(200);
  expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS, 100_100]);
  bench.driver.submit({ type: "resume" });
  expect(sets(bench).at(-1)).toBe(200 + TIMINGS.ALARM_JOIN_MS);
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
});

test("a report that is refused is made again by the alarm, with growing waits, and moves it on when it is taken", async () => {
  const tries: number[] = [];
  const receive = async (_state: ExecutionState, b: Bench) => {
    tries.push(b.ms);
    if (tries.length < 4) throw new Error("refused");
  };
  const bench = new Bench((_request, _hooks, b) => later(b, 100, said()), undefined, receive);
  await bench.start(makeSpec([makeStage("one")]));
  await bench.until(60_000);
  // At the end, with the alarm that joins, and 7.5 and 12.6 s after that (the waits are stretched by half).
  expect(tries).toEqual([100, 900, 8_400, 20_850]);
  expect(sets(bench)).toEqual([900, 8_400, 20_850, retainedUntil(stateOf(bench)) - bench.began]);
});

test("while it is handled nothing sets it, and then it is what the run needs", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 2_000, said()));
  await bench.start(makeSpec(chain, { max_pause_seconds: 50 }));
  await bench.until(1_000);
  expect([bench.platform.alarms, bench.platform.keeper?.isHandled]).toEqual([1, true]);
  bench.driver.submit({ type: "pause", mode: "abort" });
  expect(sets(bench)).toHaveLength(1);
  await bench.until(1_100);
  expect(bench.platform.keeper?.isHandled).toBe(false);
  expect(sets(bench)).toEqual([TIMINGS.ALARM_JOIN_MS, 51_000]);
});

test("an object that is opened for a reader leaves the alarm of a run that waits as it was", async () => {
  const bench = new Bench((_request, _hooks, b) => later(b, 500, said()));
  await bench.start(makeSpec([makeStage("one")], { max_pause_seconds: 100 }));
  bench.driver.submit({ type: "pause", mode: "abort" });
  await bench.until(100);
  const before = sets(bench);
  bench.platform.evict();
  expect(stateOf(bench).status).toBe("paused");
  await bench.until(5_000);
  expect(sets(bench)).toEqual(before);
  expect(bench.platform.alarms).toBe(0);
});

/** A keeper alone, whose run says what it is told to. */
function alone() {
  const set: number[] = [];
  const clock = { now: () => 1_000, after: () => () => {} };
  const alarm = {
    set: async (at: number) => {
      set.push(at);
    },
  };
  const keeper = new AlarmKeeper(() => ({ clock, alarm }));
  const driver = { state: null as ExecutionState | null, isBusy: false, isRecovered: true };
  keeper.follow(driver, null);
  return { keeper, driver, set, alarm };
}

const RUNNING = {
  ended_at: null,
  drained_at: null,
  paused_at: null,
  deadline_at: 90_000,
  stages: [],
  status: "running",
} as unknown as ExecutionState;

test("an alarm that the platform has dropped is set soon where calls wait for it, at its time otherwise", () => {
  for (const [isRecovered, at] of [
    [false, 1_000 + TIMINGS.ALARM_JOIN_MS],
    [true, 90_000],
  ] as const) {
    const { keeper, driver, set } = alone();
    driver.state = RUNNING;
    driver.isRecovered = isRecovered;
    keeper.follow(driver, null);
    keeper.renew();
    expect(set).toEqual([]);
    keeper.dropped();
    expect(set).toEqual([at]);
  }
});

test("what follows the handler's work comes after the alarm is set, in the same stretch", async () => {
  const { keeper, driver, set } = alone();
  driver.state = RUNNING;
  const seen: unknown[] = [];
  await keeper.handle(async () => {
    keeper.renew();
    keeper.dropped();
    seen.push([...set], keeper.isHandled);
    return () => {
      seen.push([...set], keeper.isHandled);
      keeper.release();
    };
  });
  expect(seen).toEqual([[], true, [90_000], false]);
});

test("faults in a row take the run up later and later, until it was taken up", async () => {
  const { keeper, driver, set } = alone();
  keeper.broke();
  await keeper.handle(async () => {
    keeper.fault();
    return NOTHING_ELSE;
  });
  expect(set).toEqual([6_000, 11_000]);
  expect(keeper.faults).toBe(2);
  keeper.follow(driver, null);
  keeper.recovered();
  keeper.broke();
  expect(set.at(-1)).toBe(6_000);
});

test("a handler that leaves nothing sets no alarm, and one that storage refuses is a fault of the handler", async () => {
  const { keeper, driver, set, alarm } = alone();
  await keeper.handle(async () => NOTHING_ELSE);
  expect(set).toEqual([]);
  driver.state = RUNNING;
  alarm.set = () => Promise.reject(new Error("storage is gone"));
  await expect(keeper.handle(async () => NOTHING_ELSE)).rejects.toThrow("storage is gone");
  // Set beside a handler, it is the output gate that fails.
  keeper.block(5_000);
  await drained();
});
