// The results that a run has got for its question, as texts by the hashes of their keys. Read, and checked, when a
// stage asks for one: most are never asked for.
import type { CacheKey } from "../../core/caching/cache-key.ts";
import { type CachedEntry, readEntry } from "../../core/caching/cached-result.ts";
import { textWeight } from "../../core/json/json-weight.ts";
import type { KeptResults } from "../../engine/ports.ts";
import { hashedKey } from "./cache-key-hash.ts";

/** UTF-16 units that one run gets with its question; what exceeds them is taken where it is needed. */
export const BROUGHT_CHARS = 256 * 1024;

/** The hash of an exact key, and the entry under it; null where the entry was not brought. */
export type KeptEntry = readonly [exact: string, entry: string | null];

export class KeptEntries implements KeptResults {
  readonly bytes: number;
  private readonly entries: ReadonlyMap<string, string | null>;

  constructor(entries: readonly KeptEntry[]) {
    this.entries = new Map(entries);
    let sum = 0;
    for (const entry of this.entries.values()) sum += entry === null ? 0 : textWeight(entry);
    this.bytes = sum;
  }

  async find(key: CacheKey): Promise<CachedEntry | "apart" | null> {
    // Most questions are new, and their keys need not be hashed yet.
    if (this.entries.size === 0) return null;
    const { exact } = await hashedKey(key);
    const entry = this.entries.get(exact);
    if (entry === undefined) return null;
    return entry === null ? "apart" : readEntry(entry);
  }
}
