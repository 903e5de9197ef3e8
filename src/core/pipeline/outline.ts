// What there is to draw of a definition before it runs: of each stage its kind and how often it may be called, and the
// graphs of the pipelines that its stages run.
import { LIMITS } from "../../contract/limits.ts";
import type { DefinitionGraph, StageOutline } from "../../contract/management.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { criticalPath, dependencies, layers } from "./graph.ts";
import type { Lookup } from "./nesting.ts";

/**
 * @param observed_ms how long stages of these names take on average: of one that maps from its first item to its last,
 * of one that repeats with all iterations. The critical path goes by it where all of the stages have been seen, and else
 * by the number of stages: one that runs a pipeline is as many as that pipeline's own path has.
 */
export function graphOf(
  stages: readonly PipelineStage[],
  observed_ms: ReadonlyMap<string, number>,
  find: Lookup,
): DefinitionGraph {
  const order = layers(stages);
  const isKnown = stages.every(({ name }) => observed_ms.has(name));
  const weight = isKnown ? (name: string) => observed_ms.get(name) ?? 0 : lengthsOf(stages, find);
  return {
    stages: stages.map(outlineOf),
    dependencies: dependencies(stages),
    layers: order,
    critical_path: order.length === 0 ? [] : criticalPath(stages, weight).path,
  };
}

/** The graph of each pipeline that is reached, by name, as far down and as many as a run may have. */
export function nestedGraphs(
  stages: readonly PipelineStage[],
  observed_ms: ReadonlyMap<string, number>,
  find: Lookup,
): Record<string, DefinitionGraph> {
  const graphs = new Map<string, DefinitionGraph>();
  let level = stages;
  for (let depth = 1; depth < LIMITS.PIPELINE_DEPTH; depth += 1) {
    const below: PipelineStage[] = [];
    for (const { pipeline } of level) {
      const inner = pipeline === undefined || graphs.has(pipeline) ? null : find(pipeline);
      if (pipeline === undefined || inner === null || graphs.size >= LIMITS.TREE_EXECUTIONS) continue;
      graphs.set(pipeline, graphOf(inner, observed_ms, find));
      below.push(...inner);
    }
    level = below;
  }
  return Object.fromEntries(graphs);
}

function outlineOf({ name, wait, pipeline, map, repeat }: PipelineStage): StageOutline {
  return {
    name,
    kind: wait !== undefined ? "wait" : pipeline !== undefined ? "pipeline" : "agent",
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(map === undefined ? {} : { map: { max_items: map.max_items, concurrency: map.concurrency } }),
    ...(repeat === undefined ? {} : { repeat: { max: repeat.max } }),
  };
}

/** How many stages a stage counts for. */
function lengthsOf(stages: readonly PipelineStage[], find: Lookup): (name: string) => number {
  const known = new Map<string, number>();
  const lengthOf = (pipeline: string): number => {
    const length = known.get(pipeline);
    if (length !== undefined) return length;
    // Of pipelines that run each other, a fault that is reported elsewhere, the inner one counts once.
    known.set(pipeline, 1);
    const inner = find(pipeline) ?? [];
    const isDrawn = inner.length > 0 && layers(inner).length > 0;
    const own = isDrawn ? criticalPath(inner, weightIn(inner)).weight : 1;
    known.set(pipeline, own);
    return own;
  };
  const weightIn = (of: readonly PipelineStage[]) => {
    const pipelines = new Map(of.map(({ name, pipeline }) => [name, pipeline]));
    return (name: string) => {
      const pipeline = pipelines.get(name);
      return pipeline === undefined ? 1 : lengthOf(pipeline);
    };
  };
  return weightIn(stages);
}
