// The totals as metric families, once for every exporter: counters, gauges and histograms with their points. Labels
// are pipelines, stages, statuses and models; never an id, so that the number of series is that of what is defined.
import { BUCKETS_SECONDS, type MetricTotals } from "./run-metrics.ts";
import type { Tally } from "./tally.ts";
import { type mergeOpenWaits, WAIT_BUCKETS_SECONDS } from "./waits.ts";

export type Labels = readonly (readonly [name: string, value: string])[];

interface NumberPoint {
  labels: Labels;
  value: number;
}

interface HistogramPoint {
  labels: Labels;
  tally: Tally;
}

interface Described {
  /** Without `_total`, which belongs to a counter's sample. */
  name: string;
  help: string;
}

export type Family = Described &
  (
    | { type: "counter" | "gauge"; points: NumberPoint[] }
    | {
        type: "histogram";
        unit: "seconds";
        /** Upper bounds of the buckets, in seconds; the last bucket has none. */
        bounds: readonly number[];
        points: HistogramPoint[];
      }
  );

/**
 * @param open executions that have begun, have not ended and do not wait
 * @param waits open questions by pipeline
 */
export function familiesOf(
  byPipeline: ReadonlyMap<string, MetricTotals>,
  open: number,
  waits: ReturnType<typeof mergeOpenWaits> = new Map(),
): Family[] {
  const pipelines = [...byPipeline];
  const stages = pipelines.flatMap(([pipeline, totals]) =>
    Array.from(totals.stages, ([stage, of]) => ({
      of,
      labels: [label("pipeline", pipeline), label("stage", stage)],
    })),
  );
  const spent = stages.flatMap(({ of, labels }) =>
    Array.from(of.spent?.models ?? [], ([model, used]) => ({
      of: used,
      labels: [...labels, label("model", model)],
    })),
  );
  const asked = pipelines.flatMap(([pipeline, totals]) =>
    Array.from(totals.waits ?? [], ([stage, of]) => ({
      of,
      labels: [label("pipeline", pipeline), label("stage", stage)],
    })),
  );
  const ended = pipelines.reduce((sum, [, { runs }]) => sum + runs.count, 0);
  const completed = pipelines.reduce((sum, [, { by }]) => sum + (by.get("completed") ?? 0), 0);
  return [
    {
      name: "pipeline_executions",
      type: "counter",
      help: "Executions that have ended.",
      points: pipelines.flatMap(([pipeline, { by }]) =>
        Array.from(by, ([status, value]) => ({
          labels: [label("pipeline", pipeline), label("status", status)],
          value,
        })),
      ),
    },
    {
      name: "pipeline_duration_seconds",
      type: "histogram",
      unit: "seconds",
      bounds: BUCKETS_SECONDS,
      help: "From an execution's start to its end, pauses included, waits for answers not.",
      points: pipelines.map(([pipeline, { runs }]) => ({
        labels: [label("pipeline", pipeline)],
        tally: runs,
      })),
    },
    {
      name: "pipeline_success_rate",
      type: "gauge",
      help: "Share of ended executions that completed; 1 if none has ended.",
      points: [{ labels: [], value: ended === 0 ? 1 : completed / ended }],
    },
    {
      name: "pipeline_stage_duration_seconds",
      type: "histogram",
      unit: "seconds",
      bounds: BUCKETS_SECONDS,
      help: "From a stage's start to its end, retries included.",
      points: stages.flatMap(({ of, labels }) =>
        Array.from(of.by, ([status, tally]) => ({ labels: [...labels, label("status", status)], tally })),
      ),
    },
    {
      name: "pipeline_stage_retries",
      type: "counter",
      help: "Retries of stages.",
      points: stages.map(({ of, labels }) => ({ labels, value: of.retries })),
    },
    {
      name: "pipeline_cost_usd",
      type: "counter",
      help: "Cost of stages as far as it is known, in US dollars.",
      points: spent
        .filter(({ of }) => of.priced > 0)
        .map(({ of, labels }) => ({ labels, value: of.cost_usd })),
    },
    {
      name: "pipeline_unpriced_tokens",
      type: "counter",
      help: "Tokens of models without a price.",
      points: spent
        .filter(({ of }) => of.unpriced_tokens > 0)
        .map(({ of, labels }) => ({ labels, value: of.unpriced_tokens })),
    },
    {
      name: "pipeline_executions_in_progress",
      type: "gauge",
      help: "Executions in progress, those that wait for the outside not included.",
      points: [{ labels: [], value: open }],
    },
    {
      name: "pipeline_waits_open",
      type: "gauge",
      help: "Open questions.",
      // A pipeline whose last question was answered has none, which a scraper is to see.
      points: [...new Set([...pipelines.flatMap(hasWaits), ...waits.keys()])].map((pipeline) => ({
        labels: [label("pipeline", pipeline)],
        value: waits.get(pipeline)?.open ?? 0,
      })),
    },
    {
      name: "pipeline_wait_duration_seconds",
      type: "histogram",
      unit: "seconds",
      bounds: WAIT_BUCKETS_SECONDS,
      help: "From a question to its answer or its expiry.",
      points: asked.map(({ of, labels }) => ({ labels, tally: of.tally })),
    },
    {
      name: "pipeline_waits_expired",
      type: "counter",
      help: "Questions that had no answer in time.",
      points: asked.map(({ of, labels }) => ({ labels, value: of.expired })),
    },
  ];
}

function hasWaits([pipeline, { waits }]: [string, MetricTotals]): string[] {
  return waits === undefined ? [] : [pipeline];
}

function label(name: string, value: string): readonly [string, string] {
  return [name, value];
}
