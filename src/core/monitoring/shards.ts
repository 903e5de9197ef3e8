// The shards of a tenant's execution index and of its result cache: how many there are, and which of them keeps what.
// The number is a generation's. It is doubled when a shard nears a bound (core/monitoring/shard-load.ts), and a new
// generation begins a while after it was made, so that all isolates that read know of it before one writes by it.
//
// A shard's number is a hash modulo the number of shards, which is a power of two: the shards of a generation are among
// those of the next one. A run pins the numbers that it started under, so each run is in one shard of the index.
import { fnv1a } from "../hash.ts";
import { TIMINGS } from "../timings.ts";

/** How many shards there are from a time on. */
export interface ShardGeneration {
  generation: number;
  shards: number;
  /** Ms since the epoch. */
  from: number;
}

/** The generations of a tenant, the oldest first; each has more shards than those before. */
export interface TenantShards {
  index: ShardGeneration[];
  cache: ShardGeneration[];
}

export type ShardKind = keyof TenantShards;

/** Versions before there were generations had so many of each kind. */
export const EARLIER_SHARDS = 8;

/** A tenant's first generations. */
export function firstShards(shards: number): TenantShards {
  const first = () => [{ generation: 1, shards, from: 0 }];
  return { index: first(), cache: first() };
}

/** The number of shards by which a run that begins now is kept. */
export function shardsAt(generations: readonly ShardGeneration[], now: number): number {
  const current = generations.findLast(({ from }) => from <= now) ?? generations[0];
  return current?.shards ?? EARLIER_SHARDS;
}

/** The number of all shards in which something may be. */
export function shardsEver(generations: readonly ShardGeneration[]): number {
  return generations.at(-1)?.shards ?? EARLIER_SHARDS;
}

/**
 * The generations after a shard of the one with `shards` shards has asked for more; null where they stay as they are:
 * another shard of it was first, or there are as many as there may be.
 */
export function splitShards(
  generations: readonly ShardGeneration[],
  shards: number,
  wanted: number,
  now: number,
): ShardGeneration[] | null {
  const last = generations.at(-1);
  const next = Math.min(wanted, TIMINGS.SHARDS_MOST);
  if (last === undefined || last.shards !== shards || next <= shards || last.from > now) return null;
  return [
    ...generations,
    { generation: last.generation + 1, shards: next, from: now + TIMINGS.SPLIT_AHEAD_MS },
  ];
}

/** What decides where an execution's entry is. */
export interface Sharded {
  execution_id: string;
  conversation_id: string;
  /** The shards of its generation; absent in runs of versions that chose the shard by the execution's id. */
  index_shards?: number;
}

/** These members of a run's spec alone. */
export function shardedOf({ execution_id, conversation_id, index_shards }: Sharded): Sharded {
  return { execution_id, conversation_id, ...(index_shards === undefined ? {} : { index_shards }) };
}

/** The shard of a conversation. */
export function conversationShard(conversation_id: string, shards: number): number {
  return fnv1a(conversation_id) % shards;
}

/** The shard of an execution. */
export function executionShard({ execution_id, conversation_id, index_shards }: Sharded): number {
  if (index_shards === undefined) return fnv1a(execution_id) % EARLIER_SHARDS;
  return conversationShard(conversation_id, index_shards);
}

/** The numbers of so many shards. */
export function allShards(shards: number): number[] {
  return Array.from({ length: shards }, (_, shard) => shard);
}

/** All shards in which executions of a conversation may be. */
export function conversationShards(
  conversation_id: string,
  generations: readonly ShardGeneration[],
): number[] {
  return [...new Set(generations.map(({ shards }) => conversationShard(conversation_id, shards)))];
}

/** A shard that a conversation had in an earlier generation. */
export interface FormerHome {
  shard: number;
  /** When that generation was followed by one in which the conversation has another shard, ms since the epoch. */
  until: number;
}

/** Where a run that begins now is kept, and where turns of its conversation may be besides. */
export interface ConversationHome {
  /** The shards of its generation. */
  shards: number;
  /** The latest first. */
  former: FormerHome[];
}

/** @param kept_ms how long turns of runs of a former generation may be kept */
export function homeOf(
  conversation_id: string,
  generations: readonly ShardGeneration[],
  now: number,
  kept_ms: number,
): ConversationHome {
  const shards = shardsAt(generations, now);
  const found = new Map<number, number>();
  let home = conversationShard(conversation_id, shards);
  const own = home;
  let until = 0;
  for (const generation of generations.toReversed()) {
    if (generation.shards > shards) continue;
    const shard = conversationShard(conversation_id, generation.shards);
    if (shard !== home) {
      home = shard;
      if (shard !== own && !found.has(shard) && until + kept_ms > now) found.set(shard, until);
    }
    until = generation.from;
  }
  return { shards, former: Array.from(found, ([shard, since]) => ({ shard, until: since })) };
}
