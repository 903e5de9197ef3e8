// A run's question, as the result cache knows the run by it. The results of one question lie together, and in order of
// what else the run was given at its start: its history, then its context and inputs. A run that was given the same
// finds with one look all that its stages can be answered with; their cache keys alone distinguish those.
import { fnv1a } from "../hash.ts";
import { canonicalJson } from "../json/json.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import { EARLIER_SHARDS } from "../monitoring/shards.ts";
import { canonicalOfRun } from "./cache-key.ts";
import { cachePolicy } from "./cached-result.ts";

export interface RunQuestion {
  tenant: string;
  execution_id: string;
  /** How many the tenant's results lie in. */
  shards: number;
  /** As in the run's cache keys. */
  question: string;
  /** Canonical JSON, as are context and inputs. */
  history: string;
  input: string;
  /** When the run has ended at the latest, ms since the epoch. */
  until: number;
  /** No older result replaces a call of this run. */
  ttl_seconds: number;
}

export function runQuestion(spec: RunSpec, until: number): RunQuestion {
  const { tenant, execution_id, query, history, context, inputs, cache_shards } = spec;
  return {
    tenant,
    execution_id,
    shards: cache_shards ?? EARLIER_SHARDS,
    question: query,
    history: canonicalOfRun(history),
    input: canonicalJson([context, inputs]),
    until,
    ttl_seconds: Math.max(0, ...servedTtls(spec)),
  };
}

/** Whether a stage of the run can be answered by the cache. */
export function asksCache(spec: RunSpec): boolean {
  return servedTtls(spec).length > 0;
}

function servedTtls({ stages, config, agents, bypass_cache }: RunSpec): number[] {
  if (bypass_cache === true) return [];
  return stages.flatMap((stage) => {
    const policy = cachePolicy(stage, config);
    const isAnswered = policy?.serve === true && (agents[stage.agent_type ?? ""] ?? null) !== null;
    return isAnswered ? [policy.ttl_seconds] : [];
  });
}

/** Rows of one question and start. */
const ROWS = 2 ** 8;
const INPUTS = 2 ** 9;
const HISTORIES = 2 ** 10;

/**
 * The place of a run's results: the first of the numbers that their rows have. It has 26 bits of the question, then 10
 * of the history and 9 of the input: others may have the same, so a row proves nothing by its number.
 */
export function placeOf(question: string, history: string, input: string): number {
  // The lowest bits choose the shard, those above it at most two bits more.
  const asked = fnv1a(question) >>> 6;
  return ((asked * HISTORIES + (fnv1a(history) >>> 22)) * INPUTS + (fnv1a(input) >>> 23)) * ROWS;
}

/** The first and the last number. */
export type Range = readonly [first: number, last: number];

/** The numbers of results around a place. */
export function rangesOf(place: number): {
  /** The same question, history, context and inputs. */
  start: Range;
  /** The same question and history. */
  history: Range;
  /** The same question. */
  question: Range;
} {
  const around = (size: number): Range => {
    const first = Math.floor(place / size) * size;
    return [first, first + size - 1];
  };
  return {
    start: around(ROWS),
    history: around(ROWS * INPUTS),
    question: around(ROWS * INPUTS * HISTORIES),
  };
}
