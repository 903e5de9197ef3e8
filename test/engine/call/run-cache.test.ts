// One run at the result cache, on a virtual clock: it asks once and reports once, unless another run is at the same
// question; what it holds is accounted for.
import { beforeEach, describe, expect, test } from "vitest";
import type { CacheKey } from "../../../src/core/caching/cache-key.ts";
import type { CachedEntry, CachedResult } from "../../../src/core/caching/cached-result.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { RunCache } from "../../../src/engine/call/run-cache.ts";
import type { AgentHealth, Agents, MadeResult, Opening, ResultCache } from "../../../src/engine/ports.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const keyOf = (stage: string): CacheKey => ({
  tenant: "t",
  question: "q",
  exact: `exact ${stage}`,
  family: `family ${stage}`,
});
const CALLER = { execution_id: "run", call: 2 };
const RESULT: CachedResult = { data: { so: "it is" }, bytes: 14 };
const entryOf = (at: number): CachedEntry => ({ by: "other", result: RESULT, at, ttl_seconds: 60 });

let time: VirtualTime;
/** The hops to the store. */
let hops: string[];
let reported: MadeResult[];
let opening: (kept: Record<string, CachedEntry | "apart">) => Opening;
let answer: () => Promise<Opening>;
let room: number;
let held: number;

beforeEach(() => {
  time = new VirtualTime(1_000);
  hops = [];
  reported = [];
  room = Number.POSITIVE_INFINITY;
  held = 0;
  opening = (kept) => ({
    kept: {
      bytes: 100 * Object.keys(kept).length,
      find: async ({ exact }) => kept[exact.replace("exact ", "")] ?? null,
    },
    asksEach: false,
    isNoted: true,
  });
  answer = async () => opening({});
});

const store: ResultCache = {
  ask: (_run, isMissing) => {
    hops.push(isMissing ? "ask again" : "ask");
    return answer();
  },
  take: async (_run, key, _caller, _ttl, _lease, made) => {
    hops.push(`take ${key.exact} with ${made.length}`);
    reported.push(...made);
    return "miss";
  },
  follow: async () => "miss",
  report: async (_run, made, isOver) => {
    hops.push(`${isOver ? "report the end" : "report"} ${made.length}`);
    reported.push(...made);
  },
  last: async () => null,
  forget: async () => {},
};

function cacheOf(spec: RunSpec = makeSpec([makeStage("a"), makeStage("b", { depends_on: ["a"] })])) {
  const { state } = decide(null, { type: "start", spec }, time.now);
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const cache = new RunCache(
    { agents: {} as Agents, clock, shared: { cache: store, health: {} as AgentHealth } },
    () => state,
    (bytes) => {
      if (bytes > room) return false;
      held = bytes;
      return true;
    },
  );
  return { cache, spec };
}

async function settle(): Promise<void> {
  while (await time.step());
  await drained();
}

describe("a run alone at its question", () => {
  test("asks before it begins, and reports when it has ended: no hop in between", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    expect(hops).toEqual(["ask"]);
    for (const stage of ["a", "b"]) {
      expect(await cache.take(keyOf(stage), CALLER, 60, 1_000)).toBe("miss");
      await cache.put(keyOf(stage), CALLER, RESULT, 60);
    }
    await settle();
    expect(hops).toEqual(["ask"]);
    cache.rests(true);
    cache.rests(true);
    await settle();
    expect(hops).toEqual(["ask", "report the end 2"]);
    expect(reported.map(({ key, at }) => [key.exact, at])).toEqual([
      ["exact a", 1_000],
      ["exact b", 1_000],
    ]);
  });

  test("that goes on after a crash asks with its next call", async () => {
    const { cache } = cacheOf();
    await cache.take(keyOf("b"), CALLER, 60, 1_000);
    expect(hops).toEqual(["ask"]);
  });

  test("whose calls fail says nothing but that it is over", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    await cache.release(keyOf("a"), CALLER);
    cache.rests(true);
    await settle();
    expect(hops).toEqual(["ask", "report the end 0"]);
  });

  test("reports what it has made before a long wait, in which its object may leave memory", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await cache.put(keyOf("a"), CALLER, RESULT, 60);
    cache.rests(false);
    cache.rests(false);
    expect(hops).toEqual(["ask", "report 1"]);
  });

  test("reports what comes after its end", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await drained();
    cache.rests(true);
    await cache.put(keyOf("a"), CALLER, RESULT, 60);
    expect(hops).toEqual(["ask", "report the end 0", "report the end 1"]);
  });

  test.each([
    ["bypasses the cache", { bypass_cache: true as const }],
    ["has agents that are not registered", { agents: {} }],
  ])("that %s does not ask, and reports what it has made", async (_how, fields) => {
    const { cache } = cacheOf();
    cache.begins(makeSpec([makeStage("a")], {}, fields));
    cache.rests(false);
    expect(hops).toEqual([]);
    await cache.put(keyOf("a"), CALLER, RESULT, 60);
    cache.rests(true);
    expect(hops).toEqual(["report the end 1"]);
  });
});

