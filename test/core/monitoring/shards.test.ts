// The shards of a tenant: which generation holds, and where a conversation is and was.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fnv1a } from "../../../src/core/hash.ts";
import {
  allShards,
  conversationShard,
  conversationShards,
  executionShard,
  homeOf,
  type ShardGeneration,
  shardsAt,
  shardsEver,
  splitShards,
} from "../../../src/core/monitoring/shards.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const { SHARDS_MOST, SPLIT_AHEAD_MS } = TIMINGS;
const FIRST: ShardGeneration[] = [{ generation: 1, shards: 1, from: 0 }];
const NOW = 1_000_000;

test("a split holds a while after it was made, and is in the lists at once", () => {
  const split = splitShards(FIRST, 1, 2, NOW) ?? [];
  expect(split).toEqual([...FIRST, { generation: 2, shards: 2, from: NOW + SPLIT_AHEAD_MS }]);
  expect(shardsAt(split, NOW + SPLIT_AHEAD_MS - 1)).toBe(1);
  expect(shardsAt(split, NOW + SPLIT_AHEAD_MS)).toBe(2);
  expect(shardsEver(split)).toBe(2);
});

test("of shards that ask at once the first is granted, and none before its split holds", () => {
  const split = splitShards(FIRST, 1, 4, NOW) ?? [];
  expect(splitShards(split, 1, 2, NOW)).toBeNull();
  expect(splitShards(split, 4, 8, NOW + SPLIT_AHEAD_MS - 1)).toBeNull();
  expect(splitShards(split, 4, 8, NOW + SPLIT_AHEAD_MS)?.at(-1)?.shards).toBe(8);
});

test("there are never more than the largest number", () => {
  const split = splitShards(FIRST, 1, 4 * SHARDS_MOST, NOW) ?? [];
  expect(shardsEver(split)).toBe(SHARDS_MOST);
  expect(splitShards(split, SHARDS_MOST, 2 * SHARDS_MOST, NOW + SPLIT_AHEAD_MS)).toBeNull();
});

const GENERATIONS: ShardGeneration[] = [1, 2, 8, 16].map((shards, at) => ({
  generation: at + 1,
  shards,
  from: at * 1_000,
}));

test("a conversation's former homes are those of the generations that may still keep something of it", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 0, max: 6_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      (id, now, kept) => {
        const { shards, former } = homeOf(id, GENERATIONS, now, kept);
        const home = conversationShard(id, shards);
        expect(shards).toBe(shardsAt(GENERATIONS, now));
        const places = GENERATIONS.filter((generation) => generation.shards < shards);
        for (const [at, generation] of places.entries()) {
          const shard = conversationShard(id, generation.shards);
          const until = GENERATIONS[at + 1]?.from ?? 0;
          if (shard !== home && until + kept > now) expect(former.map((of) => of.shard)).toContain(shard);
        }
        for (const { shard, until } of former) {
          expect(conversationShards(id, GENERATIONS)).toContain(shard);
          expect(shard).not.toBe(home);
          expect(until + kept).toBeGreaterThan(now);
        }
        expect(new Set(former.map((of) => of.shard)).size).toBe(former.length);
      },
    ),
  );
});

const SHARDS = 8;
const names = Array.from({ length: 4_000 }, (_, at) => `conversation ${at}`);

test("all executions of a conversation are in its shard, for any ids", () => {
  for (const conversation_id of names.slice(0, 50)) {
    const home = conversationShard(conversation_id, SHARDS);
    for (const execution_id of ["a", "b", "c"]) {
      const run = { execution_id, conversation_id, index_shards: SHARDS };
      expect(executionShard(run)).toBe(home);
    }
  }
});

test("a run stays in the shard of the generation that it began under", () => {
  const run = { execution_id: "a", conversation_id: "c", index_shards: 16 };
  expect(executionShard(run)).toBe(conversationShard("c", 16));
});

test("a run of an earlier version is where its id put it", () => {
  for (const execution_id of names.slice(0, 50)) {
    expect(executionShard({ execution_id, conversation_id: "c" })).toBe(fnv1a(execution_id) % 8);
  }
});

test("every shard has its part of the conversations, and there is no other", () => {
  const counts = new Map(allShards(SHARDS).map((shard) => [shard, 0]));
  for (const name of names) {
    const shard = conversationShard(name, SHARDS);
    counts.set(shard, (counts.get(shard) as number) + 1);
  }
  expect(counts.size).toBe(SHARDS);
  for (const count of counts.values()) expect(count).toBeGreaterThan(400);
});
