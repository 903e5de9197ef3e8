// The outbox (I13) with a virtual clock and receivers that fail: each change of status is told, the end until every
// receiver has it, nothing twice without need, and the latest state wins.
import { expect, test } from "vitest";
import type { ExecutionState } from "../../src/core/execution/state.ts";
import { PACE } from "../../src/core/pace.ts";
import type { ExecutionDriver, Watcher } from "../../src/engine/drive.ts";
import { Outbox } from "../../src/engine/outbox.ts";
import type { Clock } from "../../src/engine/ports.ts";

class World {
  now = 0;
  told: string[] = [];
  ended = 0;
  delivered = 0;
  failures = 0;
  state: ExecutionState | null = null;
  private tasks: { at: number; task: () => void }[] = [];
  private watcher: Watcher | null = null;

  private readonly clock: Clock = {
    now: () => this.now,
    after: (ms, task) => {
      const entry = { at: this.now + ms, task };
      this.tasks.push(entry);
      return () => {
        this.tasks = this.tasks.filter((other) => other !== entry);
      };
    },
  };

  open(): Outbox {
    const driver = {
      state: this.state,
      watch: (watcher: Watcher) => {
        this.watcher = watcher;
        return () => {};
      },
    };
    Object.defineProperty(driver, "state", { get: () => this.state });
    const receiver = async ({ status, seq }: ExecutionState) => {
      if (this.failures > 0) {
        this.failures -= 1;
        throw new Error("unreachable");
      }
      this.told.push(`${status}@${seq}`);
    };
    return new Outbox(driver as unknown as ExecutionDriver, this.clock, [receiver], {
      owed: () => {
        this.ended += 1;
      },
      delivered: () => {
        this.delivered += 1;
      },
    });
  }

  becomes(status: ExecutionState["status"], seq: number): void {
    this.state = { status, seq } as ExecutionState;
    this.watcher?.wake();
  }

  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      const next = this.tasks.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      this.tasks = this.tasks.filter((other) => other !== next);
      this.now = next.at;
      next.task();
      await settled();
    }
    this.now = until;
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
}

test("a short run is told of once, with its end", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  await world.pass(PACE.OUTBOX_FIRST_MS - 1);
  world.becomes("completed", 5);
  expect(await outbox.settle()).toBe(true);
  await world.pass(60_000);
  expect(world.told).toEqual(["completed@5"]);
  expect(world.ended).toBe(1);
  expect(world.delivered).toBe(1);
});

test("a longer one is told of at each change, and a change back is a change", async () => {
  const world = new World();
  const outbox = world.open();
  world.becomes("running", 2);
  await world.pass(PACE.OUTBOX_FIRST_MS);
  world.becomes("running", 3);
  world.becomes("paused", 4);
  await world.pass(1);
  world.becomes("running", 5);
  await world.pass(1);
  world.becomes("failed", 6);
  expect(await outbox.settle()).toBe(true);
  expect(world.told).toEqual(["running@2", "paused@4", "running@5", "failed@6"]);
});

test("a start that did not get through is told again; the end is owed until it has", async () => {
  const world = new World();
  const outbox = world.open();
  world.failures = 1;
  world.becomes("running", 2);
  await world.pass(PACE.OUTBOX_FIRST_MS);
  expect(world.told).toEqual([]);
  await world.pass(PACE.ALARM_RETRY_MS);
  expect(world.told).toEqual(["running@2"]);
  world.failures = 2;
  world.becomes("completed", 5);
  await settled();
  // Whoever waits for the end is answered first.
  expect(world.failures).toBe(2);
  await world.pass(0);
  expect(world.delivered).toBe(0);
  expect(await outbox.settle()).toBe(false);
  expect(await outbox.settle()).toBe(true);
  expect(world.told).toEqual(["running@2", "completed@5"]);
});

test("an end that an earlier instance wrote is told by whoever settles", async () => {
  const world = new World();
  world.state = { status: "cancelled", seq: 9 } as ExecutionState;
  const outbox = world.open();
  expect(await outbox.settle()).toBe(true);
  expect(await outbox.settle()).toBe(true);
  expect(world.told).toEqual(["cancelled@9"]);
});
