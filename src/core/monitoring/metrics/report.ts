// The metrics report of an ended execution: a view of its state, made outside the run's critical path. Beside durations
// and outcomes it has the run's shape, from which a changed run can be simulated.
import type { ResolvedStage, StageStatus } from "../../../contract/stage.ts";
import type { AgentLimits } from "../../../contract/agent.ts";
import type { CriticalPathLink } from "../../../contract/execution.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { hash64 } from "../../hash.ts";
import { timeOf } from "../../time.ts";
import { specOf } from "../../execution/schedule.ts";
import {
  covered,
  criticalPathOf,
  placeWait,
  type PlaceWait,
  shareOf,
  wasBegun,
} from "../../execution/view/critical-path.ts";
import { type ExecutionState, isTerminal, type StageState } from "../../execution/state.ts";

import { type Used, usedOf } from "./costs/spending.ts";
import { hasAsked } from "../../execution/view/waits.ts";
import { waitedMs, type WaitReport, waitsOf } from "./waits.ts";

export type RunEnd = "completed" | "failed" | "cancelled";

export interface RunReport {
  pipeline: string;
  /** A stage run on its own, under whose name it is counted as a pipeline. */
  single?: true;
  status: RunEnd;
  /** Pauses included; without the time in which it waited for an answer to a question and nothing else went on. */
  duration_ms: number;
  /** UTF-8 bytes of its stages' data and its context. */
  context_bytes: number;
  stages: StageReport[];
  /** Questions that were answered or expired, of which none is a stage that executed; absent where there are none. */
  waits?: WaitReport[];
  /** Its tags, as `key=value`; absent where it has none, or used nothing. */
  tags?: string[];
  /** Of its time, what `duration_ms` leaves out; absent where that is nothing. */
  waited_ms?: number;
  /** Null if the run is no sample: it was paused, asked a question, interrupted by a crash, or did not complete. */
  shape: RunShape | null;
}

/** A stage that was begun; one that was skipped did not execute. */
interface StageReport {
  stage: string;
  status: RunEnd;
  duration_ms: number;
  /** Of its duration, what is on the run's critical path, pauses excluded; 0 where performance is not monitored. */
  path_ms: number;
  retries: number;
  cached: boolean;
  /** Absent where it has used nothing, or runs a pipeline, whose executions are counted themselves (I20). */
  used?: Used;
}

export interface RunShape {
  started_at: number;
  max_concurrent_stages: number;
  /** How long a result would have been worth keeping. */
  cache_ttl_ms: number;
  /** In definition order. */
  stages: StageShape[];
  /** What stages cost, in dollars, those included that run a pipeline; absent where the cost of any is not known. */
  costs?: Record<string, number>;
}

export interface StageShape {
  stage: string;
  depends_on: string[];
  parallel: boolean;
  timeout_ms: number;
  /** How long each try took; of a stage that maps or repeats one number, the time of all items or iterations. */
  tries_ms: number[];
  /** Delays sat out between tries; of a stage that maps, while no item was called. */
  waits_ms: number;
  /** Of a stage that maps. */
  map?: MapShape;
  /** Of a stage that repeats: how many there were. */
  iterations?: number;
  cached: boolean;
  /** Equal where the agent was asked the same. */
  asked: string;
  /** Where it waited for a place. Shapes that earlier versions recorded lack it. */
  place_wait?: PlaceWait;
  /** Where it waited for its agent before calls. */
  queue?: AgentQueue;
}

export interface AgentQueue {
  agent: string;
  /** Of a stage that maps: while no item was called. */
  ms: number;
  /** By what was waited for, of all its items. */
  reasons: StageState["queue_reasons"];
  /** What its registration says. */
  limits?: AgentLimits;
}

/** What it takes to see its items under another concurrency. */
export interface MapShape {
  concurrency: number;
  /** How many items there were. */
  items: number;
  /** How long they took, each with its delays, in order: all of them, or evenly spaced ones of many. */
  items_ms: number[];
}

