// Which shard of a tenant's execution index keeps an execution: that of its conversation, so that one request reads
// the history and notes the start, and one writes the entry with its turn. The number of shards is a generation's; a
// run pins the one that it started under, and its reports go there.
import { fnv1a } from "../hash.ts";

/** An arrangement of a tenant's index. */
export interface IndexGeneration {
  shards: number;
}

export const INDEX_GENERATION: IndexGeneration = { shards: 8 };

/** That of the versions that chose the shard by the execution's id. */
const EARLIER_GENERATION: IndexGeneration = { shards: 8 };

/** What decides where an execution's entry is. */
export interface Sharded {
  execution_id: string;
  conversation_id: string;
  /** The shards of its generation; absent in runs of versions that chose the shard by the execution's id. */
  index_shards?: number;
}

/** The shard of a conversation. */
export function conversationShard(conversation_id: string, { shards }: IndexGeneration): number {
  return fnv1a(conversation_id) % shards;
}

/** The shard of an execution. */
export function executionShard({ execution_id, conversation_id, index_shards }: Sharded): number {
  if (index_shards === undefined) return fnv1a(execution_id) % EARLIER_GENERATION.shards;
  return conversationShard(conversation_id, { shards: index_shards });
}

/** All shards of a generation. */
export function allShards({ shards }: IndexGeneration): number[] {
  return Array.from({ length: shards }, (_, shard) => shard);
}
