// A shard of the execution index over SQLite in memory: the history of a conversation and the start of a run in one
// request, its entry, turn and metrics in one report; what is lost with the shard's memory, and what is not; rows of
// earlier versions.
import type { IndexQuery } from "../../../src/engine/worker-ports.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import {
  beginning,
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

/** An instance of the shard on the same disk. */
const open = () => new LedgerObject(...disk.instance());

type Shard = ReturnType<typeof open>;

async function report(shard: Shard, run: Run): Promise<void> {
  const [outcome] = await Promise.all([
    shard.report(reportOf(run)).then(
      () => null,
      (cause: Error) => cause,
    ),
    vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS),
  ]);
  if (outcome !== null) throw outcome;
}

async function begin(shard: Shard, ...args: Parameters<typeof beginning>): Promise<string[]> {
  const turns = JSON.parse(await shard.begin(beginning(...args))) as { answer: { of: string } }[];
  return turns.map(({ answer }) => answer.of);
}

async function list(shard: Shard, query: Partial<IndexQuery> = {}): Promise<string[]> {
  const { listed } = await shard.list({ before: null, limit: 100, ...query });
  return listed.map(({ id, summary }) => `${id} ${summary.status}`);
}

async function counted(shard: Shard): Promise<{ ended: number; open: number }> {
  const { by_pipeline, open: running } = await shard.metrics({
    period: { window_seconds: 86_400 },
    shapes: 0,
  });
  return { ended: by_pipeline.get("p")?.runs.count ?? 0, open: running };
}

const rows = () => Number(disk.database.prepare("SELECT count(*) AS n FROM runs").get()?.["n"]);

describe("a question after an answer that was faster than the report of its run", () => {
  const asked: string[] = [];

  /** A shard with a run that has ended and reports its end when it is asked. */
  async function ofEnded(id: string): Promise<Shard> {
    const shard = open();
    asked.length = 0;
    await begin(shard, { id });
    disk.whileEndIsAsked = async (of) => {
      asked.push(of);
      await shard.report(reportOf({ id: of }));
    };
    return shard;
  }

  test("is given its turn", async () => {
    const shard = await ofEnded("a");
    expect(await begin(shard, { id: "b" })).toEqual(["a"]);
    expect(asked).toEqual(["a"]);
    expect(await list(shard)).toEqual(["b running", "a completed"]);
    // What has reported its end is not asked.
    disk.whileEndIsAsked = async (of) => void asked.push(of);
    await report(shard, { id: "b" });
    expect(await begin(shard, { id: "c" })).toEqual(["a", "b"]);
    expect(asked).toEqual(["a"]);
  });

  test("is given it also where the run had reported that it is running", async () => {
    const shard = await ofEnded("a");
    await report(shard, { id: "a", status: "running" });
    expect(await begin(shard, { id: "b" })).toEqual(["a"]);
  });

  test("is given it at once where the shard gathers the reports of others", async () => {
    const shard = await ofEnded("a");
    const many = Array.from({ length: TIMINGS.INDEX_BUSY_REPORTS + 2 }, (_, at) =>
      shard.report(reportOf({ id: `other${at}`, conversation_id: "d" })),
    );
    // No time passes.
    expect(await begin(shard, { id: "b" })).toEqual(["a"]);
    await Promise.all(many);
  });

  test("waits 100 ms for a run that does not answer, and for none that fails", async () => {
    const shard = await ofEnded("a");
    disk.whileEndIsAsked = () => Promise.reject(new Error("overloaded"));
    expect(await begin(shard, { id: "b" })).toEqual([]);
    disk.whileEndIsAsked = () => new Promise(() => {});
    let turns: string[] | null = null;
    void begin(shard, { id: "c" }).then((found) => (turns = found));
    await vi.advanceTimersByTimeAsync(99);
    expect(turns).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    expect(turns).toEqual([]);
  });

  test("asks no run of another conversation, and none where many are running", async () => {
    const shard = await ofEnded("a");
    expect(await begin(shard, { id: "other", conversation_id: "d" })).toEqual([]);
    expect(asked).toEqual([]);
    disk.whileEndIsAsked = async (of) => void asked.push(of);
    for (const id of ["e", "f", "g"]) await begin(shard, { id, conversation_id: "busy" });
    asked.length = 0;
    await begin(shard, { id: "h", conversation_id: "busy" });
    await begin(shard, { id: "i", conversation_id: "busy" });
    expect(asked).toEqual(["e", "f", "g"]);
  });
});

