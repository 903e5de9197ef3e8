// The cache object over SQLite in memory: what a deleted execution has made goes, also what arrives late, and what
// earlier versions have stored stays; how runs at the same question meet; what followers wait for when their leader's
// object does not answer.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Made, RunAt } from "../../../src/adapters/durable/result-cache-rpc.ts";
import type { SharedCall } from "../../../src/engine/object-protocol.ts";
import type { Env } from "../../../src/settings.ts";
import { entryText } from "../../../src/core/caching/cached-result.ts";
import { placeOf } from "../../../src/core/caching/run-question.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

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

const { CacheObject } = await import("../../../src/objects/result-cache/result-cache.ts");

const FAMILY = "family-hash";
const DAY_MS = 86_400_000;
const keyOf = (exact: string, family = FAMILY) => ({ tenant: "acme", exact, family });
const callerOf = (execution_id: string) => ({ execution_id, call: 2 });
const place = placeOf("a question", "[]", "[{},{}]");
const at = (execution_id: string): RunAt => ({
  execution_id,
  tenant: "acme",
  place,
  until: Date.now() + 300_000,
});

let database: DatabaseSync;
let kv: Map<string, unknown>;
let alarms: number[];
/** What leaders' objects say: whether the call runs, or nothing at all. */
let probed: (execution_id: string) => Promise<boolean>;
/** What runs that are asked for their calls answer. */
let shares: (execution_id: string) => Promise<SharedCall[] | null>;
let asked: string[];

/** An instance of the object on the same disk. */
function open() {
  const sql = {
    exec: (query: string, ...values: SQLInputValue[]) => {
      const rows = database.prepare(query).all(...values);
      return Object.assign(rows, { toArray: () => rows });
    },
    databaseSize: 0,
  };
  const storage = {
    sql,
    kv: { get: (key: string) => kv.get(key), put: (key: string, value: unknown) => kv.set(key, value) },
    transactionSync: (task: () => void) => task(),
    getAlarm: async () => alarms.at(-1) ?? null,
    setAlarm: async (time: number) => alarms.push(time),
  };
  const namespace = {
    idFromName: (name: string) => name,
    get: (name: string) => {
      const execution_id = name.replace("acme/", "");
      return {
        isCalling: () => probed(execution_id),
        shareCalls: () => {
          asked.push(execution_id);
          return shares(execution_id);
        },
      };
    },
  };
  return new CacheObject(
    { storage } as unknown as DurableObjectState,
    { EXECUTIONS: namespace } as unknown as Env,
  );
}

type Cache = ReturnType<typeof open>;

function made(execution_id: string, exact: string, time = Date.now(), family = FAMILY): Made {
  const entry = entryText({
    by: execution_id,
    result: { data: { exact }, bytes: 9 },
    at: time,
    ttl_seconds: 60,
  });
  return { key: keyOf(exact, family), caller: callerOf(execution_id), entry, at: time };
}

/** What the run has made is reported. */
const report = (object: Cache, ...results: Made[]) =>
  object.report(at(results[0]?.caller.execution_id ?? ""), results, true);
const take = (object: Cache, execution_id: string, exact: string, results: Made[] = []) =>
  object.take(at(execution_id), keyOf(exact), callerOf(execution_id), 60, 90_000, results);
/** A stage's question of a run that is not at it any more. */
async function isThere(object: Cache, exact: string) {
  const found = await take(object, "another", exact);
  await object.report(at("another"), [{ ...made("another", exact), entry: null }], true);
  return typeof found === "object";
}
const forget = (object: Cache, execution_id: string, families = [FAMILY]) =>
  object.forget(placeOf("a question", "", ""), execution_id, families, Date.now());

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000_000 });
  database = new DatabaseSync(":memory:");
  kv = new Map();
  alarms = [];
  asked = [];
  probed = async () => true;
  shares = async () => [];
});

afterEach(() => {
  vi.useRealTimers();
  database.close();
});

describe("what an execution has made", () => {
  test("goes with it, and nothing else does", async () => {
    const object = open();
    await report(object, made("one", "a"), made("one", "c", Date.now(), "other-family"));
    await report(object, made("two", "b"));
    await forget(object, "one", [FAMILY, "other-family"]);
    expect([await isThere(object, "a"), await isThere(object, "b")]).toEqual([false, true]);
    expect(await object.last(place, "other-family")).toBeNull();
    const later = open();
    expect([await isThere(later, "a"), await isThere(later, "b")]).toEqual([false, true]);
  });

  test("stays where another execution has made it since", async () => {
    const object = open();
    await report(object, made("one", "a"));
    await report(object, made("two", "a"));
    await forget(object, "one");
    expect(await isThere(object, "a")).toBe(true);
    expect(await isThere(open(), "a")).toBe(true);
  });

  test("is not kept where it arrives after the deletion; what a new run of that name makes is", async () => {
    const object = open();
    const late = made("one", "a", Date.now());
    await vi.advanceTimersByTimeAsync(5);
    await forget(object, "one");
    await report(object, late);
    expect(await isThere(object, "a")).toBe(false);
    await vi.advanceTimersByTimeAsync(5);
    await report(object, made("one", "a"));
    expect(await isThere(object, "a")).toBe(true);
  });

  test("of a name that another's begins with stays", async () => {
    const object = open();
    await report(object, made("one-two", "a"));
    await forget(object, "one");
    expect(await isThere(object, "a")).toBe(true);
  });

  test("is on the disk at once, with the alarm that deletes it, and no timer waits", async () => {
    const object = open();
    await report(object, made("one", "a"));
    await report(object, made("two", "b"));
    expect([vi.getTimerCount(), alarms]).toEqual([0, [Date.now() + TIMINGS.CACHE_TABLE_MS + DAY_MS]]);
    expect(await isThere(open(), "a")).toBe(true);
  });
});

