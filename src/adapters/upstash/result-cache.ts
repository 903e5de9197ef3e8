// The result cache in Redis, shared by all regions: an entry under the hash of its key, kept a day; under the hash of
// its family the name of the last one; and under its execution the names of all that it has made, deleted with it.
// There is no single flight: concurrent calls of others are not visible here.
import type { CacheKey } from "../../core/caching/cache-key.ts";
import {
  type CachedResult,
  entryText,
  isFresh,
  isKept,
  KEPT_SECONDS,
  madeBy,
  readEntry,
  type RunResults,
} from "../../core/caching/cached-result.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { CacheFinding, Clock, ResultCache } from "../../engine/ports.ts";
import { hashedKey } from "../platform/cache-key-hash.ts";
import { SHARED_MS, within } from "../platform/time-limit.ts";
import { type GuardedRedis, LOST } from "./redis.ts";

const WHAT = "results are neither looked up nor cached";
/** No request to Redis takes this long: what is still being sent belongs to an object that died. */
const ABANDONED_MS = 1_000;

/**
 * Deletes what an execution has made, in one request: the entries that still begin as its own do, since another one may
 * have made a newer result, and the list of them.
 */
const DELETE_OWN = `
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('GETRANGE', name, 0, #ARGV[1] - 1) == ARGV[1] then redis.call('DEL', name) end
end
return redis.call('DEL', KEYS[1])`;

export class UpstashCache implements ResultCache {
  private readonly redis: GuardedRedis;
  private readonly clock: Pick<Clock, "now">;
  /** What is being sent for each run since when (ms since the epoch), so that a deletion does not overtake it. */
  private readonly sending = new Map<string, { at: number; all: Promise<unknown> }>();

  constructor(redis: GuardedRedis, clock: Pick<Clock, "now">) {
    this.redis = redis;
    this.clock = clock;
  }

  async take(key: CacheKey, _caller: FlightCaller, ttl_seconds: number): Promise<CacheFinding> {
    const { exact } = await hashedKey(key);
    const entry = readEntry(await this.redis.ask(WHAT, (redis) => redis.get<string>(entryName(exact))));
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async follow(): Promise<"miss"> {
    return "miss";
  }

  async put(
    key: CacheKey,
    { execution_id }: FlightCaller,
    result: CachedResult,
    ttl_seconds: number,
  ): Promise<void> {
    const at = this.clock.now();
    const entry = entryText({ by: execution_id, result, at, ttl_seconds });
    if (entry === null) return;
    const run = runName(key.tenant, execution_id);
    this.dropAbandoned(at);
    const sent = this.send(key, run, entry);
    const sending = { at, all: Promise.all([this.sending.get(run)?.all, sent]) };
    this.sending.delete(run);
    this.sending.set(run, sending);
    await sent;
    if (this.sending.get(run) === sending) this.sending.delete(run);
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

  /** Best effort: entries left in Redis expire after a day. */
  async forget({ tenant, execution_id }: RunResults): Promise<void> {
    const run = runName(tenant, execution_id);
    const sending = this.sending.get(run);
    if (sending !== undefined) await within(SHARED_MS, sending.all, null);
    await this.redis.askInBackground("cached results of a deleted execution may remain", (redis) =>
      redis.eval(DELETE_OWN, [run], [madeBy(execution_id)]),
    );
  }

  /** A promise of an object that died never resolves. */
  private dropAbandoned(now: number): void {
    for (const [run, { at }] of this.sending) {
      if (now - at < ABANDONED_MS) return;
      this.sending.delete(run);
    }
  }

  private async send(key: CacheKey, run: string, entry: string): Promise<void> {
    const { exact, family } = await hashedKey(key);
    const expiry = { ex: KEPT_SECONDS };
    await this.redis.ask(WHAT, (redis) =>
      redis
        .pipeline()
        .set(entryName(exact), entry, expiry)
        .set(familyName(family), entryName(exact), expiry)
        .sadd(run, entryName(exact))
        .expire(run, KEPT_SECONDS)
        .exec(),
    );
  }
}

const ENTRY = "agent-coordinator:result:";

function entryName(hash: string): string {
  return `${ENTRY}${hash}`;
}

function familyName(hash: string): string {
  return `agent-coordinator:last:${hash}`;
}

function runName(tenant: string, execution_id: string): string {
  return `agent-coordinator:of:${tenant}/${execution_id}`;
}
