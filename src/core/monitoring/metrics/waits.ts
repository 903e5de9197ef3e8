// The figures of questions to people: how many are open, and how long those that were answered or expired had been. A
// question is counted when its run has ended, as everything else is; one that was cancelled had no outcome. Its time is
// in no figure of stages, and in no duration of a run.
import { LIMITS } from "../../../contract/limits.ts";
import type { WaitMetrics } from "../../../contract/metrics.ts";
import { type ExecutionState, type StageState } from "../../execution/state.ts";
import { covered } from "../../execution/view/critical-path.ts";
import { admittedName } from "./names.ts";
import { addValue, emptySketch, mergeSketch, quantile, type Sketch } from "./sketch.ts";
import { addTally, emptyTally, mergeTally, type Tally } from "./tally.ts";

/** Upper bounds of the histogram's buckets in seconds: from a system that answers at once to a month. */
export const WAIT_BUCKETS_SECONDS: readonly number[] = [
  1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];

/** A question that was answered, or expired. */
export interface WaitReport {
  stage: string;
  expired: boolean;
  ms: number;
}

export interface WaitTotals {
  answered: number;
  expired: number;
  tally: Tally;
  durations: Sketch;
}

/** By stage. */
export type StageWaits = Map<string, WaitTotals>;

/** The open questions of a pipeline, and since when the oldest is open, ms since the epoch. */
interface OpenWaits {
  open: number;
  since: number;
}

/** The questions of a run that has ended. */
export function waitsOf({ spec, stages }: ExecutionState): WaitReport[] {
  return stages.flatMap(({ result: { stage, answered_by }, outside }, at) => {
    const [span] = outside;
    if (spec.stages[at]?.wait === undefined || span === undefined || answered_by === null) return [];
    return [{ stage, expired: answered_by === "timeout", ms: span[1] - span[0] }];
  });
}

/** Of a run's time, in ms, what its clock was stopped for while a question was open. */
export function waitedMs({ spec, stages, pausedSpans, started_at, ended_at }: ExecutionState): number {
  const asked = stages.flatMap(({ outside }, at) => (spec.stages[at]?.wait === undefined ? [] : outside));
  if (asked.length === 0 || pausedSpans.length === 0 || ended_at === null) return 0;
  const length = (spans: StageState["outside"]) => covered(spans, started_at, ended_at);
  return length(asked) + length(pausedSpans) - length([...asked, ...pausedSpans]);
}

export function addWaits(into: StageWaits, waits: readonly WaitReport[]): void {
  for (const { stage, expired, ms } of waits) {
    const totals = totalsOf(into, admittedName(into, stage, LIMITS.METRICS_STAGES));
    if (expired) totals.expired += 1;
    else totals.answered += 1;
    addTally(totals.tally, ms, WAIT_BUCKETS_SECONDS);
    addValue(totals.durations, ms);
  }
}

/** @param nameOf the name under which a stage's totals are added */
export function mergeStageWaits(
  into: StageWaits,
  other: ReadonlyMap<string, WaitTotals>,
  nameOf: (stage: string) => string,
): void {
  for (const [stage, { answered, expired, tally, durations }] of other) {
    const totals = totalsOf(into, nameOf(stage));
    totals.answered += answered;
    totals.expired += expired;
    mergeTally(totals.tally, tally);
    mergeSketch(totals.durations, durations);
  }
}

/** What several shards have open. */
export function mergeOpenWaits(parts: readonly ReadonlyMap<string, OpenWaits>[]): Map<string, OpenWaits> {
  const merged = new Map<string, OpenWaits>();
  for (const [pipeline, { open, since }] of parts.flatMap((part) => [...part])) {
    const known = merged.get(pipeline);
    merged.set(pipeline, {
      open: open + (known?.open ?? 0),
      since: Math.min(since, known?.since ?? Number.POSITIVE_INFINITY),
    });
  }
  return merged;
}

/** Since when the oldest open question is open, ms since the epoch; null where there is none. */
export function oldestOf(open: ReadonlyMap<string, OpenWaits>): number | null {
  const times = Array.from(open.values(), ({ since }) => since);
  return times.length === 0 ? null : Math.min(...times);
}

export function waitMetrics(
  counted: ReadonlyMap<string, WaitTotals>,
  open: ReadonlyMap<string, OpenWaits>,
): WaitMetrics {
  const all: StageWaits = new Map();
  mergeStageWaits(all, counted, () => "");
  const { answered, expired, durations } = totalsOf(all, "");
  return {
    open: Array.from(open.values()).reduce((sum, of) => sum + of.open, 0),
    expired,
    answered,
    p50_ms: quantile(durations, 0.5),
    p95_ms: quantile(durations, 0.95),
  };
}

function totalsOf(into: StageWaits, stage: string): WaitTotals {
  const known = into.get(stage);
  if (known !== undefined) return known;
  const fresh = { answered: 0, expired: 0, tally: emptyTally(), durations: emptySketch() };
  into.set(stage, fresh);
  return fresh;
}
