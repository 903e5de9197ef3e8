// The outbox (I13) with a virtual clock and receivers that fail: each change of status is reported, the end until
// every receiver has it, nothing twice without need, and the latest state wins.
import { expect, test } from "vitest";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import type { Change } from "../../../src/core/execution/alarm/report-change.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { ExecutionDriver, Watcher } from "../../../src/engine/run/driver.ts";
import { Outbox, type Receiver } from "../../../src/engine/watch/outbox.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const RETENTION_S = 600;

/** A receiver that refuses as often as it is asked to, and hangs where it is asked to. */
class Scripted implements Receiver {
  readonly name: string;
  readonly takesEachPause: boolean;
  readonly takesEachQuestion: boolean;
  /** The questions that opened with each report. */
  readonly opened: number[][] = [];
  readonly got: string[] = [];
  refusals = 0;
  asked = 0;
  hangs = false;
  slow: PromiseWithResolvers<void> | null = null;

  constructor(name: string, takesEachPause = false) {
    this.name = name;
    this.takesEachPause = takesEachPause;
    this.takesEachQuestion = takesEachPause;
  }

  async receive({ status, seq }: ExecutionState, { opened }: Change): Promise<void> {
    this.asked += 1;
    await this.slow?.promise;
    if (this.hangs) await new Promise(() => {});
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw new Error("refused");
    }
    this.got.push(`${status}@${seq}`);
    this.opened.push([...opened]);
  }
}

class World {
  readonly time = new VirtualTime(0);
  readonly index = new Scripted("index");
  readonly hook = new Scripted("webhook", true);
  recoveries = 0;
  pending = 0;
  delivered = 0;
  fault: { cause: unknown } | null = null;
  state: ExecutionState | null = null;
  private watcher: Watcher | null = null;

  open(): Outbox {
    const driver = {
      watch: (watcher: Watcher) => {
        this.watcher = watcher;
        return () => {};
      },
    };
    Object.defineProperty(driver, "state", { get: () => this.state });
    Object.defineProperty(driver, "fault", { get: () => this.fault });
    const clock = {
      now: () => this.time.now,
      after: (ms: number, task: () => void) => this.time.after(ms, task),
    };
    const ports = { clock, chance: () => 0 };
    return new Outbox(driver as unknown as ExecutionDriver, ports, [this.index, this.hook], {
      pending: () => {
        this.pending += 1;
      },
      delivered: () => {
        this.delivered += 1;
      },
    });
  }

  /** @param questions the `seq` of those that are open */
  is(status: ExecutionState["status"], seq: number, questions: number[] = []): void {
    const ended = status === "completed" || status === "failed" || status === "cancelled";
    const config = { retention_seconds: RETENTION_S };
    this.state = {
      status,
      seq,
      updated_at: this.time.now,
      ended_at: ended ? this.time.now : null,
      recoveries: this.recoveries,
      drained_at: 0,
      stages: questions.map((asked, at) => ({
        phase: "waiting",
        began_seq: asked,
        result: { stage: `asks_${at}` },
        items: null,
        wait: { seq: asked, reason: "wait", since: 0, expires_at: 600_000 },
      })),
      index: new Map(questions.map((_, at) => [`asks_${at}`, at])),
      spec: { config, stages: questions.map(() => ({ wait: {} })) },
    } as unknown as ExecutionState;
  }

  becomes(status: ExecutionState["status"], seq: number, questions: number[] = []): void {
    this.is(status, seq, questions);
    this.watcher?.wake();
  }

  async pass(ms: number): Promise<void> {
    const passed = { is: false };
    this.time.after(ms, () => {
      passed.is = true;
    });
    await drained();
    while (!passed.is) await this.time.step();
  }
}

test("a short run is reported once, with its end", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS - 1);
  world.becomes("completed", 5);
  expect(await outbox.settle()).toEqual([]);
  await world.pass(60_000);
  expect(world.index.got).toEqual(["completed@5"]);
  expect([world.pending, world.delivered]).toEqual([1, 1]);
});

