// A stage's call behind the result cache: a fresh result of the same input stands for it, two executions that ask the
// same at once call once, and what is answered is kept. Never keeps a failure; never fails by the cache.
import type { ResolvedStage } from "../contract/stage.ts";
import { type CacheKey, cacheKey } from "../core/cache-key.ts";
import { type CachedResult, cachePolicy } from "../core/cached-result.ts";
import type { CallOutcome } from "../core/execution/command.ts";
import type { ExecutionState } from "../core/execution/state.ts";
import { answerBytes, jsonBytes } from "../core/weight.ts";
import type { AgentRequest, ResultCache } from "./ports.ts";
import type { StageHooks } from "./run-stage.ts";

/** Whoever waits for another execution's call keeps this share of its own time, to call after all. */
const WAITED_SHARE = 0.5;

export async function throughCache(
  cache: ResultCache | undefined,
  state: ExecutionState,
  stage: ResolvedStage,
  request: AgentRequest,
  hooks: StageHooks,
  call: (hooks: StageHooks) => Promise<CallOutcome>,
): Promise<CallOutcome> {
  const policy = cachePolicy(stage, state.spec.config);
  if (cache === undefined || policy === null || request.registration === null) return call(hooks);
  const key = cacheKey(request.tenant, request.registration, request.call);
  const owner = request.call.execution_id;
  if (policy.serve) {
    const found = await orAbort(find(cache, key, request, policy.ttl_seconds), hooks.signal);
    if (found !== "miss" && found !== "aborted") return hit(found, hooks);
    if (hooks.signal.aborted) {
      void cache.release(key, owner);
      return { ok: false, failure: { kind: "rejected" } };
    }
  }
  let text = "";
  const outcome = await call({
    ...hooks,
    delta: (piece) => {
      text += piece;
      hooks.delta(piece);
    },
  });
  if (outcome.ok) {
    const { data, context, usage } = outcome.answer;
    const bytes = outcome.bytes - jsonBytes(usage);
    const result = { data, ...(context === undefined ? {} : { context }), bytes };
    void cache.put(key, owner, text === "" ? result : { ...result, text }, policy.ttl_seconds);
  } else if (policy.serve) {
    void cache.release(key, owner);
  }
  return outcome;
}

/** A fallback: the last good result of the same stage, agent, config and query. */
export async function lastResult(
  cache: ResultCache | undefined,
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

async function find(
  cache: ResultCache,
  key: CacheKey,
  { call }: AgentRequest,
  ttl_seconds: number,
): Promise<CachedResult | "miss"> {
  const found = await cache.take(key, call.execution_id, ttl_seconds, call.timeout_ms);
  if (found !== "busy") return found;
  return cache.wait(key, call.execution_id, call.timeout_ms, call.timeout_ms * WAITED_SHARE);
}

function hit({ data, context, text }: CachedResult, hooks: StageHooks): CallOutcome {
  if (text !== undefined) hooks.delta(text);
  // No usage: nothing was used.
  const answer = { data, ...(context === undefined ? {} : { context }) };
  // Weighed anew: others can write to the store, and an entry's own word would lift the execution's limit.
  return { ok: true, answer, bytes: answerBytes(answer), cached: true };
}

/** The value, or `aborted` as soon as nobody waits for it any more. */
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
