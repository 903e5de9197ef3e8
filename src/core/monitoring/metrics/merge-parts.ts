// The figures that the parts of a tenant's index have counted apart, as one: names.ts says which keep their names.
import { LIMITS } from "../../../contract/limits.ts";
import { emptyFigures, type Figures, mergeFigures } from "./run-metrics.ts";
import { keptNames, OTHER } from "./names.ts";

/** The figures of several parts of an index by pipeline, in the order of admission, as one. */
export function mergeParts(parts: readonly ReadonlyMap<string, Figures>[]): Map<string, Figures> {
  const kept = keptPipelines(parts);
  const merged = new Map<string, Figures>();
  const stages = new Map<string, ReadonlySet<string>>();
  for (const part of parts) {
    for (const [pipeline, figures] of part) {
      const isKept = kept.has(pipeline) || pipeline === OTHER;
      const name = isKept ? pipeline : OTHER;
      const known = merged.get(name) ?? emptyFigures();
      merged.set(name, known);
      const own = isKept ? (stages.get(name) ?? keptStages(parts, name)) : NONE;
      if (isKept) stages.set(name, own);
      mergeFigures(known, figures, (stage) => (own.has(stage) ? stage : OTHER));
    }
  }
  return merged;
}

const NONE: ReadonlySet<string> = new Set();

function keptStages(parts: readonly ReadonlyMap<string, Figures>[], pipeline: string): ReadonlySet<string> {
  const names = parts.map((part) => part.get(pipeline)?.stages.keys() ?? []);
  return keptNames(names, LIMITS.FIGURES_STAGES);
}

function keptPipelines(parts: readonly ReadonlyMap<string, Figures>[]): ReadonlySet<string> {
  const names = (single: boolean) =>
    parts.map((part) =>
      [...part].filter(([, figures]) => (figures.single === true) === single).map(([name]) => name),
    );
  const pipelines = keptNames(names(false), LIMITS.FIGURES_PIPELINES);
  // What is defined under the name of a stage that was also run on its own counts among the pipelines.
  const singles = names(true).map((source) => source.filter((name) => !pipelines.has(name)));
  return new Set([...pipelines, ...keptNames(singles, LIMITS.FIGURES_SINGLE_STAGES)]);
}
