// Lists of a shard of the execution index over SQLite in memory: each execution once in its place, by an index, and
// bounded where the filters fit few of many rows.
import type { IndexQuery } from "../../../src/engine/worker-ports.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ListedPart, pageOf } from "../../../src/adapters/durable/execution-index-client.ts";
import { beginning, NOW, reportOf, RETENTION_MS, ShardDisk } from "../../support/objects/index-shard.ts";

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

/** Every page, as the list's client puts the parts together; and how many pages there were. */
async function all(
  shards: readonly Shard[],
  filters: Partial<IndexQuery> = {},
  limit = 7,
): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let before: IndexQuery["before"] = null;
  for (let pages = 1; ; pages += 1) {
    const query = { ...filters, before, limit: limit + 1 };
    const parts: ListedPart[] = await Promise.all(shards.map((shard) => shard.list(query)));
    const { listed, next } = pageOf(parts, limit);
    ids.push(...listed.map(({ id }) => id));
    if (next === null) return { ids, pages };
    before = next;
  }
}

interface Made {
  status?: (at: number) => string;
  pipeline?: (at: number) => string;
  conversation?: (at: number) => string;
  expires?: (at: number) => number;
  on?: ShardDisk;
}

/** Fills the table faster than reports do: a run every two seconds, until now. */
function fill(count: number, { status, pipeline, conversation, expires, on = disk }: Made): void {
  on.makeTables();
  const insert = on.database.prepare(
    `INSERT INTO runs (place, id, start, seq, status, pipeline, conversation_id, ended, expires, has_object, batch, summary)
     VALUES (?, ?, ?, 9, ?, ?, ?, ?, ?, 0, 0, ?)`,
  );
  const mark = on.database.prepare("INSERT OR IGNORE INTO pipeline_windows VALUES (?, ?)");
  on.database.exec("BEGIN");
  for (let at = 0; at < count; at += 1) {
    const start = NOW - (count - at) * 2_000;
    const name = pipeline?.(at) ?? "p";
    const state = status?.(at) ?? "completed";
    const { summary } = reportOf({ id: `r${at}`, start, pipeline: name });
    const end = ["running", "paused"].includes(state) ? null : start + 100;
    const until = expires?.(at) ?? NOW + RETENTION_MS;
    const of = conversation?.(at) ?? `c${at}`;
    insert.run(start * 1_024, `r${at}`, start, state, name, of, end, until, summary);
    mark.run(name, Math.floor(start / (4 * 3_600_000)));
  }
  on.database.exec("COMMIT");
}

test("pages show each execution once, in the list's order, also many of one millisecond", async () => {
  const shard = open();
  const runs = Array.from({ length: 60 }, (_, at) => ({ id: `r${(at * 37) % 60}`, start: NOW - (at % 4) }));
  const reports = runs.map((run, at) =>
    shard.report(reportOf({ ...run, status: at % 3 === 0 ? "failed" : "completed" })),
  );
  await vi.advanceTimersByTimeAsync(1_000);
  await Promise.all(reports);
  const running = { id: "running", start: NOW - 1 };
  await shard.begin(beginning(running));
  const wanted = [...runs, running].toSorted((a, b) => b.start - a.start || (a.id < b.id ? 1 : -1));
  expect((await all([shard])).ids).toEqual(wanted.map(({ id }) => id));
});

test("parts are put together: what one has not looked at yet comes with the next page", async () => {
  const other = new ShardDisk();
  const [first, second] = [open(), open(other)];
  // The one part has 50,000 rows that do not fit, the other one fits throughout.
  fill(50_000, { status: (at) => (at % 10_000 === 0 ? "completed" : "failed") });
  fill(60, { status: () => "completed", on: other, conversation: () => "d" });
  other.database.exec(
    "UPDATE runs SET id = 'o' || id, start = start - 99000000, place = place - 99000000 * 1024",
  );
  const { ids, pages } = await all([first, second], { status: "completed" });
  expect(ids).toHaveLength(65);
  expect(new Set(ids).size).toBe(65);
  const places = ids.map((id) => {
    const on = id.startsWith("o") ? other : disk;
    return Number(on.database.prepare("SELECT start FROM runs WHERE id = ?").get(id)?.["start"]);
  });
  expect(places).toEqual(places.toSorted((a, b) => b - a));
  expect(pages).toBeLessThan(20);
  other.database.close();
});

