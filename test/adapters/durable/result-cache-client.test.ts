// What the embedded result cache sends to its objects: what a run has made goes along with what it asks for next, and
// alone where it asks for nothing more; never in another tenant's name.
import { expect, test } from "vitest";
import { EmbeddedCache, type Made } from "../../../src/adapters/durable/result-cache-client.ts";
import { type CacheKey, cacheKey } from "../../../src/core/caching/cache-key.ts";
import type { FlightCaller } from "../../../src/core/caching/single-flight.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

/** Whose timers they are. */
const OBJECT = {};

function world() {
  const time = new VirtualTime(1_000);
  const sent: { object: string; verb: string; by: string; made: number; at?: number }[] = [];
  const objectOf = (object: string) => ({
    take: async (
      _key: unknown,
      caller: FlightCaller,
      _ttl: number,
      _lease: number,
      made: readonly Made[],
    ) => {
      sent.push({ object, verb: "take", by: caller.execution_id, made: made.length });
      return "miss";
    },
    put: async (made: readonly Made[]) => {
      sent.push({ object, verb: "put", by: made[0]?.caller.execution_id ?? "", made: made.length });
    },
    forget: async (execution_id: string, families: readonly string[], at: number) => {
      sent.push({ object, verb: "forget", by: execution_id, made: families.length, at });
    },
  });
  const namespace = { idFromName: (name: string) => name, get: objectOf };
  const clock = {
    now: () => time.now,
    after: (ms: number, task: () => void) => time.after(ms, task, OBJECT),
  };
  const cache = new EmbeddedCache(namespace as unknown as DurableObjectNamespace, clock);
  return { cache, sent, time };
}

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
const RUN = { execution_id: "run", call: 2 };
const RESULT = { data: { answer: "so" }, bytes: 15 };

async function settled(time: VirtualTime): Promise<void> {
  while (await time.step());
  await drained();
}

test("what a run has made goes along with what it asks for next", async () => {
  const { cache, sent, time } = world();
  await cache.take(keyOf("one", "a"), RUN, 60, 1_000);
  await cache.put(keyOf("one", "a"), RUN, RESULT, 60);
  await cache.put(keyOf("one", "b"), RUN, RESULT, 60);
  await cache.take(keyOf("one", "c"), RUN, 60, 1_000);
  await settled(time);
  expect(sent.map(({ verb, made }) => `${verb} ${made}`)).toEqual(["take 0", "take 2"]);
  expect(new Set(sent.map(({ object }) => object)).size).toBe(1);
});

test("and alone where it asks for nothing more", async () => {
  const { cache, sent, time } = world();
  await cache.put(keyOf("one", "a"), RUN, RESULT, 60);
  expect(sent).toEqual([]);
  await settled(time);
  expect(sent).toMatchObject([{ verb: "put", by: "run", made: 1 }]);
});

test("a run of another tenant with the same id takes nothing along", async () => {
  const { cache, sent, time } = world();
  await cache.put(keyOf("one", "a"), RUN, RESULT, 60);
  await cache.take(keyOf("two", "a"), RUN, 60, 1_000);
  await settled(time);
  expect(sent).toMatchObject([
    { verb: "take", made: 0 },
    { verb: "put", made: 1 },
  ]);
  expect(sent[0]?.object.split("/")[0]).toBe("two");
  expect(sent[1]?.object.split("/")[0]).toBe("one");
});

test("the pending results of a dead object delay nothing, and are not sent", async () => {
  const { cache, sent, time } = world();
  await cache.put(keyOf("one", "a"), RUN, RESULT, 60);
  // Its timers die with it.
  time.forget(OBJECT);
  time.now += 1_000;
  await cache.put(keyOf("one", "b"), RUN, RESULT, 60);
  await settled(time);
  expect(sent).toMatchObject([{ verb: "put", by: "run", made: 1 }]);
});

test("what a run that is deleted has made is not sent any more, and its object takes out the rest", async () => {
  const { cache, sent, time } = world();
  const key = keyOf("one", "a");
  await cache.put(key, RUN, RESULT, 60);
  await cache.forget({ tenant: "one", execution_id: "run", question: key.question, families: [key.family] });
  await settled(time);
  expect(sent).toMatchObject([{ verb: "forget", by: "run", made: 1, at: 1_000 }]);
  await cache.take(key, RUN, 60, 1_000);
  expect(sent[1]).toMatchObject({ verb: "take", made: 0, object: sent[0]?.object });
});
