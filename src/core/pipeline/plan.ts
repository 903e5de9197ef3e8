// From a definition and a request's `pipeline_config` to the stages of one run: overrides laid over, stages left
// out, the config's values filled in. What comes out is pinned by the run.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { CoordinatorError, DefinitionError, Result } from "../../contract/problem.ts";
import { err, ok } from "../../contract/problem.ts";
import type { PipelineStage, ResolvedStage, StageOverride } from "../../contract/stage.ts";
import { triesFault } from "./tries.ts";
import { validatePipeline } from "./validate.ts";

/** The stages of one run, validated as a whole once more, since an override may change edges and conditions. */
export function planStages(
  stages: readonly PipelineStage[],
  overrides: Readonly<Record<string, StageOverride>>,
  config: CoordinatorConfig,
): Result<ResolvedStage[]> {
  const names = new Set(stages.map((stage) => stage.name));
  const unknown = Object.keys(overrides).filter((name) => !names.has(name));
  if (unknown.length > 0) {
    return err(definitionError(unknown.map((stage) => noSuchStage(stage, [...names]))));
  }
  const left = new Set(
    stages.map((stage) => stage.name).filter((name) => overrides[name]?.enabled === false),
  );
  const planned = stages
    .filter((stage) => !left.has(stage.name))
    .map((stage) => {
      const merged = override(stage, overrides[stage.name]);
      return { ...merged, depends_on: merged.depends_on.filter((name) => !left.has(name)) };
    });
  const faults = validatePipeline(planned);
  if (faults.length > 0) return err(definitionError(faults));
  const tries = triesFault(planned, config.max_retry_attempts);
  if (tries !== null) return err(definitionError([tries]));
  return ok(planned.map((stage) => resolveStage(stage, config)));
}

/** The stage with the values that hold where it names none. */
export function resolveStage(stage: PipelineStage, config: CoordinatorConfig): ResolvedStage {
  return {
    ...stage,
    timeout_seconds: stage.timeout_seconds ?? config.stage_timeout_seconds,
    retry_attempts: stage.retry_attempts ?? config.max_retry_attempts,
  };
}

/** The error of a definition: its code is that of its first fault. */
export function definitionError(errors: DefinitionError[]): CoordinatorError {
  return { code: errors[0]?.code ?? "INVALID_PIPELINE_CONFIG", errors };
}

function override(stage: PipelineStage, change: StageOverride | undefined): PipelineStage {
  if (change === undefined) return stage;
  const { enabled: _, config, ...rest } = change;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...stage, ...given, config: { ...stage.config, ...config } };
}

function noSuchStage(stage: string, names: string[]): DefinitionError {
  const message = `pipeline_config names ${stage}, which is no stage of this pipeline (${names.join(", ")})`;
  return { code: "INVALID_PIPELINE_CONFIG", message, stage };
}
