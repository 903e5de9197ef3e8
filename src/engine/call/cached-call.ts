// A stage's call through the result cache: a fresh result of the same input replaces the call, two executions that ask
// the same at once call once, and what is answered is kept. Never keeps a failure; never fails by the cache.
//
// A call that follows another execution's waits within its own try: after WAITED_SHARE of it the stage calls its agent
// anyway, and goes on waiting, since the other call may still answer first.
import type { ResolvedStage } from "../../contract/stage.ts";
import { cutText } from "../../contract/text.ts";
import { type CacheKey, cacheKey } from "../../core/caching/cache-key.ts";
import { type CachedResult, cachePolicy } from "../../core/caching/cached-result.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import { answerBytes, jsonBytes } from "../../core/json/weight.ts";
import type { AgentRequest, Clock, StageCache, StageHooks } from "../ports.ts";

/** The share of a try's time after which a follower calls its agent; the rest is the call's. */
const WAITED_SHARE = 0.5;

const REJECTED: CallOutcome = { ok: false, failure: { kind: "rejected" } };

/** Calls the agent. @param waited_ms how much of the try's time is used */
type AgentCaller = (hooks: StageHooks, waited_ms: number) => Promise<CallOutcome>;

/** One try of a stage whose results are kept. */
interface CachedTry {
  cache: StageCache;
  key: CacheKey;
  caller: FlightCaller;
  ttl_seconds: number;
  hooks: StageHooks;
  call: AgentCaller;
}

/** @param call the `seq` of the call's stage.started */
export async function throughCache(
  ports: { clock: Clock; shared?: { cache: StageCache } },
  state: ExecutionState,
  stage: ResolvedStage,
  request: AgentRequest,
  call: number,
  hooks: StageHooks,
  callAgent: AgentCaller,
): Promise<CallOutcome> {
  const policy = cachePolicy(stage, state.spec.config);
  const cache = ports.shared?.cache;
  if (cache === undefined || policy === null || request.registration === null) return callAgent(hooks, 0);
  const { ttl_seconds } = policy;
  const key = cacheKey(request.tenant, request.registration, request.call, stage.output_schema);
  const caller = { execution_id: request.call.execution_id, call };
  const attempt: CachedTry = { cache, key, caller, ttl_seconds, hooks, call: callAgent };
  if (!policy.serve || state.spec.bypass_cache === true) return callAndCache(attempt, 0);
  const began_at = ports.clock.now();
  // Its time may end with the run's.
  const { timeout_ms } = request.call;
  const found = await orAbort(cache.take(key, caller, ttl_seconds, timeout_ms), hooks.signal);
  if (found !== "miss" && found !== "busy" && found !== "aborted") return hit(found, hooks);
  if (hooks.signal.aborted) {
    void cache.release(key, caller);
    return REJECTED;
  }
  // A try after a failure follows no other call: identical runs would wait for each other's failures one after another.
  if (found === "busy" && request.call.attempt === 1) {
    return followed(ports.clock, attempt, { began_at, ends_at: began_at + timeout_ms });
  }
  const outcome = await callAndCache(attempt, 0);
  if (makesNone(outcome) && found === "miss") void cache.release(key, caller);
  return outcome;
}

/** A fallback: the last good result of the same stage, agent, config and query. */
export async function lastResult(
  cache: StageCache | undefined,
  request: AgentRequest,
  hooks: StageHooks,
): Promise<CallOutcome> {
  const none: CallOutcome = { ok: false, failure: { kind: "nothing_cached" } };
  if (cache === undefined) return none;
  // Another registration's result counts, too: the family does not name it.
  const key = cacheKey(request.tenant, request.registration, request.call);
  const last = await orAbort(cache.last(key), hooks.signal);
  return last === null || last === "aborted" ? none : hit(last, hooks);
}

