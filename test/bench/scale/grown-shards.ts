// How the shards of a tenant grow under a load that lasts: the coordinator's own rules (core/monitoring/shards.ts and
// shard-load.ts), fed second by second with what one shard gets of it, and then hour by hour with what it holds.
import { type ShardBytes, ShardLoad } from "../../../src/core/monitoring/shard-load.ts";
import {
  firstShards,
  type ShardGeneration,
  shardsAt,
  shardsEver,
  splitShards,
} from "../../../src/core/monitoring/shards.ts";

export interface Growth {
  /** Requests a second to all shards of the kind. */
  requests: number;
  /** Written in a second. */
  bytes: number;
  /** How long that is kept. */
  days: number;
  bounds: ShardBytes;
}

export interface Grown {
  generations: ShardGeneration[];
  /** Bytes of the first shard, which is the fullest, when it was fullest. */
  fullest: number;
}

/** An object serves about so many requests a second, however many come. */
const SERVED = 1_000;
/** As long as a tenant's load takes to be spread, if it comes at once: ten splits. */
const RAMP_SECONDS = 300;
const HOUR_MS = 3_600_000;

export function grow({ requests, bytes, days, bounds }: Growth): Grown {
  let generations: ShardGeneration[] = firstShards(1).index;
  const load = new ShardLoad(bounds, null);
  const ask = (now: number, size: number) => {
    const wanted = load.wanted(now, size);
    if (wanted === null) return;
    generations = splitShards(generations, wanted.from, wanted.to, now) ?? generations;
  };
  for (let now = 0; now < RAMP_SECONDS * 1_000; now += 1_000) {
    const shards = shardsAt(generations, now);
    load.begun(shards, now, () => 0);
    const served = Math.min(SERVED, Math.round(requests / shards));
    for (let at = 0; at < served; at += 1) if (load.note(now + (at * 1_000) / served)) ask(now, 0);
  }
  const added: number[] = [];
  let size = 0;
  let fullest = 0;
  for (let hour = 0; hour < 3 * days * 24; hour += 1) {
    const now = RAMP_SECONDS * 1_000 + hour * HOUR_MS;
    const shards = shardsAt(generations, now);
    load.begun(shards, now, () => size);
    added.push((bytes * 3_600) / shards);
    size += (added.at(-1) ?? 0) - (added[hour - days * 24] ?? 0);
    fullest = Math.max(fullest, size);
    if (load.note(now)) ask(now, size);
  }
  return { generations, fullest };
}

/** "1 → 8 → 64". */
export function growthText(generations: readonly ShardGeneration[]): string {
  return generations.length > 4
    ? `1 → … → ${shardsEver(generations)}`
    : generations.map(({ shards }) => shards).join(" → ");
}
