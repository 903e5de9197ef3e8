// The inbox of a shard of the execution index over SQLite in memory: pages in order, filters by index, and nothing left of
// questions that are over.
import type { WaitPlace, WaitsQuery } from "../../../src/engine/worker-ports.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type IndexReport, waitsPageOf } from "../../../src/adapters/durable/execution-index-client.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { migrate } from "../../../src/objects/migrations.ts";
import { SCHEMAS } from "../../../src/objects/execution-index/schemas.ts";
import { HOUR_MS, NOW, reportOf, type Run, ShardDisk } from "../../support/objects/index-shard.ts";

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

const open = (on = disk) => new LedgerObject(...on.instance());
type Shard = ReturnType<typeof open>;

/** A run whose questions, by `seq`, expire then. */
function asking(run: Run, expires: Record<number, number>, text = ""): IndexReport {
  const waits = Object.entries(expires).map(([seq, at]) => ({
    seq: Number(seq),
    since: NOW - 1_000 * Number(seq),
    expires_at: at,
    entry: JSON.stringify({ execution_id: run.id, stage: `s${seq}`, text }),
  }));
  return { ...reportOf({ status: "waiting", ...run }), waits };
}

async function report(shard: Shard | undefined, entry: IndexReport): Promise<void> {
  await Promise.all([shard?.report(entry), vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS)]);
}

async function inbox(
  shards: readonly Shard[],
  filters: Partial<WaitsQuery> = {},
  limit = 3,
): Promise<string[]> {
  const found: string[] = [];
  for (let after: WaitPlace | null = null, pages = 0; pages < 100; pages += 1) {
    const query = { ...filters, after, limit: limit + 1 };
    const { waits, next } = waitsPageOf(await Promise.all(shards.map((shard) => shard.waits(query))), limit);
    expect(waits.length).toBeLessThanOrEqual(limit);
    found.push(...waits.map(({ execution_id, stage }) => `${execution_id} ${stage}`));
    if (next === null) return found;
    after = next;
  }
  throw new Error("the pages do not end");
}

const rows = () => Number(disk.database.prepare("SELECT count(*) AS n FROM waits").get()?.["n"]);

describe("the inbox", () => {
  test("has the soonest expiry first over all shards and pages, each question once", async () => {
    const other = new ShardDisk();
    const shards = [open(), open(other)];
    const wanted: [number, string][] = [];
    for (let at = 0; at < 24; at += 1) {
      // Several expire at the same moment.
      const expires = NOW + HOUR_MS + 60_000 * ((at * 7) % 5);
      await report(
        shards[at % 2],
        asking({ id: `run${String(at).padStart(2, "0")}` }, { 2: expires, 3: expires }),
      );
      wanted.push([expires, `run${String(at).padStart(2, "0")}`]);
    }
    const sorted = wanted.toSorted(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
    const expected = sorted.flatMap(([, id]) => [`${id} s2`, `${id} s3`]);
    for (const limit of [1, 3, 7, 100]) expect(await inbox(shards, {}, limit)).toEqual(expected);
    other.database.close();
  });

  test("is read by an index, whatever is asked", async () => {
    const shard = open();
    await report(shard, asking({ id: "a", pipeline: "p", conversation_id: "c" }, { 2: NOW + HOUR_MS }));
    await report(shard, asking({ id: "b", pipeline: "q", conversation_id: "c" }, { 2: NOW + HOUR_MS }));
    await report(shard, asking({ id: "d", pipeline: "q", conversation_id: "e" }, { 2: NOW + HOUR_MS }));
    disk.statements.length = 0;
    expect(await inbox([shard], { pipeline: "q" })).toEqual(["b s2", "d s2"]);
    expect(await inbox([shard], { conversation_id: "c" })).toEqual(["a s2", "b s2"]);
    expect(await inbox([shard], { conversation_id: "c", pipeline: "q" })).toEqual(["b s2"]);
    expect(await inbox([shard])).toEqual(["a s2", "b s2", "d s2"]);
    await shard.metrics({ period: { window_seconds: 60 }, shapes: 0 });
    const plans = disk.statements
      .filter(({ query }) => query.includes("FROM waits"))
      .flatMap(({ query, values }) => disk.database.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...values))
      .map(({ detail }) => String(detail));
    expect(plans.length).toBeGreaterThan(4);
    expect(plans.filter((detail) => detail.includes("TEMP B-TREE"))).toEqual([]);
    expect(plans.filter((detail) => detail.startsWith("SEARCH")).length).toBeGreaterThan(3);
    for (const detail of plans) expect(detail).toMatch(/USING (COVERING )?INDEX/);
  });

  test("goes on after a part that was cut because its questions are large", async () => {
    const shard = open();
    for (let at = 0; at < 30; at += 1) {
      await report(shard, asking({ id: `run${at + 10}` }, { 2: NOW + HOUR_MS + at }, "x".repeat(80_000)));
    }
    const first = await shard.waits({ after: null, limit: 101 });
    expect(first.isCut).toBe(true);
    expect(first.waits.length).toBeLessThan(20);
    expect(await inbox([shard], {}, 100)).toHaveLength(30);
  });
});

