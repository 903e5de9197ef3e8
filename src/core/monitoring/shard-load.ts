// How many shards a shard finds that there should be: it counts its own requests in memory, and knows its own size.
//
// More shards lessen what each of them gets, not what it has. So a shard asks while it has room: for as many as keep it
// within its bound for as long as rows are kept, if it goes on growing as it does. Where that was not seen in time, it
// asks for twice as many near the bound, and again at half of the room that was left then.
import { KEPT_SECONDS } from "../caching/cached-result.ts";
import { TIMINGS } from "../timings.ts";
import type { ShardKind } from "./shards.ts";

/** What a shard of a kind may hold. */
export interface ShardBytes {
  /** From so many bytes on it asks to be split. */
  split: number;
  most: number;
  /** How long what is written is kept. */
  kept_ms: number;
}

export const SHARD_BYTES: Record<ShardKind, ShardBytes> = {
  index: {
    split: TIMINGS.INDEX_SPLIT_BYTES,
    most: TIMINGS.INDEX_SHARD_BYTES,
    kept_ms: TIMINGS.INDEX_KEPT_MS,
  },
  cache: { split: TIMINGS.CACHE_SPLIT_BYTES, most: TIMINGS.CACHE_SHARD_BYTES, kept_ms: KEPT_SECONDS * 1_000 },
};

const SECOND_MS = 1_000;
/** A shard with less of what it may hold does not ask because of its growth. */
const GROWN_SHARE = 1 / 8;

export class ShardLoad {
  private readonly bytes: ShardBytes;
  /** Of the latest generation that a run began under. */
  private shards = 0;
  /** Requests by second, the latest last. */
  private readonly counts: { second: number; requests: number }[] = [];
  /** Since when requests are counted, ms since the epoch. */
  private since = 0;
  /** From so many bytes on it asks. */
  splitBytes: number;
  /** What its growth is measured from; null until it is asked first. */
  private measured: { at: number; size: number } | null = null;

  /** @param splitBytes as an earlier instance had it; null where it had none */
  constructor(bytes: ShardBytes, splitBytes: number | null) {
    this.bytes = bytes;
    this.splitBytes = splitBytes ?? bytes.split;
  }

  /** A run has begun under a generation of so many shards; the first one of a generation after others starts at nothing. */
  begun(shards: number, now: number, sizeOf: () => number): void {
    if (shards <= this.shards) return;
    if (this.shards > 0) this.reset(now, sizeOf());
    this.shards = shards;
  }

  /** Counts a request. True once a second: then `wanted` is to be asked. */
  note(now: number): boolean {
    const second = Math.floor(now / SECOND_MS);
    const last = this.counts.at(-1);
    if (last !== undefined && last.second >= second) {
      last.requests += 1;
      return false;
    }
    if (this.counts.length === 0) this.since = now;
    this.counts.push({ second, requests: 1 });
    while ((this.counts[0]?.second ?? second) < second - TIMINGS.SHARD_RATE_MS / SECOND_MS)
      this.counts.shift();
    return true;
  }

  /** How many shards there should be instead of `from`; null where there are enough. */
  wanted(now: number, size: number): { from: number; to: number } | null {
    const from = this.shards;
    if (from === 0 || from >= TIMINGS.SHARDS_MOST) return null;
    const rate = this.rate(now);
    let to = from;
    while ((rate * from) / to >= TIMINGS.SHARD_RATE) to *= 2;
    const { split, most } = this.bytes;
    const growth = this.growth(now, size);
    const room = Math.max(split - size, (most - size) / 2);
    while ((growth * from) / to > room && to < TIMINGS.SHARDS_MOST) to *= 2;
    if (to === from && size >= this.splitBytes) to *= 2;
    if (to === from) return null;
    this.reset(now, size);
    return { from, to };
  }

  /** Bytes that it gets in the time that rows are kept, where it could not hold them; 0 until that is measured. */
  private growth(now: number, size: number): number {
    this.measured ??= { at: now, size };
    const { at, size: before } = this.measured;
    const { most, kept_ms } = this.bytes;
    if (now - at < TIMINGS.SHARD_GROWTH_MS || size < most * GROWN_SHARE || size >= most) return 0;
    const growth = ((size - before) * kept_ms) / (now - at);
    return growth < most ? 0 : growth;
  }

  /** Requests a second, of the last full seconds; 0 until there are as many as are judged by. */
  private rate(now: number): number {
    const window = TIMINGS.SHARD_RATE_MS;
    if (now - this.since < window) return 0;
    const second = Math.floor(now / SECOND_MS);
    const requests = this.counts.filter((count) => count.second < second);
    return requests.reduce((sum, count) => sum + count.requests, 0) / (window / SECOND_MS);
  }

  private reset(now: number, size: number): void {
    this.counts.length = 0;
    this.since = now;
    this.measured = { at: now, size };
    this.splitBytes = Math.max(this.bytes.split, size + (this.bytes.most - size) / 2);
  }
}
