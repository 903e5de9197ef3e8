// The totals as metric families, once for every exporter: counters, gauges and histograms with their points. Labels
// are pipelines, stages and statuses; never an id, so that the number of series is that of what is defined.
import type { MetricTotals, Tally } from "./run-metrics.ts";

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
    | { type: "histogram"; unit: "seconds"; points: HistogramPoint[] }
  );

/** @param open executions that have begun and not ended */
export function familiesOf(byPipeline: ReadonlyMap<string, MetricTotals>, open: number): Family[] {
  const pipelines = [...byPipeline];
  const stages = pipelines.flatMap(([pipeline, totals]) =>
    Array.from(totals.stages, ([stage, of]) => ({
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
      help: "From an execution's start to its end, pauses included.",
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
      name: "pipeline_executions_in_progress",
      type: "gauge",
      help: "Executions in progress.",
      points: [{ labels: [], value: open }],
    },
  ];
}

function label(name: string, value: string): readonly [string, string] {
  return [name, value];
}
