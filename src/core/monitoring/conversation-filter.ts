// Which conversations a shard of the execution index may have: a Bloom filter, small enough to travel and to be held by
// each shard that has taken over conversations of another one. It finds everything that was added, and little else.
import { hash64 } from "../hash.ts";

/** Bits of the smallest and of the largest filter: 1 KiB and 2 MiB. */
const LEAST_BITS = 2 ** 13;
const MOST_BITS = 2 ** 24;
/** Bits for each conversation: one of 1,000 others is found. */
const BITS_EACH = 16;
const HASHES = 6;

export class ConversationFilter {
  readonly bits: Uint8Array;

  constructor(bits: Uint8Array) {
    this.bits = bits;
  }

  /** An empty one. @param count of conversations, about */
  static of(count: number): ConversationFilter {
    const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, count) * BITS_EACH));
    return new ConversationFilter(new Uint8Array(Math.min(Math.max(wanted, LEAST_BITS), MOST_BITS) / 8));
  }

  add(conversation_id: string): void {
    for (const bit of this.places(conversation_id)) {
      this.bits[bit >>> 3] = (this.bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
    }
  }

  mayHave(conversation_id: string): boolean {
    return this.places(conversation_id).every(
      (bit) => ((this.bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0,
    );
  }

  /** All conversations of one shard have the same lowest bits of their hash: a mixed one spreads them again. */
  private places(conversation_id: string): number[] {
    const hash = hash64(conversation_id);
    const first = mixed(Number.parseInt(hash.slice(0, 8), 16));
    const step = mixed(Number.parseInt(hash.slice(8), 16)) | 1;
    const size = this.bits.length * 8;
    return Array.from({ length: HASHES }, (_, at) => ((first + Math.imul(step, at)) >>> 0) % size);
  }
}

/** The last steps of MurmurHash3. */
function mixed(hash: number): number {
  let value = hash ^ (hash >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
