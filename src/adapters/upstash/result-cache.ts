// The result cache in Redis, shared by all regions: an entry under the hash of its key, kept a day; under the hash of
// its family the name of the last one; under its execution the names of all that it has made, deleted with it; and
// under the hashes of a run's start, and of its question and history, the names of the last entries made there, so that
// one request brings all that a run's stages can be answered with. There is no single flight: concurrent calls of
// others are not visible here.
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
import type { RunQuestion } from "../../core/caching/run-question.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import { canonicalJson } from "../../core/json/json.ts";
import type { CacheFinding, Clock, MadeResult, Opening, ResultCache } from "../../engine/ports.ts";
import { hashedKey } from "../platform/cache-key-hash.ts";
import { BROUGHT_CHARS, KeptEntries, type KeptEntry } from "../platform/kept-entries.ts";
import { sha256Hex } from "../platform/system.ts";
import { within } from "../platform/time-limit.ts";
import { BACKGROUND_MS, type GuardedRedis, LOST } from "./redis.ts";

const WHAT = "results are neither looked up nor cached";
/** No request to Redis takes this long: what is still being sent belongs to an object that died. */
const ABANDONED_MS = BACKGROUND_MS + 500;
/** Names of entries that a list holds, the newest first. */
const LISTED = 64;
/** UTF-16 units of entries in one request. */
const REQUEST_CHARS = 512 * 1024;

/** The listed entries, each after its name; an empty text for those that are too much for one answer. */
const BRING = `
local seen, found, left = {}, {}, tonumber(ARGV[1])
for _, list in ipairs(KEYS) do
  for _, name in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local entry = not seen[name] and redis.call('GET', name)
    if entry then
      if #entry > left then entry = '' end
      left = left - #entry
      table.insert(found, name)
      table.insert(found, entry)
    end
    seen[name] = true
  end
end
return found`;

/** Keeps entries, given with their names and their families', and lists them: one request and one command for all. */
const KEEP = `
local run = KEYS[1]
local expiry, listed = ARGV[1], tonumber(ARGV[2])
for at = 3, #ARGV, 3 do
  local name, family, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  redis.call('SET', name, entry, 'EX', expiry)
  redis.call('SET', family, name, 'EX', expiry)
  redis.call('SADD', run, name)
  for list = 2, #KEYS do
    redis.call('LREM', KEYS[list], 0, name)
    redis.call('LPUSH', KEYS[list], name)
  end
end
redis.call('EXPIRE', run, expiry)
for list = 2, #KEYS do
  redis.call('LTRIM', KEYS[list], 0, listed - 1)
  redis.call('EXPIRE', KEYS[list], expiry)
end
return 1`;

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

  async ask(run: RunQuestion): Promise<Opening> {
    const lists = await listsOf(run);
    const found = await this.redis.ask(WHAT, (redis) =>
      redis.eval<[number], string[]>(BRING, lists, [BROUGHT_CHARS]),
    );
    const kept: KeptEntry[] = [];
    if (Array.isArray(found)) {
      for (let at = 0; at + 1 < found.length; at += 2) {
        const [name, entry] = [String(found[at]), String(found[at + 1])];
        kept.push([name.slice(ENTRY.length), entry === "" ? null : entry]);
      }
    }
    return { kept: new KeptEntries(kept), asksEach: false, isNoted: true };
  }

  async take(
    _run: RunQuestion,
    key: CacheKey,
    _caller: FlightCaller,
    ttl_seconds: number,
  ): Promise<CacheFinding> {
    const { exact } = await hashedKey(key);
    const entry = readEntry(await this.redis.ask(WHAT, (redis) => redis.get<string>(entryName(exact))));
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async follow(): Promise<"miss"> {
    return "miss";
  }

  async report(run: RunQuestion, made: readonly MadeResult[]): Promise<void> {
    const now = this.clock.now();
    const name = runName(run.tenant, run.execution_id);
    this.dropAbandoned(now);
    const sent = this.send(run, name, made);
    const sending = { at: now, all: Promise.all([this.sending.get(name)?.all, sent]) };
    this.sending.delete(name);
    this.sending.set(name, sending);
    await sent;
    if (this.sending.get(name) === sending) this.sending.delete(name);
  }

  async last(_run: RunQuestion, key: CacheKey): Promise<CachedResult | null> {
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
    if (sending !== undefined) await within(BACKGROUND_MS, sending.all, null);
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

  private async send(run: RunQuestion, name: string, made: readonly MadeResult[]): Promise<void> {
    const lists = await listsOf(run);
    let args: string[] = [];
    let chars = 0;
    const flush = async () => {
      const sent = args;
      args = [];
      chars = 0;
      if (sent.length === 0) return;
      await this.redis.askInBackground("results are not cached", (redis) =>
        redis.eval(KEEP, [name, ...lists], [String(KEPT_SECONDS), String(LISTED), ...sent]),
      );
    };
    for (const { key, result, ttl_seconds, at } of made) {
      const entry = result && entryText({ by: run.execution_id, result, at, ttl_seconds });
      if (entry === null) continue;
      const { exact, family } = await hashedKey(key);
      if (chars > 0 && chars + entry.length > REQUEST_CHARS) await flush();
      args.push(entryName(exact), familyName(family), entry);
      chars += entry.length;
    }
    await flush();
  }
}

/** The names of the lists in which a run looks: of its start, and of its question and history. */
async function listsOf({ tenant, question, history, input }: RunQuestion): Promise<string[]> {
  const hashes = await Promise.all(
    [
      [tenant, question, history, input],
      [tenant, question, history],
    ].map((of) => sha256Hex(canonicalJson(of))),
  );
  return hashes.map((hash) => `agent-coordinator:at:${hash}`);
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
