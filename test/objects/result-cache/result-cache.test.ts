// The cache object over SQLite in memory: what a deleted execution has made goes, also what arrives late, and what
// earlier versions have stored stays; what followers wait for when their leader's object does not answer.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Made } from "../../../src/adapters/durable/result-cache-client.ts";
import type { Env } from "../../../src/settings.ts";
import { entryText } from "../../../src/core/caching/cached-result.ts";
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
const keyOf = (exact: string, family = FAMILY) => ({ tenant: "acme", exact, family });
const callerOf = (execution_id: string) => ({ execution_id, call: 2 });

let database: DatabaseSync;
let alarms: number[];
/** What leaders' objects say: whether the call runs, or nothing at all. */
let probed: (execution_id: string) => Promise<boolean>;

/** An instance of the object on the same disk. */
function open() {
  const sql = {
    exec: (query: string, ...values: SQLInputValue[]) => {
      const rows = database.prepare(query).all(...values);
      return Object.assign(rows, { toArray: () => rows });
    },
  };
  const storage = {
    sql,
    // Without a number: the first schema.
    kv: { get: () => undefined },
    getAlarm: async () => alarms.at(-1) ?? null,
    setAlarm: async (at: number) => alarms.push(at),
  };
  const namespace = {
    idFromName: (name: string) => name,
    get: (name: string) => ({ isCalling: () => probed(name.replace("acme/", "")) }),
  };
  return new CacheObject(
    { storage } as unknown as DurableObjectState,
    { EXECUTIONS: namespace } as unknown as Env,
  );
}

function made(execution_id: string, exact: string, at = Date.now(), family = FAMILY): Made {
  const entry = entryText({ by: execution_id, result: { data: { exact }, bytes: 9 }, at, ttl_seconds: 60 });
  return { key: keyOf(exact, family), caller: callerOf(execution_id), entry, at };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  database = new DatabaseSync(":memory:");
  alarms = [];
  probed = async () => true;
});

afterEach(() => {
  vi.useRealTimers();
  database.close();
});

const written = () => vi.advanceTimersByTimeAsync(TIMINGS.CACHE_WRITE_MS);
const isThere = async (object: ReturnType<typeof open>, exact: string) =>
  typeof (await object.take(keyOf(exact), callerOf("anyone"), 60, 1_000, [])) === "object";

describe("what an execution has made", () => {
  test.each(["written", "not written yet"])("goes with it, %s, and nothing else does", async (how) => {
    const object = open();
    await object.put([made("one", "a"), made("two", "b"), made("one", "c", Date.now(), "other-family")]);
    if (how === "written") await written();
    await object.forget("one", [FAMILY, "other-family"], Date.now());
    expect([await isThere(object, "a"), await isThere(object, "b")]).toEqual([false, true]);
    expect(await object.last("other-family")).toBeNull();
    await written();
    const later = open();
    expect([await isThere(later, "a"), await isThere(later, "b")]).toEqual([false, true]);
  });

  test("stays where another execution has replaced it", async () => {
    const object = open();
    await object.put([made("one", "a")]);
    await written();
    await object.put([made("two", "a")]);
    await object.forget("one", [FAMILY], Date.now());
    expect(await isThere(object, "a")).toBe(true);
    await written();
    expect(await isThere(open(), "a")).toBe(true);
  });

  test("is not kept where it arrives after the deletion; what a new run of that name makes is", async () => {
    const object = open();
    const late = made("one", "a", Date.now());
    await vi.advanceTimersByTimeAsync(5);
    await object.forget("one", [FAMILY], Date.now());
    await object.put([late]);
    expect(await isThere(object, "a")).toBe(false);
    await vi.advanceTimersByTimeAsync(5);
    await object.put([made("one", "a")]);
    expect(await isThere(object, "a")).toBe(true);
  });

  test("is known of in entries of this version alone: what earlier ones have stored stays, and can be used", async () => {
    open();
    const entry = JSON.stringify({ result: { data: {}, bytes: 2 }, at: Date.now(), ttl_seconds: 60 });
    database.prepare("INSERT INTO results VALUES (?, ?, ?, ?)").run(FAMILY, "old", Date.now(), entry);
    const object = open();
    await object.forget("one", [FAMILY], Date.now());
    expect(await isThere(object, "old")).toBe(true);
  });

  test("of a name that another's begins with stays", async () => {
    const object = open();
    await object.put([made("one-two", "a")]);
    await written();
    await object.forget("one", [FAMILY], Date.now());
    expect(await isThere(object, "a")).toBe(true);
  });
});

describe("a follower", () => {
  const follow = async (object: ReturnType<typeof open>, execution_id: string) => {
    expect(await object.take(keyOf("k"), callerOf(execution_id), 60, 60_000, [])).toBe("busy");
    const answer = object.follow(keyOf("k"), callerOf(execution_id), 60, 30_000);
    const began = Date.now();
    return answer.then((found) => ({ found, ms: Date.now() - began }));
  };

  test("gets the result, or is released with all others when there is none", async () => {
    const object = open();
    await object.take(keyOf("k"), callerOf("lead"), 60, 60_000, []);
    const one = follow(object, "one");
    await vi.advanceTimersByTimeAsync(2_000);
    await object.put([made("lead", "k")]);
    expect(await one).toEqual({ found: { entry: expect.stringContaining("lead") }, ms: 2_000 });
    await object.forget("lead", [FAMILY], Date.now());
    await object.take(keyOf("k"), callerOf("lead"), 60, 60_000, []);
    const both = [follow(object, "one"), follow(object, "two")];
    await vi.advanceTimersByTimeAsync(1_000);
    await object.put([{ ...made("lead", "k"), entry: null }]);
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
    await object.take(keyOf("k"), callerOf("lead"), 60, 60_000, []);
    const one = follow(object, "one");
    await vi.advanceTimersByTimeAsync(5_000);
    probed = answer;
    await vi.advanceTimersByTimeAsync(1_000);
    const { found, ms } = await one;
    expect(found).toBe("miss");
    expect(ms).toBeLessThanOrEqual(6_000);
    expect(await object.take(keyOf("k"), callerOf("new"), 60, 60_000, [])).toBe("miss");
  });

  test("that comes back as another instance is answered, and so is the earlier one", async () => {
    const object = open();
    await object.take(keyOf("k"), callerOf("lead"), 60, 60_000, []);
    const before = follow(object, "one");
    await vi.advanceTimersByTimeAsync(100);
    const after = object.follow(keyOf("k"), { execution_id: "one", call: 5 }, 60, 30_000);
    expect((await before).found).toBe("miss");
    await object.put([made("lead", "k")]);
    expect(await after).toMatchObject({ entry: expect.any(String) });
  });

  test("that comes when the call has just ended gets its result, and no timer is left", async () => {
    const object = open();
    await object.take(keyOf("k"), callerOf("lead"), 60, 60_000, []);
    await object.put([made("lead", "k")]);
    expect(await object.follow(keyOf("k"), callerOf("one"), 60, 30_000)).toMatchObject({
      entry: expect.any(String),
    });
    await written();
    expect(vi.getTimerCount()).toBe(0);
  });
});
