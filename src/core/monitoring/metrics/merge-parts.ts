// Merges the metrics that the shards of a tenant's index count separately; names.ts chooses the names that are kept.
import { LIMITS } from "../../../contract/limits.ts";
import { emptyTotals, type MetricTotals, mergeTotals } from "./run-metrics.ts";
import { keptNames, OTHER } from "./names.ts";

/** The metrics of several shards by pipeline, merged, in the order of admission. */
export function mergeParts(parts: readonly ReadonlyMap<string, MetricTotals>[]): Map<string, MetricTotals> {
  const kept = keptPipelines(parts);
  const merged = new Map<string, MetricTotals>();
  const stages = new Map<string, ReadonlySet<string>>();
  for (const part of parts) {
    for (const [pipeline, totals] of part) {
      const isKept = kept.has(pipeline) || pipeline === OTHER;
      const name = isKept ? pipeline : OTHER;
      const known = merged.get(name) ?? emptyTotals();
      merged.set(name, known);
      const own = isKept ? (stages.get(name) ?? keptStages(parts, name)) : NONE;
      if (isKept) stages.set(name, own);
      mergeTotals(known, totals, (stage) => (own.has(stage) ? stage : OTHER));
    }
  }
  return merged;
}

const NONE: ReadonlySet<string> = new Set();

function keptStages(
  parts: readonly ReadonlyMap<string, MetricTotals>[],
  pipeline: string,
): ReadonlySet<string> {
  const names = parts.map((part) => [
    ...(part.get(pipeline)?.stages.keys() ?? []),
    ...(part.get(pipeline)?.waits?.keys() ?? []),
  ]);
  return keptNames(names, LIMITS.METRICS_STAGES);
}

function keptPipelines(parts: readonly ReadonlyMap<string, MetricTotals>[]): ReadonlySet<string> {
  const names = (single: boolean) =>
    parts.map((part) =>
      [...part].filter(([, totals]) => (totals.single === true) === single).map(([name]) => name),
    );
  const pipelines = keptNames(names(false), LIMITS.METRICS_PIPELINES);
  // What is defined under the name of a stage that was also run on its own counts among the pipelines.
  const singles = names(true).map((source) => source.filter((name) => !pipelines.has(name)));
  return new Set([...pipelines, ...keptNames(singles, LIMITS.METRICS_SINGLE_STAGES)]);
}
