// The result cache without Redis: one object or more per tenant (core/monitoring/shards.ts; a run pins how many), each
// with the results of the questions that hash to it, and
// with the calls in flight that several runs are to make, so that two executions with the same call at once make one.
// An object that does not answer is guarded against: see src/adapters/platform/guard.ts.
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
import { placeOf, type RunQuestion } from "../../core/caching/run-question.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { QuietCall } from "../../engine/call/run-cache.ts";
import type { SharedCall } from "../../engine/object-protocol.ts";
import type { CacheFinding, Clock, MadeResult, Opening, ResultCache } from "../../engine/ports.ts";
import { hashedKey } from "../platform/cache-key-hash.ts";
import { type Guard, type GuardChange, Guards, LOST } from "../platform/guard.ts";
import { KeptEntries } from "../platform/kept-entries.ts";
import { sha256Hex } from "../platform/system.ts";
import { SHARED_MS, within } from "../platform/time-limit.ts";
import { type ObjectIds, objectIds } from "./object-ids.ts";
import type { Made, ResultCacheRpc, RunAt } from "./result-cache-rpc.ts";

/** Characters of a question that determine the shard of its results. */
const PLACE_CHARS = 1_024;
/** UTF-16 units of entries in one message: the platform refuses 32 MiB. */
const MESSAGE_CHARS = 4 * 1024 * 1024;

export class EmbeddedCache implements ResultCache {
  private readonly namespace: DurableObjectNamespace;
  private readonly idOf: ObjectIds;
  private readonly clock: Clock;
  private readonly guards: Guards;

  constructor(
    namespace: DurableObjectNamespace,
    clock: Clock,
    onChange: (change: GuardChange) => void = () => {},
  ) {
    this.namespace = namespace;
    this.idOf = objectIds(namespace);
    this.clock = clock;
    this.guards = new Guards(() => ({ clock, limit_ms: SHARED_MS, onChange }));
  }

  async ask(run: RunQuestion, isMissing: boolean): Promise<Opening> {
    const asked = await this.guarded(run, (object) => object.ask(runAt(run), run.ttl_seconds, isMissing));
    // A late answer notes the run all the same.
    if (asked === LOST) return { kept: new KeptEntries([]), asksEach: false, isNoted: true };
    const { kept, asksEach, isNoted } = asked;
    return { kept: new KeptEntries(kept), asksEach, isNoted };
  }

  async take(
    run: RunQuestion,
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
    made: readonly MadeResult[],
  ): Promise<CacheFinding> {
    const [hashed, task] = await Promise.all([hashedKey(key), wireOf(made)]);
    const found = await this.guarded(run, (object) =>
      object.take(runAt(run), hashed, caller, ttl_seconds, lease_ms, task),
    );
    if (found === LOST) return "miss";
    if (typeof found === "string") return found;
    const entry = readEntry(found.entry);
    return entry !== null && isFresh(entry, ttl_seconds, this.clock.now()) ? entry.result : "miss";
  }

  async follow(
    run: RunQuestion,
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<CachedResult | "miss"> {
    const hashed = await hashedKey(key);
    const followed = this.at(run).object.follow(runAt(run), hashed, caller, ttl_seconds, ms);
    const found = await within(ms + SHARED_MS, followed, "miss" as const);
    return found === "miss" ? found : (readEntry(found.entry)?.result ?? "miss");
  }

  /** Lost where the object does not take it: it is called for again, that is all. */
  async report(run: RunQuestion, made: readonly MadeResult[], isOver: boolean): Promise<void> {
    const { guard, object } = this.at(run);
    if (guard.isClosed) return;
    const messages = messagesOf(await wireOf(made));
    const last = messages.pop() ?? [];
    await Promise.all(messages.map((message) => ignoreFailure(object.report(runAt(run), message, false))));
    await ignoreFailure(object.report(runAt(run), last, isOver));
  }

  async last(run: RunQuestion, key: CacheKey): Promise<CachedResult | null> {
    const { family } = await hashedKey(key);
    const entry = readEntry(await this.guarded(run, (object) => object.last(runAt(run).place, family)));
    return entry !== null && isKept(entry, this.clock.now()) ? entry.result : null;
  }

  async forget(results: RunResults): Promise<void> {
    const { execution_id, question, families } = results;
    const at = this.clock.now();
    const hashed = await Promise.all(families.map(sha256Hex));
    await this.at(results).object.forget(placeOf(question, "", ""), execution_id, hashed, at);
  }

  private guarded<T>(
    run: RunQuestion,
    task: (object: ResultCacheRpc) => Promise<T>,
  ): Promise<T | typeof LOST> {
    const { guard, object } = this.at(run);
    return guard.ask(
      () => task(object),
      () => object.ping(),
    );
  }

  private at({ tenant, question, shards }: Pick<RunQuestion, "tenant" | "question" | "shards">): {
    guard: Guard;
    object: ResultCacheRpc;
  } {
    const shard = fnv1a(question.slice(0, PLACE_CHARS)) % shards;
    const name = `${tenant}/${shard}`;
    const object = this.namespace.get(this.idOf(name)) as unknown as ResultCacheRpc;
    return { guard: this.guards.of(name), object };
  }
}

/** The calls of a run as its cache object takes them. */
export async function sharedCalls(calls: readonly QuietCall[], now: number): Promise<SharedCall[]> {
  return Promise.all(
    calls.map(async ({ key, caller, ends_at }) => ({
      key: await hashedKey(key),
      caller,
      lease_ms: Math.max(0, ends_at - now),
    })),
  );
}

const places = new WeakMap<RunQuestion, RunAt>();

/** Hashed once for each run. */
function runAt(run: RunQuestion): RunAt {
  let at = places.get(run);
  if (at === undefined) {
    const { tenant, execution_id, shards, question, history, input, until } = run;
    at = { tenant, execution_id, shards, place: placeOf(question, history, input), until };
    places.set(run, at);
  }
  return at;
}

function wireOf(made: readonly MadeResult[]): Promise<Made[]> {
  return Promise.all(
    made.map(async ({ key, caller, result, ttl_seconds, at }) => {
      const by = caller.execution_id;
      const entry = result === null ? null : entryText({ by, result, at, ttl_seconds });
      return { key: await hashedKey(key), caller, entry, at };
    }),
  );
}

function messagesOf(made: readonly Made[]): Made[][] {
  const messages: Made[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const one of made) {
    chars += one.entry?.length ?? 0;
    if (chars > MESSAGE_CHARS) {
      messages.push([]);
      chars = one.entry?.length ?? 0;
    }
    messages.at(-1)?.push(one);
  }
  return messages;
}

/** A result that is not kept is called for again; that is all. */
async function ignoreFailure(task: Promise<void>): Promise<void> {
  await task.catch(() => {});
}
