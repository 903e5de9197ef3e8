// The result cache without Redis: a few objects per tenant, each with the results of the questions that hash to it, and
// with the calls in flight, so that two executions with the same call at once make one. A result waits a moment for
// its run's next stage, which uses the same object: one hop serves both.
import type { CacheKey } from "../../core/caching/cache-key.ts";
import {
  type CachedResult,
  entryText,
  isFresh,
  isKept,
  readEntry,
  type RunResults,
} from "../../core/caching/cached-result.ts";
import { fnv1a } from "../../core/hash.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { CacheFinding, Clock, ResultCache } from "../../engine/ports.ts";
import { type ObjectIds, objectIds } from "./object-ids.ts";
import { sha256Hex } from "../platform/system.ts";
import { hashedKey, type HashedKey } from "../platform/cache-key-hash.ts";
import { SHARED_MS, within } from "../platform/time-limit.ts";

/** How a call that was to make a result has ended. */
export interface Made {
  key: HashedKey;
  caller: FlightCaller;
  /** Null where there is none, or none that is kept. */
  entry: string | null;
  /** Ms since the epoch. */
  at: number;
}

/** The object that keeps a part of a tenant's results. Entries travel and are stored as text. */
export interface ResultCacheRpc {
  /**
   * An entry that is younger than the caller's and the writer's TTL; else who is to make it.
   * @param made what the caller's execution has made since it last asked
   */
  take(
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly Made[],
  ): Promise<{ entry: string } | "miss" | "busy">;
  follow(
    key: HashedKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<{ entry: string } | "miss">;
  put(made: readonly Made[]): Promise<void>;
  last(family: string): Promise<string | null>;
  /**
   * Deletes what an execution has made, also what arrives later and was made by `at` (ms since the epoch). Answers
   * once it is durable.
   * @param families hashed
   */
  forget(execution_id: string, families: readonly string[], at: number): Promise<void>;
}

const SHARDS = 8;
/** Characters of a question that determine the shard of its results. */
const PLACE_CHARS = 1_024;
/** How long a result waits for its run's next lookup, in ms: the lookup follows at once or never. */
const BATCHING_MS = 2;
/** A lookup that has waited this long belongs to an object that died together with its timer. */
const ABANDONED_MS = 1_000;

/** A run's pending results, since when they wait (ms since the epoch), and the cancellation of their timer. */
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

  async take(
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
  ): Promise<CacheFinding> {
    const hashed = await hashedKey(key);
    const made = this.taken(key, caller.execution_id);
    const found = await within(
      SHARED_MS,
      this.object(key).take(hashed, caller, ttl_seconds, lease_ms, made),
      "miss" as const,
    );
    if (typeof found === "string") return found;
    const entry = readEntry(found.entry);
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async follow(
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<CachedResult | "miss"> {
    const hashed = await hashedKey(key);
    const followed = this.object(key).follow(hashed, caller, ttl_seconds, ms);
    const found = await within(ms + SHARED_MS, followed, "miss" as const);
    return found === "miss" ? found : (readEntry(found.entry)?.result ?? "miss");
  }

  async put(key: CacheKey, caller: FlightCaller, result: CachedResult, ttl_seconds: number): Promise<void> {
    const at = this.clock.now();
    const hashed = await hashedKey(key);
    const { execution_id } = caller;
    this.dropAbandoned(this.clock.now());
    const made = { key: hashed, caller, entry: entryText({ by: execution_id, result, at, ttl_seconds }), at };
    const run = runOf(key, execution_id);
    const waiting = this.waiting.get(run);
    if (waiting !== undefined) {
      waiting.made.push(made);
      return;
    }
    const stop = this.clock.after(
      BATCHING_MS,
      () => void ignoreFailure(this.object(key).put(this.taken(key, execution_id))),
    );
    this.waiting.set(run, { made: [made], at, stop });
  }

  async release(key: CacheKey, caller: FlightCaller): Promise<void> {
    const at = this.clock.now();
    const hashed = await hashedKey(key);
    await ignoreFailure(this.object(key).put([{ key: hashed, caller, entry: null, at }]));
  }

  async last(key: CacheKey): Promise<CachedResult | null> {
    const hashed = await hashedKey(key);
    const entry = readEntry(await within(SHARED_MS, this.object(key).last(hashed.family), null));
    return entry !== null && isKept(entry, this.clock.now()) ? entry.result : null;
  }

  async forget(results: RunResults): Promise<void> {
    const { execution_id, families } = results;
    const at = this.clock.now();
    this.taken(results, execution_id);
    const hashed = await Promise.all(families.map(sha256Hex));
    await this.object(results).forget(execution_id, hashed, at);
  }

  /** The run's results that are not sent yet: the caller sends or drops them. */
  private taken(key: Pick<CacheKey, "tenant">, execution_id: string): readonly Made[] {
    const run = runOf(key, execution_id);
    const waiting = this.waiting.get(run);
    if (waiting === undefined) return [];
    waiting.stop();
    this.waiting.delete(run);
    return waiting.made;
  }

  /** A result that is lost is called for again. */
  private dropAbandoned(now: number): void {
    for (const [run, { at }] of this.waiting) {
      if (now - at < ABANDONED_MS) return;
      this.waiting.delete(run);
    }
  }

  private object({ tenant, question }: Pick<CacheKey, "tenant" | "question">): ResultCacheRpc {
    const shard = fnv1a(question.slice(0, PLACE_CHARS)) % SHARDS;
    return this.namespace.get(this.idOf(`${tenant}/${shard}`)) as unknown as ResultCacheRpc;
  }
}

/** Two tenants may have given their executions the same id. */
function runOf({ tenant }: Pick<CacheKey, "tenant">, execution_id: string): string {
  return `${tenant}/${execution_id}`;
}

/** A result that is not kept is called for again; that is all. */
async function ignoreFailure(task: Promise<void>): Promise<void> {
  await task.catch(() => {});
}