/** The report of an execution that has ended, or null where its config wants none or it has not. */
export function runReport(state: ExecutionState): RunReport | null {
  const { spec, status, ended_at } = state;
  if (!isTerminal(status) || ended_at === null || !spec.config.enable_metrics_collection) return null;
  const monitored = spec.config.enable_performance_monitoring;
  const path = monitored ? criticalPathOf(state) : [];
  const waits = waitsOf(state);
  const waited_ms = waitedMs(state);
  const stages = state.stages.filter((stage) => hasRun(stage) && !asks(state, stage));
  const tags = Object.entries(spec.tags ?? {}).map(([key, value]) => `${key}=${value}`);
  const hasUsed = tags.length > 0 && stages.some((stage) => usedBy(state, stage) !== null);
  return {
    pipeline: spec.pipeline,
    ...(spec.pipeline_version === 0 ? { single: true as const } : {}),
    status: status as RunEnd,
    duration_ms: ended_at - state.started_at - waited_ms,
    context_bytes: state.context_bytes,
    stages: stages.map((stage) => {
      const { result } = stage;
      const used = usedBy(state, stage);
      return {
        stage: result.stage,
        status: result.status as RunEnd,
        duration_ms: result.duration_ms ?? 0,
        path_ms: shareOf(path, result.stage) + agentWaitOf(path, result.stage),
        retries: Math.max(0, result.attempts - 1),
        cached: result.cached,
        ...(used === null ? {} : { used }),
      };
    }),
    ...(hasUsed ? { tags } : {}),
    ...(waits.length === 0 ? {} : { waits }),
    ...(waited_ms === 0 ? {} : { waited_ms }),
    shape: monitored && status === "completed" ? shapeOf(state) : null,
  };
}

const ENDS: ReadonlySet<StageStatus> = new Set(["completed", "failed", "cancelled"]);

function hasRun(stage: StageState): boolean {
  return wasBegun(stage) && ENDS.has(stage.result.status) && !isTakenOver(stage);
}

/** A fork's stage that completed without a call: it is counted where it was called. */
function isTakenOver({ result, call, began_seq, ended_seq }: StageState): boolean {
  return (
    result.reused_from !== null || (call === 0 && result.status === "completed" && began_seq === ended_seq)
  );
}

function usedBy(state: ExecutionState, { result }: StageState): Used | null {
  return specOf(state, result.stage).pipeline === undefined ? usedOf(result.usage) : null;
}

/** What a stage has of the path while it waited for its agent. */
function agentWaitOf(path: readonly CriticalPathLink[], name: string): number {
  return total(path.flatMap(({ kind, stage, ms }) => (kind === "agent_wait" && stage === name ? [ms] : [])));
}

function asks(state: ExecutionState, { result }: StageState): boolean {
  return specOf(state, result.stage).wait !== undefined;
}

function shapeOf(state: ExecutionState): RunShape | null {
  if (state.spec.forked_from !== undefined) return null;
  if (state.pausedSpans.length > 0 || state.recoveries > 0 || hasAsked(state)) return null;
  const { config, stages } = state.spec;
  const fingerprints = new Map(state.stages.map(({ result }) => [result.stage, fingerprint(result.data)]));
  const { query, inputs, context, history } = state.spec;
  const all = fingerprint([query, inputs, context, history]);
  const mapping = stages.filter(({ map }) => map !== undefined).length;
  return {
    started_at: state.started_at,
    max_concurrent_stages: config.max_concurrent_stages,
    cache_ttl_ms: config.cache_ttl_seconds * 1_000,
    ...costsOf(state),
    stages: state.stages.map((stage) => {
      const spec = specOf(state, stage.result.stage);
      const { name, depends_on, parallel, timeout_seconds } = spec;
      const place_wait = placeWait(state, stage);
      return {
        stage: name,
        depends_on: depends_on.filter((other) => stages.some((known) => known.name === other)),
        parallel: parallel && config.enable_parallel_execution,
        timeout_ms: (timeout_seconds ?? 0) * 1_000,
        ...timesOf(stage, spec),
        cached: stage.result.cached,
        asked: hasRun(stage) ? asked(state, name, fingerprints, all) : "",
        ...repetitions(stage, spec, Math.floor(SHAPE_ITEMS / mapping)),
        ...(place_wait === null ? {} : { place_wait }),
        ...queueOf(state, stage, spec),
      };
    }),
  };
}