test("a run that an earlier instance began is reported soon: the index may have lost its start", async () => {
  const world = new World();
  world.open();
  world.recoveries = 1;
  world.becomes("running", 4);
  await world.pass(TIMINGS.OUTBOX_RECOVERED_MS);
  expect(world.index.got).toEqual(["running@4"]);
});

test("a start whose run is to leave memory is reported at once, and once", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  outbox.retryNow();
  await world.pass(1);
  expect([world.index.got, outbox.isPending, world.delivered]).toEqual([["running@2"], false, 1]);
  outbox.retryNow();
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  expect(world.index.asked).toBe(1);
});

test("a start that was refused is not reported sooner than its next try", async () => {
  const world = new World();
  const outbox = world.open();
  world.index.refusals = 1;
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  outbox.retryNow();
  await world.pass(1);
  expect(world.index.asked).toBe(1);
});

test("a report counts as refused from its first refusal, or from the time limit, until it is taken", async () => {
  const world = new World();
  const outbox = world.open();
  world.index.refusals = 1;
  world.is("completed", 5);
  outbox.notice();
  expect([outbox.isPending, outbox.isRefused]).toEqual([true, false]);
  expect(await outbox.settle()).toEqual(["index"]);
  expect(outbox.isRefused).toBe(true);
  expect(await outbox.settle()).toEqual([]);
  expect([outbox.isPending, outbox.isRefused]).toEqual([false, false]);

  const hanging = new World();
  const second = hanging.open();
  hanging.hook.hangs = true;
  hanging.is("completed", 5);
  const settled = second.settleWithin(TIMINGS.REPORT_WAIT_MS);
  await hanging.pass(TIMINGS.REPORT_WAIT_MS);
  await settled;
  expect(second.isRefused).toBe(true);
});

test("a longer one is reported at each change, and a change back is a change", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  world.becomes("running", 3);
  world.becomes("paused", 4);
  expect(outbox.reports).toBe("pending");
  await world.pass(1);
  expect(outbox.reports).toBe("none");
  world.becomes("running", 5);
  await world.pass(1);
  world.becomes("failed", 6);
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["running@2", "paused@4", "running@5", "failed@6"]);
});

test("a pause that was over before its report reaches those who take each; others get the latest state", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  world.becomes("paused", 3);
  world.becomes("running", 4);
  world.becomes("paused", 5);
  world.becomes("completed", 9);
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["completed@9"]);
  expect(world.hook.got).toEqual(["paused@3", "paused@5", "completed@9"]);
});

test("a change that comes during a delivery follows it", async () => {
  const world = new World();
  const outbox = world.open();
  world.index.slow = Promise.withResolvers();
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  world.becomes("completed", 5);
  await world.pass(0);
  world.index.slow.resolve();
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["running@2", "completed@5"]);
  expect(world.hook.got).toEqual(["running@2", "completed@5"]);
});

test("a start that was refused is reported again after 5 seconds, and then later and later", async () => {
  const world = new World();
  world.open();
  world.index.refusals = 3;
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  const tries: number[] = [];
  for (let second = 0; second < 60; second += 1) {
    const before = world.index.asked;
    await world.pass(1_000);
    if (world.index.asked > before) tries.push(Math.floor(world.time.now / 1_000));
  }
  expect(world.index.got).toEqual(["running@2"]);
  // 5, 10, 20 and 40 seconds after it began.
  expect(tries).toEqual([10, 20, 40]);
  // The webhook had it with the first try.
  expect(world.hook.asked).toBe(1);
});

test("the end is pending until every receiver has it, and who has it is not asked again", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  world.index.refusals = 2;
  world.becomes("completed", 5);
  // Callers who wait for the end are answered first.
  expect(world.index.asked).toBe(0);
  await world.pass(0);
  expect(world.delivered).toBe(0);
  expect(await outbox.settle()).toEqual(["index"]);
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["completed@5"]);
  expect(world.hook).toMatchObject({ got: ["completed@5"], asked: 1 });
});

