// The result cache without Redis: a few objects a tenant, each with the results of the questions that fall to it, and
// with the calls under way, so that two executions that ask the same at once call once. A result waits a moment for
// its run's next stage, which asks the same object: one hop does for both.
import type { CacheKey } from "../../core/cache-key.ts";
import { type CachedResult, entryText, isFresh, isKept, readEntry } from "../../core/cached-result.ts";
import type { CacheFinding, Clock, ResultCache } from "../../engine/ports.ts";
import { fnv1a } from "../../core/hash.ts";
import { type ObjectIds, objectIds } from "../objects/object-ids.ts";
import { hashedKey, type HashedKey } from "./hashed-key.ts";
import { SHARED_MS, within } from "./within.ts";

/** How a call that was to make a result has ended. */
export interface Made {
  key: HashedKey;
  /** Null where there is none. */
  entry: string | null;
}

/** The object that keeps a part of a tenant's results. Entries travel and lie as text. */
export interface ResultCacheRpc {
  /**
   * An entry that is younger than the asker's and the writer's TTL; else who is to make it.
   * @param made what the owner has made since it last asked
   */
  take(
    key: HashedKey,
    owner: string,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ): Promise<{ entry: string } | "miss" | "busy">;
  wait(key: HashedKey, owner: string, lease_ms: number, ms: number): Promise<{ entry: string } | "miss">;
  put(owner: string, made: readonly Made[]): Promise<void>;
  last(family: string): Promise<string | null>;
}

const SHARDS = 8;
/** Of a question, this much decides where its results lie. */
const PLACE_CHARS = 1_024;
/** How long a result waits for its run's next question, in ms: that comes at once or not at all. */
const COMPANY_MS = 2;
/** What has waited so long was left behind by an object that died, and its timer with it. */
const LEFT_BEHIND_MS = 1_000;

/** What a run has made, since when it waits (ms since the epoch), and the calling off of its sending. */
interface Waiting {
  made: Made[];
  at: number;
  stop: () => void;
}

export class EmbeddedCache implements ResultCache {
  private readonly namespace: DurableObjectNamespace;
  private readonly idOf: ObjectIds;
  private readonly clock: Clock;
  private readonly waiting = new Map<string, Waiting>();

  constructor(namespace: DurableObjectNamespace, clock: Clock) {
    this.namespace = namespace;
    this.idOf = objectIds(namespace);
    this.clock = clock;
  }

  async take(key: CacheKey, owner: string, ttl_seconds: number, lease_ms: number): Promise<CacheFinding> {
    const hashed = await hashedKey(key);
    const found = await within(
      SHARED_MS,
      this.object(key).take(hashed, owner, ttl_seconds, lease_ms, this.taken(key, owner)),
      "miss" as const,
    );
    if (typeof found === "string") return found;
    const entry = readEntry(found.entry);
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async wait(key: CacheKey, owner: string, lease_ms: number, ms: number): Promise<CachedResult | "miss"> {
    const hashed = await hashedKey(key);
    const waited = this.object(key).wait(hashed, owner, lease_ms, ms);
    const found = await within(ms + SHARED_MS, waited, "miss" as const);
    return found === "miss" ? found : (readEntry(found.entry)?.result ?? "miss");
  }

  async put(key: CacheKey, owner: string, result: CachedResult, ttl_seconds: number): Promise<void> {
    const hashed = await hashedKey(key);
    const at = this.clock.now();
    this.forgetTheDead(at);
    const made = { key: hashed, entry: entryText({ result, at, ttl_seconds }) };
    const run = runOf(key, owner);
    const waiting = this.waiting.get(run);
    if (waiting !== undefined) {
      waiting.made.push(made);
      return;
    }
    const stop = this.clock.after(
      COMPANY_MS,
      () => void lost(this.object(key).put(owner, this.taken(key, owner))),
    );
    this.waiting.set(run, { made: [made], at, stop });
  }

  async release(key: CacheKey, owner: string): Promise<void> {
    const hashed = await hashedKey(key);
    await lost(this.object(key).put(owner, [{ key: hashed, entry: null }]));
  }

  async last(key: CacheKey): Promise<CachedResult | null> {
    const hashed = await hashedKey(key);
    const entry = readEntry(await within(SHARED_MS, this.object(key).last(hashed.family), null));
    return entry !== null && isKept(entry, this.clock.now()) ? entry.result : null;
  }

  /** What the run has made and nobody has been told of yet; it is told of by whoever asks this. */
  private taken(key: CacheKey, owner: string): readonly Made[] {
    const run = runOf(key, owner);
    const waiting = this.waiting.get(run);
    if (waiting === undefined) return [];
    waiting.stop();
    this.waiting.delete(run);
    return waiting.made;
  }

  /** A result that is lost is called for again. */
  private forgetTheDead(now: number): void {
    for (const [run, { at }] of this.waiting) {
      if (now - at < LEFT_BEHIND_MS) return;
      this.waiting.delete(run);
    }
  }

  private object({ tenant, question }: CacheKey): ResultCacheRpc {
    const shard = fnv1a(question.slice(0, PLACE_CHARS)) % SHARDS;
    return this.namespace.get(this.idOf(`${tenant}/${shard}`)) as unknown as ResultCacheRpc;
  }
}

/** Two tenants may have given their executions the same id. */
function runOf({ tenant }: CacheKey, owner: string): string {
  return `${tenant}/${owner}`;
}

/** A result that is not kept is called for again; that is all. */
async function lost(told: Promise<void>): Promise<void> {
  await told.catch(() => {});
}
