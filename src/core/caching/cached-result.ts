// A stage's result in the cache, and whether it may replace a call. What is read from a store that others can write
// is validated as strictly as input from outside: an entry that is not a valid result is a miss.
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { AgentStage, ResolvedStage } from "../../contract/stage.ts";
import { cacheFamily } from "./cache-key.ts";
import type { RunConfig } from "../execution/run-config.ts";
import type { ExecutionState } from "../execution/state.ts";
import { readJson } from "../json/json.ts";
import { EARLIER_SHARDS } from "../monitoring/shards.ts";
import { fallbackOf } from "../resilience/fallback.ts";

export interface CachedResult {
  data: JsonObject;
  /** The answer's additions to the execution's context. */
  context?: JsonObject;
  /** The agent's deltas while it answered. */
  text?: string;
  /** UTF-8 bytes of data and context; an earlier version counted UTF-16 units. */
  bytes: number;
}

export interface CachedEntry {
  /** The execution that made it; absent in entries of earlier versions. */
  by?: string;
  result: CachedResult;
  /** When it was stored, ms since the epoch. */
  at: number;
  ttl_seconds: number;
}

export interface CachePolicy {
  /** How long a result replaces the call. Without it results are kept only for the fallback. */
  serve: boolean;
  ttl_seconds: number;
}

/** A result is kept a day for the fallback, independent of its cache TTL. */
export const KEPT_SECONDS = 86_400;
/** Larger entries, in UTF-16 units, are not kept: a store's requests and rows are bounded. */
const ENTRY_CHARS = 512 * 1024;
/** An entry wraps an answer, which may itself be as deep as any JSON that comes in. */
const ENTRY_DEPTH = LIMITS.JSON_DEPTH + 2;

/** Whether results of a stage are kept, and for what; null where they are not. */
export function cachePolicy(stage: ResolvedStage, config: RunConfig): CachePolicy | null {
  // Another run would wait for a result that comes in a month.
  if (stage.wait !== undefined || stage.callback_timeout_seconds !== undefined) return null;
  const serve = config.enable_caching && stage.cache !== false;
  if (!serve && fallbackOf(stage, config)?.strategy !== "use_cached_results") return null;
  const ttl_seconds = typeof stage.cache === "object" ? stage.cache.ttl_seconds : config.cache_ttl_seconds;
  return { serve, ttl_seconds };
}

/** The entry as text; null where it is too large to be kept. A store finds by its first characters who made it. */
export function entryText({ by, ...entry }: CachedEntry): string | null {
  const text = JSON.stringify(by === undefined ? entry : { by, ...entry });
  return text.length <= ENTRY_CHARS ? text : null;
}

/** The prefix of every entry's text that this execution has made. Its id needs no escape in JSON. */
export function madeBy(execution_id: string): string {
  return `{"by":"${execution_id}",`;
}

/** The cache keys of an execution's results. */
export interface RunResults {
  tenant: string;
  execution_id: string;
  /** How many the tenant's results lay in when it started. */
  shards: number;
  /** As in the run's cache keys. */
  question: string;
  families: string[];
}

/** Where results of an execution that has ended may be kept; null where none can be. */
export function resultsOf({ spec, stages, ended_at }: ExecutionState, now: number): RunResults | null {
  const { tenant, execution_id, query } = spec;
  const shards = spec.cache_shards ?? EARLIER_SHARDS;
  if (ended_at !== null && now >= ended_at + KEPT_SECONDS * 1_000) return null;
  const families = spec.stages
    .filter((stage, at) => stages[at]?.result.start_time !== null && cachePolicy(stage, spec.config) !== null)
    .flatMap((stage) => {
      const family = (of?: { item: unknown; index: number }) =>
        cacheFamily(tenant, stage.name, stage as AgentStage, query, of);
      if (stage.map === undefined) return [family()];
      const values = stages.find(({ result }) => result.stage === stage.name)?.values ?? [];
      return [...new Set(values.map((item, index) => family({ item, index })))];
    });
  return families.length === 0 ? null : { tenant, execution_id, shards, question: query, families };
}

/** The entry that a text holds; null where it holds none. */
export function readEntry(text: unknown): CachedEntry | null {
  if (typeof text !== "string") return null;
  const json = readJson(text, ENTRY_DEPTH);
  if (!json.ok || !isObject(json.value)) return null;
  const { by, result, at, ttl_seconds } = json.value;
  if (!isObject(result) || typeof at !== "number" || typeof ttl_seconds !== "number") return null;
  const { data, context, text: streamed, bytes } = result;
  const isValid =
    isObject(data) &&
    typeof bytes === "number" &&
    (context === undefined || isObject(context)) &&
    (streamed === undefined || typeof streamed === "string");
  if (!isValid) return null;
  const entry = { result: result as unknown as CachedResult, at, ttl_seconds };
  return typeof by === "string" ? { by, ...entry } : entry;
}

/** Whether an entry may replace a call; both the writer's and the reader's TTL apply. */
export function isFresh(entry: CachedEntry, ttl_seconds: number, now: number): boolean {
  return now < entry.at + Math.min(entry.ttl_seconds, ttl_seconds) * 1_000;
}

export function isKept(entry: CachedEntry, now: number): boolean {
  return now < entry.at + KEPT_SECONDS * 1_000;
}

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