describe("what an earlier version has kept", () => {
  const old = JSON.stringify({ result: { data: {}, bytes: 2 }, at: 1_000_000_000, ttl_seconds: 600 });
  const earlier = (entry: string) => {
    database.exec(`CREATE TABLE results (
      family TEXT NOT NULL, exact TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL,
      PRIMARY KEY (family, exact)
    ) WITHOUT ROWID`);
    database.prepare("INSERT INTO results VALUES (?, ?, ?, ?)").run(FAMILY, "old", Date.now(), entry);
  };

  test("is found: by stages, which ask one by one as long as there is some of it, and as a last result", async () => {
    earlier(old);
    const object = open();
    expect(await object.ask(at("one"), 60, false)).toEqual({ kept: [], asksEach: true, isNoted: true });
    expect(await isThere(object, "old")).toBe(true);
    expect(await object.last(place, FAMILY)).toBe(old);
  });

  test("goes with its execution, where that is known", async () => {
    earlier(old.replace("{", '{"by":"one",'));
    const object = open();
    await forget(object, "two");
    expect(await isThere(object, "old")).toBe(true);
    await forget(object, "one");
    expect(await isThere(object, "old")).toBe(false);
  });

  test("is gone after a day, with its table", async () => {
    earlier(old);
    const object = open();
    await object.alarm();
    expect(alarms).toEqual([Date.now() + TIMINGS.CACHE_SWEEP_MS]);
    vi.setSystemTime(Date.now() + DAY_MS);
    await object.alarm();
    expect(alarms).toHaveLength(1);
    expect(database.prepare("SELECT name FROM sqlite_master").all()).toEqual([]);
    expect(await open().ask(at("one"), 60, false)).toMatchObject({ asksEach: false });
  });
});

describe("runs at a question", () => {
  const call = (execution_id: string, exact: string): SharedCall => ({
    key: keyOf(exact),
    caller: callerOf(execution_id),
    lease_ms: 60_000,
  });

  test("the first one is to ask no more, and what it has made is found by the next", async () => {
    const object = open();
    expect(await object.ask(at("one"), 60, false)).toEqual({ kept: [], asksEach: false, isNoted: true });
    const [a, b] = [made("one", "a"), made("one", "b")];
    await report(object, a, b);
    expect(await object.ask(at("two"), 60, false)).toEqual({
      kept: [
        ["a", a.entry],
        ["b", b.entry],
      ],
      asksEach: false,
      isNoted: false,
    });
    // It is at its question as soon as it says that this is not all.
    expect(await object.ask(at("two"), 60, true)).toMatchObject({ asksEach: false, isNoted: true });
    expect(asked).toEqual([]);
    expect(await object.ask(at("three"), 60, false)).toMatchObject({ asksEach: true, isNoted: true });
    expect(asked).toEqual(["two"]);
  });

  test("the second one asks each time, and follows the calls that the first one has in flight", async () => {
    const object = open();
    await object.ask(at("one"), 60, false);
    shares = async () => [call("one", "a")];
    expect(await object.ask(at("two"), 60, false)).toEqual({ kept: [], asksEach: true, isNoted: true });
    expect(asked).toEqual(["one"]);
    expect(await take(object, "two", "a")).toBe("busy");
    const followed = object.follow(at("two"), keyOf("a"), callerOf("two"), 60, 30_000);
    await object.report(at("one"), [made("one", "a")], false);
    expect(await followed).toMatchObject({ entry: expect.stringContaining('"a"') });
    // A third one asks the first no more.
    expect(await object.ask(at("three"), 60, false)).toMatchObject({ asksEach: true });
    expect(asked).toEqual(["one"]);
  });

  test("of eight that come at once each asks, and the first is asked once", async () => {
    const object = open();
    shares = async () => [call("r0", "a")];
    const names = Array.from({ length: 8 }, (_, n) => `r${n}`);
    const answers = await Promise.all(names.map((name) => object.ask(at(name), 60, false)));
    expect(answers.map(({ asksEach }) => asksEach)).toEqual([
      false,
      ...Array.from({ length: 7 }, () => true),
    ]);
    expect(asked).toEqual(["r0"]);
  });

  test("a call that has ended while its run was asked is not followed", async () => {
    const object = open();
    await object.ask(at("one"), 60, false);
    shares = async () => {
      await object.report(at("one"), [{ ...made("one", "a"), entry: null }], false);
      return [call("one", "a")];
    };
    await object.ask(at("two"), 60, false);
    expect(await take(object, "two", "a")).toBe("miss");
  });

  test.each([
    ["has ended", () => Promise.resolve(null)],
    ["cannot be reached", () => Promise.reject(new Error("the object is gone"))],
    ["does not answer", () => new Promise<null>(() => {})],
  ])("one that %s is no other run, and costs the next one 100 ms at most", async (_how, answer) => {
    const object = open();
    await object.ask(at("one"), 60, false);
    shares = answer;
    const second = object.ask(at("two"), 60, false);
    await vi.advanceTimersByTimeAsync(TIMINGS.SHARE_WAIT_MS);
    expect(await second).toMatchObject({ asksEach: false, isNoted: true });
  });

  test("one whose time is over, or that was reported of, is none", async () => {
    const object = open();
    await object.ask(at("one"), 60, false);
    await object.report(at("one"), [], true);
    await object.ask({ ...at("two"), until: Date.now() + 10 }, 60, false);
    vi.setSystemTime(Date.now() + 10);
    expect(await object.ask(at("three"), 60, false)).toMatchObject({ asksEach: false });
    expect(asked).toEqual([]);
  });

  test("one that asks for a stage is at its question from then on", async () => {
    const object = open();
    await report(object, made("first", "a"));
    expect(await object.ask(at("one"), 60, false)).toMatchObject({ asksEach: false, isNoted: false });
    expect(await take(object, "one", "b")).toBe("miss");
    vi.setSystemTime(Date.now() + 60_000);
    expect(await object.ask(at("two"), 60, false)).toMatchObject({ kept: [], asksEach: true, isNoted: true });
    expect(await take(object, "two", "b")).toBe("busy");
  });
});

