// What the embedded result cache sends to its objects: one question and one message a run, always to the object of its
// tenant and question; and what an object that does not answer costs.
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EmbeddedCache } from "../../../src/adapters/durable/result-cache-client.ts";
import type { Asked, Made, RunAt } from "../../../src/adapters/durable/result-cache-rpc.ts";
import { hashedKey } from "../../../src/adapters/platform/cache-key-hash.ts";
import { type CacheKey, cacheKey } from "../../../src/core/caching/cache-key.ts";
import { entryText } from "../../../src/core/caching/cached-result.ts";
import type { RunQuestion } from "../../../src/core/caching/run-question.ts";
import type { MadeResult } from "../../../src/engine/ports.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

interface Sent {
  object: string;
  verb: string;
  by: string;
  made: number;
  at?: number;
}

let time: VirtualTime;
let sent: Sent[];
let asked: Asked;
let isHanging: boolean;
let changes: boolean[];
let cache: EmbeddedCache;

beforeEach(() => {
  // The platform computes hashes beside the clock of the test.
  vi.spyOn(crypto.subtle, "digest").mockImplementation(async (_algorithm, data) => {
    const digest = createHash("sha256")
      .update(data as Uint8Array)
      .digest();
    return new Uint8Array(digest).buffer;
  });
  time = new VirtualTime(1_000);
  sent = [];
  asked = { kept: [], asksEach: false, isNoted: true };
  isHanging = false;
  changes = [];
  const answer = async <T>(value: T): Promise<T> => (isHanging ? new Promise<never>(() => {}) : value);
  const objectOf = (object: string) => {
    const note = (verb: string, by: string, made: number) => sent.push({ object, verb, by, made });
    return {
      ask: ({ execution_id }: RunAt) => {
        note("ask", execution_id, 0);
        return answer(asked);
      },
      take: (run: RunAt, _key: unknown, _caller: unknown, _ttl: number, _lease: number, made: Made[]) => {
        note("take", run.execution_id, made.length);
        return answer("miss");
      },
      report: (run: RunAt, made: Made[], isOver: boolean) => {
        note(isOver ? "report the end" : "report", run.execution_id, made.length);
        return answer(undefined);
      },
      forget: async (_place: number, execution_id: string, families: readonly string[], at: number) => {
        sent.push({ object, verb: "forget", by: execution_id, made: families.length, at });
      },
      ping: () => {
        note("ping", "", 0);
        return answer(undefined);
      },
    };
  };
  const namespace = { idFromName: (name: string) => name, get: objectOf };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  cache = new EmbeddedCache(namespace as unknown as DurableObjectNamespace, clock, ({ isLost }) => {
    changes.push(isLost);
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

const runOf = (tenant: string, question = "one question"): RunQuestion => ({
  tenant,
  execution_id: "run",
  shards: 4,
  question,
  history: "[]",
  input: "[{},{}]",
  until: 301_000,
  ttl_seconds: 60,
});

const keyOf = (tenant: string, stage: string): CacheKey =>
  cacheKey(tenant, null, {
    execution_id: "e",
    conversation_id: "c",
    stage,
    agent_type: "a",
    attempt: 1,
    query: "one question",
    config: {},
    inputs: {},
    context: {},
    history: [],
    timeout_ms: 1_000,
  });
const CALLER = { execution_id: "run", call: 2 };
const madeOf = (stage: string, answer = "so"): MadeResult => ({
  key: keyOf("one", stage),
  caller: CALLER,
  result: { data: { answer }, bytes: answer.length + 13 },
  ttl_seconds: 60,
  at: time.now,
});

/** What comes of it, and how long that takes. */
async function settled<T>(task: Promise<T>): Promise<{ value: T; ms: number }> {
  const began = time.now;
  const given: { value: T; ms: number }[] = [];
  void task.then((value) => given.push({ value, ms: time.now - began }));
  for (;;) {
    await drained();
    const [first] = given;
    if (first !== undefined) return first;
    if (!(await time.step())) throw new Error("never answered");
  }
}

test("a run's question and what it has made go to one object, in one message each", async () => {
  await cache.ask(runOf("one"), false);
  await cache.report(runOf("one"), [madeOf("a"), madeOf("b")], true);
  expect(sent.map(({ verb, made }) => `${verb} ${made}`)).toEqual(["ask 0", "report the end 2"]);
  expect(new Set(sent.map(({ object }) => object)).size).toBe(1);
});

test("what is kept is found by its exact key alone, and what is not brought is known to be there", async () => {
  const entry = entryText({ by: "other", result: { data: {}, bytes: 2 }, at: 1_000, ttl_seconds: 60 });
  const [a, b] = await Promise.all([hashedKey(keyOf("one", "a")), hashedKey(keyOf("one", "b"))]);
  asked = {
    kept: [
      [a.exact, entry],
      [b.exact, null],
    ],
    asksEach: true,
    isNoted: false,
  };
  const { kept, asksEach, isNoted } = await cache.ask(runOf("one"), false);
  expect(await kept.find(keyOf("one", "a"))).toMatchObject({ by: "other", result: { data: {} } });
  expect(await kept.find(keyOf("one", "b"))).toBe("apart");
  expect(await kept.find(keyOf("one", "c"))).toBeNull();
  expect([kept.bytes >= (entry?.length ?? 0), asksEach, isNoted]).toEqual([true, true, false]);
});

test("more than fits into a message goes in several, and the last one says that the run is over", async () => {
  const made = Array.from({ length: 10 }, (_, at) => madeOf(`s${at}`, "x".repeat(500_000)));
  await cache.report(runOf("one"), made, true);
  expect(sent.map(({ verb, made: count }) => `${verb} ${count}`)).toEqual(["report 8", "report the end 2"]);
});

test("another tenant's run with the same id and question has another object", async () => {
  await cache.ask(runOf("one"), false);
  await cache.ask(runOf("two"), false);
  expect(sent.map(({ object }) => object.split("/")[0])).toEqual(["one", "two"]);
});

test("what a run that is deleted has made is taken out of its question's object", async () => {
  await cache.ask(runOf("one"), false);
  const { question, family } = keyOf("one", "a");
  await cache.forget({ tenant: "one", execution_id: "run", shards: 4, question, families: [family] });
  expect(sent[1]).toEqual({ object: sent[0]?.object, verb: "forget", by: "run", made: 1, at: 1_000 });
});

test("an object that hangs costs one run 250 ms, and the next ones nothing; others go on", async () => {
  isHanging = true;
  const first = await settled(cache.ask(runOf("one"), false));
  expect(first.ms).toBe(250);
  expect(first.value).toMatchObject({ asksEach: false });
  const second = await settled(cache.ask(runOf("one"), false));
  const third = await settled(cache.take(runOf("one"), keyOf("one", "a"), CALLER, 60, 1_000, []));
  expect([second.ms, third.ms, third.value]).toEqual([0, 0, "miss"]);
  await cache.report(runOf("one"), [madeOf("a")], true);
  expect(sent).toHaveLength(1);
  isHanging = false;
  expect((await settled(cache.ask(runOf("two"), false))).ms).toBe(0);
  expect(sent).toHaveLength(2);
  // A run that comes later finds out that it is back, and does not wait for that.
  time.now += 5_000;
  expect(await settled(cache.ask(runOf("one"), false))).toMatchObject({ ms: 0 });
  await drained();
  await cache.ask(runOf("one"), false);
  expect(sent.slice(2).map(({ verb }) => verb)).toEqual(["ping", "ask"]);
  expect(changes).toEqual([true, false]);
});