async function callAndCache(
  { cache, key, caller, ttl_seconds, hooks, call }: CachedTry,
  waited_ms: number,
): Promise<CallOutcome> {
  let text = "";
  const outcome = await call(
    {
      ...hooks,
      delta: (piece, offset) => {
        text = (offset === undefined ? text : cutText(text, offset)) + piece;
        hooks.delta(piece, offset);
      },
    },
    waited_ms,
  );
  if (outcome.ok === true) {
    const { data, context, usage } = outcome.answer;
    const bytes = outcome.bytes - jsonBytes(usage);
    const result = { data, ...(context === undefined ? {} : { context }), bytes };
    void cache.put(key, caller, text === "" ? result : { ...result, text }, ttl_seconds);
  }
  return outcome;
}

/** When a try began and when its time is over, ms since the epoch. */
interface TryTime {
  began_at: number;
  ends_at: number;
}

/** The result of the call that leads, or of an own one: where that one gives none, or takes too much of the try. */
function followed(clock: Clock, attempt: CachedTry, { began_at, ends_at }: TryTime): Promise<CallOutcome> {
  const { cache, key, caller, ttl_seconds, hooks } = attempt;
  return new Promise((resolve) => {
    const own = new AbortController();
    let isFollowing = true;
    let isCalling = false;
    /** Output of the own call was passed on, and cannot be revoked. */
    let isHeard = false;
    let over = false;
    const end = (outcome: CallOutcome) => {
      if (over) return;
      over = true;
      stopWaiting();
      hooks.signal.removeEventListener("abort", aborted);
      resolve(outcome);
      // A result of its own ends the flight, and with it the following.
      if (isFollowing && makesNone(outcome)) void cache.release(key, caller);
    };
    const aborted = () => {
      end(REJECTED);
      own.abort();
    };
    const begin = () => {
      if (over || isCalling) return;
      isCalling = true;
      stopWaiting();
      const ownHooks = {
        ...hooks,
        signal: own.signal,
        delta: (text: string, offset?: number) => {
          isHeard = true;
          hooks.delta(text, offset);
        },
        progress: (progress: Parameters<StageHooks["progress"]>[0]) => {
          isHeard = true;
          hooks.progress(progress);
        },
      };
      // The rest is the call's, also where the store itself was slow.
      const waited_ms = Math.min(share_ms, clock.now() - began_at);
      void callAndCache({ ...attempt, hooks: ownHooks }, waited_ms).then(end);
    };
    const share_ms = (ends_at - began_at) * WAITED_SHARE;
    const stopWaiting = clock.after(Math.max(0, began_at + share_ms - clock.now()), begin);
    hooks.signal.addEventListener("abort", aborted);
    const left_ms = Math.max(0, ends_at - clock.now());
    void cache.follow(key, caller, ttl_seconds, left_ms).then((found) => {
      isFollowing = false;
      if (over || (isHeard && found !== "miss")) return;
      if (found === "miss") return begin();
      end(hit(found, hooks));
      own.abort();
    });
  });
}

/** True for a call that makes no result that others could wait for. */
function makesNone({ ok }: CallOutcome): boolean {
  return ok === false || ok === "asks" || ok === "overspent";
}

function hit({ data, context, text }: CachedResult, hooks: StageHooks): CallOutcome {
  if (text !== undefined) hooks.delta(text);
  // No usage: nothing was used.
  const answer = { data, ...(context === undefined ? {} : { context }) };
  // Weighed again: others can write to the store, and an entry's own word would lift the execution's limit.
  return { ok: true, answer, bytes: answerBytes(answer), cached: true };
}

/** The value, or `aborted` as soon as no caller waits for it. */
function orAbort<T>(value: Promise<T>, signal: AbortSignal): Promise<T | "aborted"> {
  if (signal.aborted) return Promise.resolve("aborted");
  return new Promise((resolve) => {
    const aborted = () => resolve("aborted");
    signal.addEventListener("abort", aborted);
    void value.then((known) => {
      signal.removeEventListener("abort", aborted);
      resolve(known);
    });
  });
}