test("an end that is refused leaves the next try to the alarm: nothing keeps the object in memory", async () => {
  const world = new World();
  world.open();
  world.index.refusals = 1_000;
  world.becomes("completed", 5);
  await world.pass(0);
  expect(world.index.asked).toBe(1);
  expect(await world.time.step()).toBe(false);
  expect([world.pending, world.delivered]).toEqual([1, 0]);
});

test("a receiver that does not answer is one that refused", async () => {
  const world = new World();
  const outbox = world.open();
  world.hook.hangs = true;
  world.is("completed", 5);
  const settled = outbox.settleWithin(TIMINGS.REPORT_WAIT_MS);
  await world.pass(TIMINGS.REPORT_WAIT_MS);
  expect(await settled).toEqual(["webhook"]);
  expect(world.index.got).toEqual(["completed@5"]);
});

test("the state of a broken driver is not reported: it is not in the log", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  world.fault = { cause: new Error("refused") };
  world.becomes("completed", 5);
  expect(await outbox.settle()).toEqual([]);
  await world.pass(60_000);
  expect(world.index.got).toEqual(["running@2"]);
  expect(world.pending).toBe(0);
});

test("an end that an earlier instance wrote is reported by settle, and by nothing else", async () => {
  const world = new World();
  world.is("cancelled", 9);
  const outbox = world.open();
  await world.pass(60_000);
  expect(world.index.asked).toBe(0);
  expect(await outbox.settle()).toEqual([]);
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["cancelled@9"]);
});

test("a receiver that hangs with an earlier change delays the end for no other", async () => {
  const world = new World();
  world.open();
  world.hook.hangs = true;
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  world.becomes("completed", 9);
  await world.pass(1);
  expect(world.index.got).toEqual(["running@2", "completed@9"]);
  expect(world.hook.asked).toBe(1);
});

test("a question is reported at once, also while other stages run, and so is its end", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  await world.pass(TIMINGS.OUTBOX_FIRST_MS);
  world.becomes("running", 3, [3]);
  // The alarm comes soon where a crash is faster than the report.
  expect([outbox.reports, world.pending]).toEqual(["pending", 1]);
  await world.pass(1);
  world.becomes("waiting", 5, [3, 5]);
  await world.pass(1);
  world.becomes("waiting", 6, [5]);
  await world.pass(1);
  expect(world.index.got).toEqual(["running@2", "running@3", "waiting@5", "waiting@6"]);
  expect(world.index.opened).toEqual([[], [3], [5], []]);
  world.becomes("waiting", 7, [5]);
  await world.pass(60_000);
  expect(world.index.asked).toBe(4);
});

test("a run that begins with a question is reported without the delay of a start", async () => {
  const world = new World();
  world.open();
  world.becomes("waiting", 2, [2]);
  await world.pass(1);
  expect(world.index.got).toEqual(["waiting@2"]);
});

test("a question that was answered before its report reaches those who take each", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("waiting", 2, [2]);
  world.becomes("running", 4);
  world.becomes("completed", 9);
  expect(await outbox.settle()).toEqual([]);
  expect(world.index.got).toEqual(["completed@9"]);
  expect(world.hook.got).toEqual(["waiting@2", "completed@9"]);
  expect(world.hook.opened).toEqual([[2], []]);
});

test("questions that an earlier instance left open open with a report of its own, and with no later one", async () => {
  const world = new World();
  world.is("waiting", 5, [3, 5]);
  world.open();
  world.becomes("waiting", 6, [5]);
  await world.pass(1);
  expect([world.hook.got, world.hook.opened]).toEqual([["waiting@6"], [[]]]);

  const crashed = new World();
  crashed.is("waiting", 5, [3, 5]);
  const outbox = crashed.open();
  outbox.notice();
  crashed.becomes("waiting", 6, [5]);
  expect(await outbox.settle()).toEqual([]);
  expect([crashed.hook.got, crashed.hook.opened]).toEqual([
    ["waiting@5", "waiting@6"],
    [[3, 5], []],
  ]);
});
