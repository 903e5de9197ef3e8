// Pipelines that run pipelines: which a definition reaches, and why it must not reach them. Checked when a definition is
// written, as far as the others are there, and when a run begins, which is pinned to all of them.
import { LIMITS } from "../../contract/limits.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";

/** The stages of a pipeline; null where there is none of this name. */
export type Lookup = (name: string) => readonly PipelineStage[] | null;

export interface Nesting {
  /** Every pipeline that is reached, itself left out. */
  reached: string[];
  faults: DefinitionError[];
  /** Pipelines that are named and are not there. */
  missing: { name: string; stage: string; pointer: string }[];
}

/** @param root the definition's own name; null where it has none yet */
export function nestingOf(root: string | null, stages: readonly PipelineStage[], find: Lookup): Nesting {
  const nesting = new Walk(root, stages, find);
  return { reached: [...nesting.reached], faults: nesting.faults, missing: nesting.missing };
}

class Walk {
  readonly reached = new Set<string>();
  readonly faults: DefinitionError[] = [];
  readonly missing: Nesting["missing"] = [];
  private readonly find: Lookup;
  /** How many executions a pipeline may come to, itself included, and on how many levels. */
  private readonly sizes = new Map<string, { executions: number; depth: number }>();

  constructor(root: string | null, stages: readonly PipelineStage[], find: Lookup) {
    this.find = find;
    const path = root === null ? [] : [root];
    for (const [at, stage] of stages.entries()) {
      if (stage.pipeline !== undefined) this.enter(stage, `/stages/${at}/pipeline`, path);
    }
    if (this.faults.length > 0) return;
    const { executions, depth } = this.sum(stages);
    if (depth > LIMITS.PIPELINE_DEPTH) {
      const message = `pipelines are nested ${depth} deep, and ${LIMITS.PIPELINE_DEPTH} is the most`;
      this.faults.push({ code: "INVALID_PIPELINE_CONFIG", message, pointer: "/stages" });
    }
    if (executions > LIMITS.TREE_EXECUTIONS) {
      const message =
        `a run may come to ${executions} executions with those of its stages, and ${LIMITS.TREE_EXECUTIONS} are the most ` +
        "(repeat.max and map.max_items count)";
      this.faults.push({ code: "INVALID_PIPELINE_CONFIG", message, pointer: "/stages" });
    }
  }

  /** @param pointer of the stage of the definition that leads there */
  private enter({ name: stage, pipeline }: PipelineStage, pointer: string, path: readonly string[]): void {
    if (pipeline === undefined) return;
    if (path.includes(pipeline)) {
      const cycle = [...path.slice(path.indexOf(pipeline)), pipeline].join(" → ");
      this.faults.push({
        code: "CIRCULAR_DEPENDENCY",
        message: `pipelines that run each other: ${cycle}`,
        stage,
        pointer,
      });
      return;
    }
    if (this.reached.has(pipeline)) return;
    const stages = this.find(pipeline);
    if (stages === null) {
      this.missing.push({ name: pipeline, stage, pointer });
      return;
    }
    this.reached.add(pipeline);
    for (const inner of stages) {
      if (inner.pipeline !== undefined) this.enter({ ...inner, name: stage }, pointer, [...path, pipeline]);
    }
  }

  private sum(stages: readonly PipelineStage[]): { executions: number; depth: number } {
    let executions = 1;
    let depth = 1;
    for (const { pipeline, repeat, map } of stages) {
      if (pipeline === undefined) continue;
      const inner = this.size(pipeline);
      executions += (repeat?.max ?? 1) * (map?.max_items ?? 1) * inner.executions;
      depth = Math.max(depth, 1 + inner.depth);
    }
    return { executions, depth };
  }

  private size(pipeline: string): { executions: number; depth: number } {
    const known = this.sizes.get(pipeline);
    if (known !== undefined) return known;
    const size = this.sum(this.find(pipeline) ?? []);
    this.sizes.set(pipeline, size);
    return size;
  }
}

type Definitions = Readonly<Record<string, { stages: readonly PipelineStage[] }>>;

/** The stages of definitions, by name. */
export function stagesIn(definitions: Definitions): Lookup {
  return (name) => (Object.hasOwn(definitions, name) ? (definitions[name]?.stages ?? null) : null);
}

/**
 * What is wrong with a definition that is about to be written, by what it reaches, or by what reaches it.
 * @param definitions as they are after it
 */
export function nestingFaults(name: string, definitions: Definitions): DefinitionError[] {
  const find = stagesIn(definitions);
  const own = nestingOf(name, find(name) ?? [], find);
  if (own.faults.length > 0) return own.faults;
  for (const [other, { stages }] of Object.entries(definitions)) {
    if (other === name || !stages.some(({ pipeline }) => pipeline !== undefined)) continue;
    const { reached, faults } = nestingOf(other, stages, find);
    const [fault] = reached.includes(name) ? faults : [];
    // It was right before: this definition has made it wrong.
    if (fault !== undefined)
      return [
        { ...fault, message: `the pipeline ${other} runs this one: ${fault.message}`, pointer: "/stages" },
      ];
  }
  return [];
}
