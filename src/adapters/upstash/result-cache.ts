// The result cache in Redis, shared by all regions: an entry under the hash of its key, kept a day, and under the
// hash of its family the name of the last one. There is no single flight: who else is at a call is not known here.
import type { CacheKey } from "../../core/cache-key.ts";
import {
  type CachedResult,
  entryText,
  isFresh,
  isKept,
  KEPT_SECONDS,
  readEntry,
} from "../../core/cached-result.ts";
import type { CacheFinding, Clock, ResultCache } from "../../engine/ports.ts";
import { hashedKey } from "../embedded/hashed-key.ts";
import { type GuardedRedis, LOST } from "./redis.ts";

const WHAT = "results are neither found nor kept";

export class UpstashCache implements ResultCache {
  private readonly redis: GuardedRedis;
  private readonly clock: Pick<Clock, "now">;

  constructor(redis: GuardedRedis, clock: Pick<Clock, "now">) {
    this.redis = redis;
    this.clock = clock;
  }

  async take(key: CacheKey, _owner: string, ttl_seconds: number): Promise<CacheFinding> {
    const { exact } = await hashedKey(key);
    const entry = readEntry(await this.redis.ask(WHAT, (redis) => redis.get<string>(entryName(exact))));
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async wait(): Promise<"miss"> {
    return "miss";
  }

  async put(key: CacheKey, _owner: string, result: CachedResult, ttl_seconds: number): Promise<void> {
    const entry = entryText({ result, at: this.clock.now(), ttl_seconds });
    if (entry === null) return;
    const { exact, family } = await hashedKey(key);
    const expiry = { ex: KEPT_SECONDS };
    await this.redis.ask(WHAT, (redis) =>
      redis
        .pipeline()
        .set(entryName(exact), entry, expiry)
        .set(familyName(family), entryName(exact), expiry)
        .exec(),
    );
  }

  async release(): Promise<void> {}

  async last(key: CacheKey): Promise<CachedResult | null> {
    const { family } = await hashedKey(key);
    const text = await this.redis.ask(WHAT, async (redis) => {
      const name = await redis.get<string>(familyName(family));
      return typeof name === "string" && name.startsWith(ENTRY) ? redis.get<string>(name) : null;
    });
    const entry = text === LOST ? null : readEntry(text);
    return entry !== null && isKept(entry, this.clock.now()) ? entry.result : null;
  }
}

const ENTRY = "agent-coordinator:result:";

function entryName(hash: string): string {
  return `${ENTRY}${hash}`;
}

function familyName(hash: string): string {
  return `agent-coordinator:last:${hash}`;
}