describe("a start", () => {
  test("is listed and counted at once, and costs no row; its end takes its place", async () => {
    const shard = open();
    await begin(shard, { id: "a" });
    expect(await list(shard)).toEqual(["a running"]);
    expect(await list(shard, { status: "running", conversation_id: "c", pipeline: "p" })).toEqual([
      "a running",
    ]);
    for (const other of [{ status: "paused" as const }, { conversation_id: "d" }, { pipeline: "q" }]) {
      expect(await list(shard, other)).toEqual([]);
    }
    expect([rows(), await counted(shard)]).toEqual([0, { ended: 0, open: 1 }]);
    await report(shard, { id: "a", start: NOW + 3 });
    expect(await list(shard)).toEqual(["a completed"]);
    expect([rows(), await counted(shard)]).toEqual([1, { ended: 1, open: 0 }]);
  });

  test("is forgotten without a report, and listed on with one", async () => {
    const shard = open();
    await begin(shard, { id: "lost" });
    await begin(shard, { id: "long" });
    await vi.advanceTimersByTimeAsync(TIMINGS.OUTBOX_FIRST_MS);
    await report(shard, { id: "long", status: "running" });
    expect((await list(shard)).toSorted()).toEqual(["long running", "lost running"]);
    await vi.advanceTimersByTimeAsync(TIMINGS.START_NOTED_MS - TIMINGS.OUTBOX_FIRST_MS);
    expect(await list(shard)).toEqual(["long running"]);
    expect((await counted(shard)).open).toBe(1);
  });

  test("that an instance lost with its memory comes back with its report, and its end is counted", async () => {
    await begin(open(), { id: "a" });
    const next = open();
    expect(await list(next)).toEqual([]);
    await report(next, { id: "a" });
    expect([await list(next), await counted(next)]).toEqual([["a completed"], { ended: 1, open: 0 }]);
  });

  test("that was refused is withdrawn, and not that of an earlier request for the same execution", async () => {
    const shard = open();
    await begin(shard, { id: "a" });
    await begin(shard, { id: "a", start: NOW + 5 });
    await shard.withdraw("a", NOW + 5);
    expect(await list(shard)).toEqual(["a running"]);
    await shard.withdraw("a", NOW);
    expect(await list(shard)).toEqual([]);
  });

  test("of an execution that has ended is a repetition, where the caller named it", async () => {
    const shard = open();
    await report(shard, { id: "a" });
    await begin(shard, { id: "a", start: NOW + 900 }, { is_named: true });
    expect(await list(shard)).toEqual(["a completed"]);
    await shard.forget({ start: NOW, id: "a" });
    await begin(shard, { id: "a", start: NOW + 950 }, { is_named: true });
    expect(await list(shard)).toEqual(["a running"]);
  });

  test("of an execution that has expired is a new one, under the same name", async () => {
    const shard = open();
    await report(shard, { id: "a", retention_ms: 1_000 });
    vi.setSystemTime(NOW + 2_000);
    await begin(shard, { id: "a", start: NOW + 2_000 }, { is_named: true });
    expect(await list(shard)).toEqual(["a running"]);
  });
});

