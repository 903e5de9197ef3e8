// The result cache without Redis: a few objects a tenant, each with the results whose family falls to it, and with
// the calls under way, so that two executions that ask the same at once call once.
import type { CacheKey } from "../../core/cache-key.ts";
import { type CachedResult, entryText, isFresh, isKept, readEntry } from "../../core/cached-result.ts";
import type { CacheFinding, Clock, ResultCache } from "../../engine/ports.ts";
import { hashedKey, type HashedKey } from "./hashed-key.ts";
import { SHARED_MS, within } from "./within.ts";

/** The object that keeps a part of a tenant's results. Entries travel and lie as text. */
export interface ResultCacheRpc {
  /** An entry that is younger than the asker's and the writer's TTL; else who is to make it. */
  take(
    key: HashedKey,
    owner: string,
    ttl_seconds: number,
    lease_ms: number,
  ): Promise<{ entry: string } | "miss" | "busy">;
  wait(key: HashedKey, owner: string, lease_ms: number, ms: number): Promise<{ entry: string } | "miss">;
  put(key: HashedKey, owner: string, entry: string | null): Promise<void>;
  last(family: string): Promise<string | null>;
}

const SHARDS = 8;

export class EmbeddedCache implements ResultCache {
  private readonly namespace: DurableObjectNamespace;
  private readonly clock: Pick<Clock, "now">;

  constructor(namespace: DurableObjectNamespace, clock: Pick<Clock, "now">) {
    this.namespace = namespace;
    this.clock = clock;
  }

  async take(key: CacheKey, owner: string, ttl_seconds: number, lease_ms: number): Promise<CacheFinding> {
    const hashed = await hashedKey(key);
    const found = await within(
      SHARED_MS,
      this.object(key, hashed).take(hashed, owner, ttl_seconds, lease_ms),
      "miss" as const,
    );
    if (typeof found === "string") return found;
    const entry = readEntry(found.entry);
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async wait(key: CacheKey, owner: string, lease_ms: number, ms: number): Promise<CachedResult | "miss"> {
    const hashed = await hashedKey(key);
    const waited = this.object(key, hashed).wait(hashed, owner, lease_ms, ms);
    const found = await within(ms + SHARED_MS, waited, "miss" as const);
    return found === "miss" ? found : (readEntry(found.entry)?.result ?? "miss");
  }

  async put(key: CacheKey, owner: string, result: CachedResult, ttl_seconds: number): Promise<void> {
    const hashed = await hashedKey(key);
    const entry = entryText({ result, at: this.clock.now(), ttl_seconds });
    await lost(this.object(key, hashed).put(hashed, owner, entry));
  }

  async release(key: CacheKey, owner: string): Promise<void> {
    const hashed = await hashedKey(key);
    await lost(this.object(key, hashed).put(hashed, owner, null));
  }

  async last(key: CacheKey): Promise<CachedResult | null> {
    const hashed = await hashedKey(key);
    const entry = readEntry(await within(SHARED_MS, this.object(key, hashed).last(hashed.family), null));
    return entry !== null && isKept(entry, this.clock.now()) ? entry.result : null;
  }

  private object({ tenant }: CacheKey, { family }: HashedKey): ResultCacheRpc {
    const shard = Number.parseInt(family.slice(0, 8), 16) % SHARDS;
    return this.namespace.get(this.namespace.idFromName(`${tenant}/${shard}`)) as unknown as ResultCacheRpc;
  }
}

/** A result that is not kept is called for again; that is all. */
async function lost(told: Promise<void>): Promise<void> {
  await told.catch(() => {});
}
