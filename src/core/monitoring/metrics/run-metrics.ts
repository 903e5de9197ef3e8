// Metric totals: the sums of many runs of one pipeline, added up by the minute and merged over minutes, shards and
// pipelines in any order. Added to in place; plain values and Maps, so that they can be stored and sent as they are.
import { LIMITS } from "../../../contract/limits.ts";
import { admittedName, OTHER } from "./names.ts";
import type { RunEnd, RunReport } from "./report.ts";
import { addTags, addUsed, mergeSpent, type Spent, type StageSpent, sumOf } from "./costs/spending.ts";
import { addValue, emptySketch, mergeSketch, type Sketch } from "./sketch.ts";
import { addTally, emptyTally, mergeTally, type Tally } from "./tally.ts";
import { addWaits, mergeStageWaits, type StageWaits } from "./waits.ts";

/** Upper bounds of the histograms' buckets in seconds; the last bucket has none. From a cache hit to a long pipeline. */
export const BUCKETS_SECONDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

export interface StageTotals {
  by: Map<RunEnd, Tally>;
  durations: Sketch;
  path_ms: number;
  retries: number;
  cache_hits: number;
  /** Absent where nothing was used, and in totals of earlier versions. */
  spent?: StageSpent;
}

export interface MetricTotals {
  /** Of runs of a stage on its own, and of no other. */
  single?: true;
  by: Map<RunEnd, number>;
  runs: Tally;
  durations: Sketch;
  /** The largest context. */
  context_bytes: number;
  stages: Map<string, StageTotals>;
  /** Of questions, by stage; absent where none was counted. */
  waits?: StageWaits;
  /** What runs cost, by their tags; absent where there is nothing. */
  tags?: Map<string, number>;
}

export function emptyTotals(): MetricTotals {
  return {
    by: new Map(),
    runs: emptyTally(),
    durations: emptySketch(),
    context_bytes: 0,
    stages: new Map(),
  };
}

/** Counts a run of one pipeline. */
export function addReport(into: MetricTotals, report: Omit<RunReport, "shape">): void {
  noteKind(into, report.single === true);
  into.by.set(report.status, (into.by.get(report.status) ?? 0) + 1);
  addTally(into.runs, report.duration_ms, BUCKETS_SECONDS);
  addValue(into.durations, report.duration_ms);
  into.context_bytes = Math.max(into.context_bytes, report.context_bytes);
  for (const stage of report.stages) {
    const totals = stageTotals(into, admittedName(into.stages, stage.stage, LIMITS.METRICS_STAGES));
    addTally(tallyOf(totals.by, stage.status), stage.duration_ms, BUCKETS_SECONDS);
    addValue(totals.durations, stage.duration_ms);
    totals.path_ms += stage.path_ms;
    totals.retries += stage.retries;
    totals.cache_hits += stage.cached ? 1 : 0;
    if (stage.used !== undefined) addUsed(into.stages, totals, stage.used);
  }
  const usd = report.tags === undefined ? null : costOfRun(report);
  if (usd !== null)
    addTags(
      (into.tags ??= new Map()),
      (report.tags ?? []).map((tag) => [tag, usd] as const),
    );
  if (report.waits !== undefined) addWaits((into.waits ??= new Map()), report.waits);
}

/** Adds the totals of other runs. @param nameOf the name under which a stage's totals are added */
export function mergeTotals(
  into: MetricTotals,
  other: MetricTotals,
  nameOf: (stage: string) => string = (stage) => stage,
): void {
  noteKind(into, other.single === true);
  for (const [status, count] of other.by) into.by.set(status, (into.by.get(status) ?? 0) + count);
  mergeTally(into.runs, other.runs);
  mergeSketch(into.durations, other.durations);
  into.context_bytes = Math.max(into.context_bytes, other.context_bytes);
  for (const [name, stage] of other.stages) {
    const totals = stageTotals(into, nameOf(name));
    for (const [status, tally] of stage.by) mergeTally(tallyOf(totals.by, status), tally);
    mergeSketch(totals.durations, stage.durations);
    totals.path_ms += stage.path_ms;
    totals.retries += stage.retries;
    totals.cache_hits += stage.cache_hits;
    mergeSpent(into.stages, totals, stage.spent);
  }
  if (other.tags !== undefined) addTags((into.tags ??= new Map()), other.tags);
  if (other.waits !== undefined) mergeStageWaits((into.waits ??= new Map()), other.waits, nameOf);
}

/** Adds further totals of a pipeline to its present ones. */
export function mergeByName(into: Map<string, MetricTotals>, name: string, other: MetricTotals): void {
  const known = into.get(name) ?? emptyTotals();
  const nameOf = (stage: string) => admittedName(known.stages, stage, LIMITS.METRICS_STAGES);
  mergeTotals(known, other, nameOf);
  into.set(name, known);
}

/** What stages of these totals have used. */
export function spentIn(stages: Iterable<StageTotals>): Spent {
  return sumOf(Array.from(stages).flatMap(({ spent }) => [...(spent?.models.values() ?? [])]));
}

/** What is known of a run's cost; null where nothing is. */
function costOfRun({ stages }: Pick<RunReport, "stages">): number | null {
  const costs = stages.flatMap(({ used }) => used?.cost_usd ?? []);
  return costs.length === 0 ? null : costs.reduce((sum, usd) => sum + usd, 0);
}

/** The report of a run whose pipeline has no metrics of its own: nor have its stages. */
export function asOther<R extends Pick<RunReport, "pipeline" | "single" | "stages" | "waits">>(report: R): R {
  const { single: _, ...rest } = report;
  const stages = report.stages.map((stage) => ({ ...stage, stage: OTHER }));
  const waits = report.waits?.map((wait) => ({ ...wait, stage: OTHER }));
  return { ...rest, pipeline: OTHER, stages, ...(waits === undefined ? {} : { waits }) } as R;
}

/** To be called before anything is added. */
function noteKind(into: MetricTotals, single: boolean): void {
  if (single && (into.runs.count === 0 || into.single === true)) into.single = true;
  else delete into.single;
}

function stageTotals(totals: MetricTotals, name: string): StageTotals {
  const known = totals.stages.get(name);
  if (known !== undefined) return known;
  const fresh = { by: new Map(), durations: emptySketch(), path_ms: 0, retries: 0, cache_hits: 0 };
  totals.stages.set(name, fresh);
  return fresh;
}

function tallyOf(by: Map<RunEnd, Tally>, status: RunEnd): Tally {
  const tally = by.get(status) ?? emptyTally();
  by.set(status, tally);
  return tally;
}