describe("the history", () => {
  test("has the last completed turns by their end, oldest first, and none of another conversation", async () => {
    const shard = open();
    await report(shard, { id: "slow", start: NOW - 9_000, end: NOW - 1_000 });
    for (const at of [1, 2, 3]) await report(shard, { id: `q${at}`, start: NOW - 8_000 + at });
    await report(shard, { id: "failed", status: "failed" });
    await report(shard, { id: "elsewhere", conversation_id: "d" });
    expect(await begin(shard, { id: "next" })).toEqual(["q1", "q2", "q3", "slow"]);
    expect(await begin(shard, { id: "next" }, {}, 2)).toEqual(["q3", "slow"]);
    expect(await begin(shard, { id: "next" }, {}, 0)).toEqual([]);
    expect(await begin(open(), { id: "next", conversation_id: "d" })).toEqual(["elsewhere"]);
  });

  test("includes a report that waits to be written", async () => {
    const shard = open();
    const reported = shard.report(reportOf({ id: "a" }));
    expect(await begin(shard, { id: "b" })).toEqual(["a"]);
    await reported;
  });

  test("loses what has expired or was deleted, at once", async () => {
    const shard = open();
    await report(shard, { id: "short", retention_ms: 5_000 });
    await report(shard, { id: "a", start: NOW + 1 });
    await report(shard, { id: "b", start: NOW + 2 });
    await shard.forget({ start: NOW + 1, id: "a" });
    expect(await begin(shard, { id: "next" })).toEqual(["short", "b"]);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(await begin(shard, { id: "next" })).toEqual(["b"]);
    const stored = JSON.stringify(disk.database.prepare("SELECT * FROM runs WHERE id = 'a'").get());
    expect(stored).not.toMatch(/question|"c"/);
  });
});

describe("a report", () => {
  test("that comes twice or late changes nothing (I13)", async () => {
    const shard = open();
    await report(shard, { id: "a" });
    await report(shard, { id: "a" });
    await report(open(), { id: "a", status: "running" });
    const next = open();
    await report(next, { id: "a" });
    expect([await list(next), await counted(next), rows()]).toEqual([
      ["a completed"],
      { ended: 1, open: 0 },
      1,
    ]);
    await next.forget({ start: NOW, id: "a" });
    await report(next, { id: "a" });
    expect([await list(next), (await counted(next)).ended]).toEqual([[], 1]);
    expect(await begin(next, { id: "next" })).toEqual([]);
  });

  test("that cannot be written is refused, and counted once when it is repeated", async () => {
    const shard = open();
    await begin(shard, { id: "a" });
    disk.failing = /INSERT INTO runs/;
    await expect(report(shard, { id: "a" })).rejects.toThrow("the disk is full");
    expect(await list(shard)).toEqual(["a running"]);
    disk.failing = null;
    await report(shard, { id: "a" });
    expect([await list(shard), await counted(shard)]).toEqual([["a completed"], { ended: 1, open: 0 }]);
  });

  test("moves an execution from one status to the next", async () => {
    const shard = open();
    await report(shard, { id: "a", status: "running", seq: 2 });
    await report(shard, { id: "a", status: "paused", seq: 4 });
    expect([await list(shard, { status: "paused" }), await list(shard, { status: "running" })]).toEqual([
      ["a paused"],
      [],
    ]);
    await report(shard, { id: "a", status: "cancelled", seq: 6 });
    expect(await list(shard, { status: "cancelled" })).toEqual(["a cancelled"]);
    expect([await list(shard, { status: "paused" }), rows()]).toEqual([[], 1]);
  });
});

describe("metrics", () => {
  test("that an instance had not written are counted by the next one", async () => {
    const first = open();
    for (const id of ["a", "b", "c"]) await report(first, { id });
    await report(first, { id: "d", status: "failed" });
    await first.forget({ start: NOW, id: "b" });
    const next = open();
    expect((await counted(next)).ended).toBe(4);
    await report(next, { id: "e" });
    expect((await counted(next)).ended).toBe(5);
    disk.failing = /INSERT INTO runs/;
    await expect(report(next, { id: "f" })).rejects.toThrow("the disk is full");
    disk.failing = null;
    await report(next, { id: "f" });
    expect([(await counted(next)).ended, (await counted(open())).ended]).toEqual([6, 6]);
  });

  test("go into batches before their rows go", async () => {
    const shard = open();
    for (let at = 0; at < 300; at += 1) {
      await report(shard, { id: `r${at}`, start: NOW + at * 1_000, retention_ms: 1_000 });
    }
    for (let sweeps = 0; sweeps < 8; sweeps += 1) {
      await vi.advanceTimersByTimeAsync(TIMINGS.INDEX_SWEEP_MOST_MS / 2);
      await shard.alarm();
    }
    expect(rows()).toBe(0);
    const { by_pipeline } = await open().metrics({ period: "ever", shapes: 0 });
    expect(by_pipeline.get("p")?.runs.count).toBe(300);
  });
});

