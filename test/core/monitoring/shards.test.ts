// Which shard keeps an execution: that of its conversation, under the generation that the run has pinned; one of an
// earlier version is where its id put it.
import { expect, test } from "vitest";
import { fnv1a } from "../../../src/core/hash.ts";
import {
  allShards,
  conversationShard,
  executionShard,
  INDEX_GENERATION,
} from "../../../src/core/monitoring/shards.ts";

const names = Array.from({ length: 4_000 }, (_, at) => `conversation ${at}`);

test("all executions of a conversation are in its shard, for any ids", () => {
  for (const conversation_id of names.slice(0, 50)) {
    const home = conversationShard(conversation_id, INDEX_GENERATION);
    for (const execution_id of ["a", "b", "c"]) {
      const run = { execution_id, conversation_id, index_shards: INDEX_GENERATION.shards };
      expect(executionShard(run)).toBe(home);
    }
  }
});

test("a run stays in the shard of the generation that it began under", () => {
  const run = { execution_id: "a", conversation_id: "c", index_shards: 16 };
  expect(executionShard(run)).toBe(conversationShard("c", { shards: 16 }));
});

test("a run of an earlier version is where its id put it", () => {
  for (const execution_id of names.slice(0, 50)) {
    expect(executionShard({ execution_id, conversation_id: "c" })).toBe(fnv1a(execution_id) % 8);
  }
});

test("every shard has its part of the conversations, and there is no other", () => {
  const counts = new Map(allShards(INDEX_GENERATION).map((shard) => [shard, 0]));
  for (const name of names) {
    const shard = conversationShard(name, INDEX_GENERATION);
    counts.set(shard, (counts.get(shard) as number) + 1);
  }
  expect(counts.size).toBe(INDEX_GENERATION.shards);
  for (const count of counts.values()) expect(count).toBeGreaterThan(400);
});