describe("of many rows", () => {
  const ROWS = 50_000;

  test.each([
    ["a status that none has", { status: "paused" as const }, 1],
    ["failures of a pipeline without any", { status: "failed" as const, pipeline: "rare" }, 1],
    ["a conversation that there is not", { conversation_id: "none" }, 1],
    ["a pipeline that has never run", { pipeline: "none" }, 1],
    ["a pipeline that has never run, completed", { pipeline: "none", status: "completed" as const }, 1],
    [
      "a status of a conversation that there is not",
      { conversation_id: "none", status: "completed" as const },
      1,
    ],
    ["rows that have expired", {}, 11],
  ])("%s is found to be none, in pages of bounded work", async (_, filters, pages) => {
    const shard = open();
    const expires = Object.keys(filters).length === 0 ? () => NOW - 1 : undefined;
    fill(ROWS, {
      ...(expires === undefined ? {} : { expires }),
      pipeline: (at) => (at === 7 ? "rare" : "p"),
    });
    expect(await all([shard], filters)).toEqual({ ids: [], pages });
  });

  test("a rare pipeline is found by its windows", async () => {
    const shard = open();
    fill(ROWS, { pipeline: (at) => (at % 9_000 === 5 ? "rare" : "p") });
    const wanted = [45_005, 36_005, 27_005, 18_005, 9_005, 5].map((at) => `r${at}`);
    expect(await all([shard], { pipeline: "rare" })).toMatchObject({ ids: wanted });
    const { listed } = await shard.list({ pipeline: "p", status: "completed", before: null, limit: 5 });
    expect(listed.map(({ id }) => id)).toEqual(
      [49_999, 49_998, 49_997, 49_996, 49_995].map((at) => `r${at}`),
    );
  });

  test("windows go with the rows that they are of", async () => {
    const shard = open();
    fill(20_000, { expires: () => NOW - 1 });
    const windows = () =>
      Number(disk.database.prepare("SELECT count(*) AS n FROM pipeline_windows").get()?.["n"]);
    expect(windows()).toBeGreaterThan(2);
    vi.setSystemTime(NOW + 2 * 24 * 3_600_000);
    await shard.begin(beginning({ id: "later" }));
    for (let go = 0; go < 12; go += 1) await shard.alarm();
    expect([disk.database.prepare("SELECT 1 FROM runs").get(), windows()]).toEqual([undefined, 0]);
  });
});

test("no statement of a list or of a run's requests reads the table without an index, but a page's own part", async () => {
  const shard = open();
  fill(100, {});
  disk.statements.length = 0;
  await shard.report(reportOf({ id: "x", conversation_id: "c" }));
  await shard.begin(beginning({ id: "y" }, { is_named: true }));
  for (const status of [undefined, "running", "paused", "failed", "cancelled", "completed"] as const) {
    for (const conversation_id of [undefined, "c"]) {
      for (const pipeline of [undefined, "p"]) {
        await shard.list({ status, conversation_id, pipeline, before: { start: NOW, id: "a" }, limit: 5 });
      }
    }
  }
  await shard.metrics({ period: { window_seconds: 300 }, shapes: 5 });
  await shard.ended(NOW - 1_000, 5);
  const plans = disk.statements
    .filter(({ query }) => /\bruns\b/.test(query) && !/^(INSERT|CREATE)/.test(query))
    .map(({ query, values }) => {
      const plan = disk.database.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...values);
      return { query, plan: plan.map(({ detail }) => String(detail)) };
    });
  expect(plans.length).toBeGreaterThan(40);
  for (const { query, plan } of plans) {
    // A history sorts the few rows that it has found by their index.
    const isHistory = query.includes("ORDER BY at DESC, id DESC LIMIT");
    expect(
      plan.filter((step) => /^SCAN runs$/.test(step) || (step.includes("TEMP B-TREE") && !isHistory)),
      query,
    ).toEqual([]);
  }
});