describe("what it costs", () => {
  const changes = () => Number(disk.database.prepare("SELECT total_changes() AS n").get()?.["n"]);

  test("a run is one row and one entry of an index, and no value", async () => {
    const shard = open();
    await begin(shard, { id: "first" });
    await report(shard, { id: "first" });
    const [before, values] = [changes(), new Map(disk.kv)];
    for (let at = 0; at < 100; at += 1) {
      await begin(shard, { id: `r${at}`, conversation_id: `c${at}` });
      await report(shard, { id: `r${at}`, conversation_id: `c${at}` });
    }
    expect(changes() - before).toBe(100);
    expect(disk.kv).toEqual(values);
    const indexes = disk.database.prepare(
      "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'runs' AND type = 'index'",
    );
    expect(indexes.all().filter(({ sql }) => !String(sql).includes("WHERE"))).toHaveLength(1);
  });

  test("no timer keeps it awake, but for reports that come many in a second: those share a write", async () => {
    const shard = open();
    await begin(shard, { id: "a" });
    await shard.report(reportOf({ id: "a" }));
    expect(vi.getTimerCount()).toBe(0);
    const many = Array.from({ length: 20 }, (_, at) => shard.report(reportOf({ id: `m${at}` })));
    expect(vi.getTimerCount()).toBe(1);
    expect(rows()).toBe(TIMINGS.INDEX_BUSY_REPORTS - 1);
    await vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS);
    await Promise.all(many);
    expect([rows(), vi.getTimerCount()]).toEqual([21, 0]);
    await vi.advanceTimersByTimeAsync(1_000);
    await shard.report(reportOf({ id: "later" }));
    expect(rows()).toBe(22);
  });

  test("the monitor is notified where somebody gets alerts, once in five seconds, with a start or a report", async () => {
    const shard = open();
    await report(shard, { id: "nobody" });
    const notices = () => disk.asked.filter((name) => name === "news").length;
    expect(notices()).toBe(0);
    disk.vars = {
      AGENT_COORDINATOR_WEBHOOK_URL: "https://hooks.example/",
      AGENT_COORDINATOR_WEBHOOK_SECRET: `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`,
      AGENT_COORDINATOR_WEBHOOK_EVENTS: "alert.firing",
    };
    const watched = open();
    await begin(watched, { id: "a" });
    await report(watched, { id: "a" });
    await report(watched, { id: "b" });
    expect(notices()).toBe(1);
    await vi.advanceTimersByTimeAsync(TIMINGS.ALERT_NOTIFY_MS);
    await report(watched, { id: "c" });
    expect(notices()).toBe(2);
  });
});

describe("the sweep", () => {
  test("deletes what nothing needs any more, a bounded number at a time, also past rows that stay", async () => {
    const shard = open();
    disk.makeTables();
    const insert = disk.database.prepare(
      `INSERT INTO runs (place, id, start, seq, status, pipeline, conversation_id, ended, expires, has_object, batch, summary)
       VALUES (?, ?, ?, 9, 'completed', 'p', 'c', ?, ?, 0, 0, '')`,
    );
    const old = NOW - 30 * 24 * HOUR_MS;
    for (let at = 0; at < 3_000; at += 1) {
      insert.run((old + at) * 1_024, `long${at}`, old + at, old + at, NOW + HOUR_MS);
    }
    for (let at = 0; at < 5_000; at += 1) {
      insert.run(
        (old + 10_000 + at) * 1_024,
        `old${at}`,
        old + 10_000 + at,
        old + 10_000 + at,
        NOW - HOUR_MS,
      );
    }
    await report(shard, { id: "new" });
    let last = rows();
    for (let go = 0; go < 10 && rows() > 3_001; go += 1) {
      disk.alarm = null;
      await shard.alarm();
      expect(last - rows()).toBeLessThanOrEqual(2_000);
      expect(disk.alarm).not.toBeNull();
      last = rows();
    }
    expect(rows()).toBe(3_001);
    // One that has ended less than a day ago stays, so that its end is counted once.
    await report(shard, { id: "short", retention_ms: 1_000 });
    await vi.advanceTimersByTimeAsync(2 * HOUR_MS);
    for (let go = 0; go < 4; go += 1) await shard.alarm();
    expect(rows()).toBe(2);
  });
});