describe("what is kept for the question", () => {
  test("answers every stage: one hop in all, and nothing is reported", async () => {
    answer = async () => ({ ...opening({ a: entryOf(1_000), b: entryOf(1_000) }), isNoted: false });
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    expect(await cache.take(keyOf("a"), CALLER, 60, 1_000)).toEqual(RESULT);
    expect(await cache.take(keyOf("b"), CALLER, 60, 1_000)).toEqual(RESULT);
    cache.rests(true);
    await settle();
    expect([hops, held]).toEqual([["ask"], 200]);
  });

  test("and does not answer all: it asks once more, and is at its question from then on", async () => {
    answer = async () => ({ ...opening({ a: entryOf(1_000) }), isNoted: hops.length > 1 });
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    expect(await cache.take(keyOf("a"), CALLER, 60, 1_000)).toEqual(RESULT);
    const both = ["b", "c"].map((stage, at) => cache.take(keyOf(stage), { ...CALLER, call: at }, 60, 1_000));
    expect(await Promise.all(both)).toEqual(["miss", "miss"]);
    await cache.take(keyOf("d"), CALLER, 60, 1_000);
    cache.rests(true);
    expect(hops).toEqual(["ask", "ask again", "report the end 0"]);
  });

  test("is used no longer than its writer and its reader want", async () => {
    answer = async () => opening({ a: entryOf(1_000) });
    const { cache } = cacheOf();
    time.now = 31_000;
    expect(await cache.take(keyOf("a"), CALLER, 31, 1_000)).toEqual(RESULT);
    expect(await cache.take(keyOf("a"), CALLER, 30, 1_000)).toBe("miss");
    time.now = 61_000;
    expect(await cache.take(keyOf("a"), CALLER, 600, 1_000)).toBe("miss");
  });

  test("is taken where it was too large to be brought", async () => {
    answer = async () => opening({ a: "apart" });
    const { cache } = cacheOf();
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    expect(hops).toEqual(["ask", "take exact a with 0"]);
  });

  test("is not held where there is no room for it: each stage asks", async () => {
    answer = async () => opening({ a: entryOf(1_000) });
    room = 99;
    const { cache } = cacheOf();
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    expect([hops, held]).toEqual([["ask", "take exact a with 0"], 0]);
  });
});

test("a text that a result is kept with is accounted for until it is reported, and reported at once where it does not fit", async () => {
  const { cache, spec } = cacheOf();
  cache.begins(spec);
  await drained();
  await cache.put(keyOf("a"), CALLER, { ...RESULT, text: "x".repeat(1_000) }, 60);
  expect(held).toBeGreaterThanOrEqual(1_000);
  cache.rests(false);
  expect([hops.at(-1), held]).toEqual(["report 1", 0]);
  room = 500;
  await cache.put(keyOf("b"), CALLER, { ...RESULT, text: "x".repeat(1_000) }, 60);
  expect([hops.at(-1), hops.length, held]).toEqual(["report 1", 3, 0]);
});

test("a run that ends before its question is answered says so as soon as it is", async () => {
  const waits = Promise.withResolvers<Opening>();
  answer = () => waits.promise;
  const { cache, spec } = cacheOf();
  cache.begins(spec);
  cache.rests(true);
  expect(hops).toEqual(["ask"]);
  waits.resolve(opening({}));
  await drained();
  expect(hops).toEqual(["ask", "report the end 0"]);
});

describe("where another run is at the question", () => {
  test("from the beginning, each stage asks, and what was made goes along", async () => {
    answer = async () => ({ ...opening({}), asksEach: true });
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    await cache.put(keyOf("a"), CALLER, RESULT, 60);
    await cache.take(keyOf("b"), CALLER, 60, 1_000);
    await cache.put(keyOf("b"), CALLER, RESULT, 60);
    await settle();
    cache.rests(true);
    expect(hops).toEqual([
      "ask",
      "take exact a with 0",
      "take exact b with 1",
      "report 1",
      "report the end 0",
    ]);
    expect(time.now).toBe(1_002);
  });

  test("from some time on: what is made is reported, its calls in flight are shared, and it asks from then on", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    await cache.put(keyOf("a"), CALLER, RESULT, 60);
    await cache.take(keyOf("b"), { ...CALLER, call: 4 }, 60, 1_000);
    expect(await cache.share()).toEqual([
      { key: keyOf("b"), caller: { ...CALLER, call: 4 }, ends_at: 2_000 },
    ]);
    expect(hops).toEqual(["ask", "report 1"]);
    // It has failed: others need not wait for it.
    await cache.release(keyOf("b"), { ...CALLER, call: 4 });
    await settle();
    expect(hops).toEqual(["ask", "report 1", "report 1"]);
    expect(reported.at(-1)).toMatchObject({ key: { exact: "exact b" }, result: null });
    await cache.take(keyOf("b"), { ...CALLER, call: 6 }, 60, 1_000);
    expect(hops.at(-1)).toBe("take exact b with 0");
  });

  test("while it waits for what is kept: each stage asks all the same", async () => {
    const waits = Promise.withResolvers<Opening>();
    answer = () => waits.promise;
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    expect(await cache.share()).toEqual([]);
    waits.resolve(opening({}));
    await cache.take(keyOf("a"), CALLER, 60, 1_000);
    expect(hops).toEqual(["ask", "take exact a with 0"]);
  });

  test("after its end: there is nothing to follow", async () => {
    const { cache, spec } = cacheOf();
    cache.begins(spec);
    await drained();
    cache.rests(true);
    expect(await cache.share()).toBeNull();
    expect(hops).toEqual(["ask", "report the end 0"]);
  });
});