describe("a question is gone", () => {
  test("with the report that has it no more; the others keep their rows", async () => {
    const shard = open();
    await report(shard, asking({ id: "a", seq: 3 }, { 2: NOW + HOUR_MS, 3: NOW + 2 * HOUR_MS }));
    disk.statements.length = 0;
    await report(shard, asking({ id: "a", seq: 5 }, { 3: NOW + 2 * HOUR_MS }));
    const written = disk.statements.filter(({ query }) => /^(INSERT|DELETE).* waits/.test(query));
    expect(written.map(({ query }) => query.slice(0, 6))).toEqual(["DELETE"]);
    expect(await inbox([shard])).toEqual(["a s3"]);
    // One that comes late brings nothing back.
    await report(shard, asking({ id: "a", seq: 3 }, { 2: NOW + HOUR_MS, 3: NOW + 2 * HOUR_MS }));
    expect(await inbox([shard])).toEqual(["a s3"]);
    await report(shard, { ...reportOf({ id: "a", status: "cancelled", seq: 9 }), waits: [] });
    expect(rows()).toBe(0);
  });

  test("from its expiry on, and the sweep deletes the row of a run that was lost", async () => {
    const shard = open();
    await report(shard, asking({ id: "lost" }, { 2: NOW + HOUR_MS }));
    vi.setSystemTime(NOW + HOUR_MS - 1);
    expect(await inbox([shard])).toEqual(["lost s2"]);
    vi.setSystemTime(NOW + HOUR_MS);
    expect(await inbox([shard])).toEqual([]);
    const { waits } = await shard.metrics({ period: { window_seconds: 60 }, shapes: 0 });
    expect([...waits]).toEqual([]);
    await shard.alarm();
    expect(rows()).toBe(0);
  });

  test("with its execution, and not with an earlier one of the same id", async () => {
    const shard = open();
    await report(shard, asking({ id: "a", start: NOW - 5 }, { 2: NOW + HOUR_MS }));
    await shard.forget({ id: "a", start: NOW - 5 });
    expect(rows()).toBe(0);
    await report(shard, asking({ id: "a", start: NOW, seq: 2 }, { 2: NOW + 2 * HOUR_MS }));
    await report(shard, asking({ id: "a", start: NOW - 5, seq: 99 }, {}));
    await shard.forget({ id: "a", start: NOW - 5 });
    expect(await inbox([shard])).toEqual(["a s2"]);
  });
});

test("counts what is open by pipeline, with the oldest; waiting runs are not in progress", async () => {
  const shard = open();
  await report(shard, asking({ id: "a", pipeline: "p" }, { 2: NOW + HOUR_MS, 9: NOW + HOUR_MS }));
  await report(shard, asking({ id: "b", pipeline: "q" }, { 4: NOW + HOUR_MS }));
  await report(shard, reportOf({ id: "c", pipeline: "p", status: "running" }));
  const figures = await shard.metrics({ period: { window_seconds: 60 }, shapes: 0 });
  expect(figures.open).toBe(1);
  expect(Object.fromEntries(figures.waits)).toEqual({
    p: { open: 2, since: NOW - 9_000 },
    q: { open: 1, since: NOW - 4_000 },
  });
  const { waits } = await shard.metrics({ period: { window_seconds: 60 }, shapes: 0, pipeline: "q" });
  expect([...waits.keys()]).toEqual(["q"]);
});

test("a run that asks nothing executes no statement for it", async () => {
  const shard = open();
  await report(shard, reportOf({ id: "a" }));
  disk.statements.length = 0;
  await report(shard, reportOf({ id: "b" }));
  expect(disk.statements.filter(({ query }) => query.includes("waits"))).toEqual([]);
});

test("storage of the version before has its rows and the new table", async () => {
  migrate(disk.instance()[0].storage, SCHEMAS.slice(0, 2));
  disk.database
    .prepare(
      `INSERT INTO runs (place, id, start, seq, status, pipeline, conversation_id, expires, has_object, batch, summary)
       VALUES (?, 'old', ?, 2, 'running', 'p', 'c', ?, 1, 0, '{"execution_id":"old"}')`,
    )
    .run(NOW * 1_024, NOW, NOW + HOUR_MS);
  const shard = open();
  expect((await shard.list({ before: null, limit: 9 })).listed.map(({ id }) => id)).toEqual(["old"]);
  await report(shard, asking({ id: "a" }, { 2: NOW + HOUR_MS }));
  expect(await inbox([shard])).toEqual(["a s2"]);
  expect(disk.kv.get("schema")).toBe(SCHEMAS.length);
});