function costsOf({ stages }: ExecutionState): Pick<RunShape, "costs"> {
  const used = stages.flatMap(({ result }) => {
    const of = usedOf(result.usage);
    return of === null ? [] : [[result.stage, of] as const];
  });
  const isKnown = used.every(
    ([, { cost_usd, unpriced_tokens }]) => cost_usd !== null && unpriced_tokens === 0,
  );
  if (used.length === 0 || !isKnown) return {};
  return { costs: Object.fromEntries(used.map(([stage, { cost_usd }]) => [stage, cost_usd ?? 0])) };
}

function queueOf(
  { spec: { agents } }: ExecutionState,
  { queued, queue_reasons: reasons, calls, waits, result }: StageState,
  { agent_type: agent }: ResolvedStage,
): Pick<StageShape, "queue"> {
  if (agent === undefined || queued.length === 0) return {};
  const end = timeOf(result.end_time ?? "");
  const ms = covered([...calls, ...waits, ...queued], 0, end) - covered([...calls, ...waits], 0, end);
  const limits = agents[agent]?.limits;
  return { queue: { agent, ms, reasons, ...(limits === undefined ? {} : { limits }) } };
}

/** Items are called at a time: of a stage that maps, the time in which any of them was. */
function timesOf(
  { calls, waits, result }: StageState,
  { map, repeat }: ResolvedStage,
): Pick<StageShape, "tries_ms" | "waits_ms"> {
  if (map === undefined) {
    const tries = calls.map(([from, to]) => to - from);
    // Each iteration has tries of its own, of which the last one is no better than the first.
    return { tries_ms: repeat === undefined ? tries : [total(tries)], waits_ms: total(waits.map(lengthOf)) };
  }
  const end = result.end_time === null ? 0 : timeOf(result.end_time);
  const called = covered(calls, 0, end);
  return { tries_ms: [called], waits_ms: covered([...calls, ...waits], 0, end) - called };
}

function lengthOf([from, to]: readonly [number, number]): number {
  return to - from;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Items of one run whose times are kept, of all its stages together: the last runs of a shard are one stored value. */
const SHAPE_ITEMS = 200;

/** @param most how many items' times are kept */
function repetitions(
  { items_ms, result }: StageState,
  { map, repeat }: ResolvedStage,
  most: number,
): Pick<StageShape, "map" | "iterations"> {
  const items = items_ms.length;
  const kept = Math.min(items, most);
  const spaced = (at: number) => items_ms[Math.floor((at * items) / kept)] ?? 0;
  return {
    ...(map === undefined || items === 0
      ? {}
      : {
          map: {
            concurrency: map.concurrency,
            items,
            items_ms: Array.from({ length: kept }, (_, at) => Math.round(spaced(at))),
          },
        }),
    ...(repeat === undefined || result.iterations === undefined ? {} : { iterations: result.iterations }),
  };
}

/** How much of a value its fingerprint covers: hashing a megabyte for a metric would cost too much. */
const FINGERPRINT_CHARS = 16_384;

/**
 * What a stage was asked: what the result cache goes by, without what differs in every run.
 * @param all of what every stage of the run is handed
 */
function asked(
  state: ExecutionState,
  name: string,
  fingerprints: ReadonlyMap<string, string>,
  all: string,
): string {
  const { agent_type, config, depends_on } = specOf(state, name);
  return fingerprint([name, agent_type, config, depends_on.map((other) => fingerprints.get(other)), all]);
}

function fingerprint(value: JsonObject | null | readonly unknown[]): string {
  const text = JSON.stringify(value);
  const part = text.length <= FINGERPRINT_CHARS ? text : `${text.length} ${text.slice(0, FINGERPRINT_CHARS)}`;
  return hash64(part);
}
