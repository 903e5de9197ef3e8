// Whether a list of stages is a pipeline: every fault at once, each with its stage. The shape of a single stage is
// the schema's matter (contract/stage.ts); here is what only the whole can tell.
import { LIMITS } from "../../contract/limits.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { conditionFault } from "./condition.ts";
import { findCycle } from "./graph.ts";

/** Every fault of a definition, in definition order; empty for a pipeline that can run. */
export function validatePipeline(stages: readonly PipelineStage[]): DefinitionError[] {
  const errors: DefinitionError[] = [];
  const names = new Set(stages.map((stage) => stage.name));
  if (stages.length === 0) errors.push(invalid("a pipeline needs at least one stage"));
  if (stages.length > LIMITS.STAGES) {
    errors.push(invalid(`a pipeline has at most ${LIMITS.STAGES} stages, not ${stages.length}`));
  }
  const edges = stages.reduce((sum, stage) => sum + stage.depends_on.length, 0);
  if (edges > LIMITS.EDGES)
    errors.push(invalid(`a pipeline has at most ${LIMITS.EDGES} edges, not ${edges}`));
  const seen = new Set<string>();
  for (const stage of stages) {
    if (seen.has(stage.name)) errors.push(invalid(`the name ${stage.name} stands twice`, stage.name));
    seen.add(stage.name);
    errors.push(...stageFaults(stage, names));
  }
  return [...errors, ...cycleFaults(stages)];
}

/** One fault a cycle: those that share no stage are all told. */
function cycleFaults(stages: readonly PipelineStage[]): DefinitionError[] {
  const cycle = findCycle(stages);
  if (cycle === null) return [];
  const message = `stages wait for one another: ${cycle.join(" → ")}`;
  const others = stages.filter((stage) => !cycle.includes(stage.name));
  return [{ code: "CIRCULAR_DEPENDENCY", message, stage: cycle[0] }, ...cycleFaults(others)];
}

function stageFaults(stage: PipelineStage, names: ReadonlySet<string>): DefinitionError[] {
  const errors: DefinitionError[] = [];
  const seen = new Set<string>();
  for (const dependency of stage.depends_on) {
    if (seen.has(dependency)) errors.push(invalid(`depends on ${dependency} twice`, stage.name));
    seen.add(dependency);
    if (!names.has(dependency)) {
      const message = `depends on ${dependency}, which is no stage of this pipeline`;
      errors.push({ code: "MISSING_DEPENDENCY", message, stage: stage.name });
    }
  }
  const fault = stage.when === undefined ? null : conditionFault(stage.when);
  if (fault !== null) errors.push(invalid(`when: ${fault}`, stage.name));
  return errors;
}

function invalid(message: string, stage?: string): DefinitionError {
  return { code: "INVALID_PIPELINE_CONFIG", message, ...(stage === undefined ? {} : { stage }) };
}
