// Retention by a shard of the execution index: the objects of expired executions are emptied before their rows go, each
// until it is done, a bounded number at a time.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import {
  HOUR_MS,
  NOW,
  reportOf,
  RETENTION_MS,
  type Run,
  ShardDisk,
} from "../../support/objects/index-shard.ts";

vi.mock("cloudflare:workers", () => ({
  DurableObject: class {
    ctx: unknown;
    env: unknown;
    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  },
}));

const { LedgerObject } = await import("../../../src/objects/execution-index/execution-index.ts");

let disk: ShardDisk;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  disk = new ShardDisk();
});

afterEach(() => {
  vi.useRealTimers();
  disk.database.close();
});

const open = () => new LedgerObject(...disk.instance());
const rows = () => Number(disk.database.prepare("SELECT count(*) AS n FROM runs").get()?.["n"]);

async function report(shard: ReturnType<typeof open>, runs: readonly Run[]): Promise<void> {
  const reports = runs.map((run) => shard.report(reportOf({ has_object: true, ...run })));
  await vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS);
  await Promise.all(reports);
}

test("an object is emptied when its execution expires, and its row goes with it", async () => {
  const shard = open();
  await report(shard, [{ id: "a" }, { id: "b", start: NOW + 1, retention_ms: 30 * 24 * HOUR_MS }]);
  await report(shard, [{ id: "without", has_object: false }]);
  await shard.alarm();
  expect(disk.emptied).toEqual([]);
  vi.setSystemTime(NOW + RETENTION_MS + HOUR_MS);
  await open().alarm();
  expect(disk.emptied).toEqual([`a ${NOW}`]);
  expect(rows()).toBe(1);
  expect(disk.alarm).toBe(Date.now() + TIMINGS.INDEX_SWEEP_MOST_MS);
});

test("one that expires within a day is emptied then; its row stays, so that its end is counted once", async () => {
  const shard = open();
  await report(shard, [{ id: "short", retention_ms: 1_000 }]);
  expect(disk.alarm).toBe(NOW + TIMINGS.INDEX_BUFFER_MS - TIMINGS.INDEX_BUFFER_MS + TIMINGS.INDEX_SWEEP_MS);
  vi.setSystemTime(NOW + HOUR_MS);
  await shard.alarm();
  await shard.alarm();
  expect([disk.emptied, rows()]).toEqual([[`short ${NOW}`], 1]);
  vi.setSystemTime(NOW + 25 * HOUR_MS);
  await shard.alarm();
  expect([disk.emptied.length, rows()]).toEqual([1, 0]);
});

test("one that does not answer is asked again with the next sweep, and its row stays until then", async () => {
  const shard = open();
  await report(shard, [{ id: "down" }, { id: "up", start: NOW + 1 }]);
  disk.refusing.add("down");
  vi.setSystemTime(NOW + RETENTION_MS + HOUR_MS);
  await shard.alarm();
  expect([disk.emptied, rows()]).toEqual([[`up ${NOW + 1}`], 1]);
  disk.refusing.clear();
  await open().alarm();
  expect([disk.emptied.length, rows()]).toEqual([2, 0]);
});

test("what a caller has deleted is not emptied again", async () => {
  const shard = open();
  await report(shard, [{ id: "a" }]);
  await shard.forget({ start: NOW, id: "a" });
  vi.setSystemTime(NOW + RETENTION_MS + HOUR_MS);
  await shard.alarm();
  expect([disk.emptied, rows()]).toEqual([[], 0]);
});

test("many are emptied in bounded goes that follow soon", async () => {
  const shard = open();
  const runs = Array.from({ length: 1_200 }, (_, at) => ({ id: `r${at}`, start: NOW + at }));
  await report(shard, runs);
  vi.setSystemTime(NOW + RETENTION_MS + HOUR_MS);
  const goes: number[] = [];
  while (rows() > 0 && goes.length < 10) {
    const before = disk.emptied.length;
    await shard.alarm();
    goes.push(disk.emptied.length - before);
    if (rows() > 0) expect(disk.alarm).toBe(Date.now() + TIMINGS.INDEX_SWEEP_GAP_MS);
  }
  expect(goes).toEqual([500, 500, 200]);
  expect(new Set(disk.emptied).size).toBe(1_200);
});