describe("an earlier version", () => {
  test("is asked about once in a shard's life, and a tenant without one reads no second place", async () => {
    await begin(open(), { id: "a" });
    const next = open();
    await begin(next, { id: "b" });
    expect((await next.list({ before: null, limit: 5, conversation_id: "c" })).elsewhere).toBe(false);
    expect(disk.asked).toEqual(["monitor"]);
  });

  test("has turns that come before those of the index, until they have expired", async () => {
    disk.earlierUntil = NOW + HOUR_MS;
    disk.earlierTurns = [1, 2, 3, 4].map((at) => ({ query: `e${at}`, answer: { of: `e${at}` } }));
    const shard = open();
    expect(await begin(shard, { id: "a" })).toEqual(["e1", "e2", "e3", "e4"]);
    await report(shard, { id: "a" });
    await report(shard, { id: "b", start: NOW + 1 });
    expect(await begin(shard, { id: "next" })).toEqual(["e2", "e3", "e4", "a", "b"]);
    expect((await shard.list({ before: null, limit: 5, conversation_id: "c" })).elsewhere).toBe(true);
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(await begin(open(), { id: "next" })).toEqual(["a", "b"]);
    expect(disk.asked.filter((name) => name === "monitor")).toHaveLength(1);
  });

  test("is presumed where the monitor does not answer, and asked about again", async () => {
    disk.earlierUntil = null;
    disk.earlierTurns = [{ query: "e", answer: { of: "e" } }];
    const shard = open();
    expect(await begin(shard, { id: "a" })).toEqual(["e"]);
    disk.earlierUntil = 0;
    expect(await begin(shard, { id: "b" })).toEqual([]);
  });

  test("has rows that are listed, replaced by later reports and deleted; then its table goes", async () => {
    disk.database.exec(
      `CREATE TABLE executions (
        start INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
        pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
        summary TEXT NOT NULL, shape TEXT, PRIMARY KEY (start, id)
      ) WITHOUT ROWID`,
    );
    const insert = disk.database.prepare(
      "INSERT INTO executions VALUES (?, ?, ?, ?, 'p', 'c', ?, ?, ?, NULL)",
    );
    for (const run of [{ id: "open", status: "running" as const }, { id: "over" }, { id: "gone" }] as Run[]) {
      const { start, seq, status, end, expires, summary, execution_id } = reportOf(run);
      insert.run(start, execution_id, seq, status, end, expires, summary);
    }
    const shard = open();
    expect(await list(shard)).toEqual(["over completed", "open running", "gone completed"]);
    expect(await list(shard, { status: "running" })).toEqual(["open running"]);
    expect(await shard.earlierUntil()).toBe(NOW + 100 + RETENTION_MS);
    await report(shard, { id: "over" });
    await report(shard, { id: "open" });
    await shard.forget({ start: NOW, id: "gone" });
    expect(await list(shard)).toEqual(["over completed", "open completed"]);
    // What the earlier version counted is not counted again.
    expect(await counted(shard)).toEqual({ ended: 1, open: 0 });
    await vi.advanceTimersByTimeAsync(RETENTION_MS + HOUR_MS);
    await shard.alarm();
    expect(
      disk.database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'executions'").get(),
    ).toBeUndefined();
    expect(await list(shard)).toEqual([]);
  });
});