describe("a follower", () => {
  const follow = async (object: Cache, execution_id: string) => {
    expect(await take(object, execution_id, "k")).toBe("busy");
    const answer = object.follow(at(execution_id), keyOf("k"), callerOf(execution_id), 60, 30_000);
    const began = Date.now();
    return answer.then((found) => ({ found, ms: Date.now() - began }));
  };

  test("gets the result, or is released with all others when there is none", async () => {
    const object = open();
    await take(object, "lead", "k");
    const one = follow(object, "one");
    await vi.advanceTimersByTimeAsync(2_000);
    await object.report(at("lead"), [made("lead", "k")], false);
    expect(await one).toEqual({ found: { entry: expect.stringContaining("lead") }, ms: 2_000 });
    await forget(object, "lead");
    await take(object, "lead", "k");
    const both = [follow(object, "one"), follow(object, "two")];
    await vi.advanceTimersByTimeAsync(1_000);
    await object.report(at("lead"), [{ ...made("lead", "k"), entry: null }], false);
    expect(await Promise.all(both)).toEqual([
      { found: "miss", ms: 1_000 },
      { found: "miss", ms: 1_000 },
    ]);
  });

  test.each([
    ["says that the call does not run", () => Promise.resolve(false)],
    ["cannot be reached", () => Promise.reject(new Error("the object is gone"))],
    ["does not answer", () => new Promise<boolean>(() => {})],
  ])("is released within a second where the leader's object %s", async (_how, answer) => {
    const object = open();
    await take(object, "lead", "k");
    const one = follow(object, "one");
    await vi.advanceTimersByTimeAsync(5_000);
    probed = answer;
    await vi.advanceTimersByTimeAsync(1_000);
    const { found, ms } = await one;
    expect(found).toBe("miss");
    expect(ms).toBeLessThanOrEqual(6_000);
    expect(await take(object, "new", "k")).toBe("miss");
  });

  test("that comes back as another instance is answered, and so is the earlier one", async () => {
    const object = open();
    await take(object, "lead", "k");
    const before = follow(object, "one");
    await vi.advanceTimersByTimeAsync(100);
    const after = object.follow(at("one"), keyOf("k"), { execution_id: "one", call: 5 }, 60, 30_000);
    expect((await before).found).toBe("miss");
    await object.report(at("lead"), [made("lead", "k")], false);
    expect(await after).toMatchObject({ entry: expect.any(String) });
  });

  test("that comes when the call has just ended gets its result, and no timer is left", async () => {
    const object = open();
    await take(object, "lead", "k");
    await object.report(at("lead"), [made("lead", "k")], false);
    expect(await object.follow(at("one"), keyOf("k"), callerOf("one"), 60, 30_000)).toMatchObject({
      entry: expect.any(String),
    });
    expect(vi.getTimerCount()).toBe(0);
  });
});
