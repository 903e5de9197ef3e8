// Builds the stages of one run from a definition and a request's `pipeline_config`: overrides applied, stages left
// out, the config's values filled in. The run pins the result.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { CoordinatorError, DefinitionError, Result } from "../../contract/problem.ts";
import { err, ok } from "../../contract/problem.ts";
import type {
  AgentStage,
  PipelineRunStage,
  PipelineStage,
  ResolvedStage,
  StageOverride,
} from "../../contract/stage.ts";
import { memoryFaults } from "./kinds.ts";
import { triesFault } from "./tries.ts";
import { conditionFaults, graphFaults, resultsNotWaitedFor, unwaitedFault } from "./validate.ts";

/**
 * The stages of one run. The graph is validated once more, since an override may change it; conditions are checked
 * where the overrides touch them. What was stored by an earlier version runs as it did then.
 */
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
  const left = new Set(leftOut(overrides));
  const merged = stages.map((stage) => override(asWritten(stage), overrides[stage.name]));
  const planned = merged
    .filter((stage) => !left.has(stage.name))
    .map((stage) => ({ ...stage, depends_on: stage.depends_on.filter((name) => !left.has(name)) }));
  const faults = [
    ...graphFaults(planned),
    ...overrideFaults(stages, merged, overrides),
    ...memoryFaults(planned, config),
  ];
  if (faults.length > 0) return err(definitionError(faults));
  const tries = triesFault(planned, config.max_retry_attempts);
  if (tries !== null) return err(definitionError([tries]));
  return ok(planned.map((stage) => resolveStage(stage, config)));
}

/** The stage of a single-stage run. @param inputs the results of its dependencies */
export function planAlone(
  stage: PipelineStage,
  inputs: readonly string[],
  config: CoordinatorConfig,
): Result<ResolvedStage[]> {
  const alone = { ...stage, depends_on: [] };
  const faults = [
    ...graphFaults([alone]),
    ...conditionFaults(alone, [alone], [...inputs, ...stage.depends_on]),
    ...memoryFaults([alone], config),
  ];
  return faults.length > 0 ? err(definitionError(faults)) : ok([resolveStage(alone, config)]);
}

/** The stages that a request leaves out. */
export function leftOut(overrides: Readonly<Record<string, StageOverride>>): string[] {
  return Object.keys(overrides).filter((name) => overrides[name]?.enabled === false);
}

/**
 * What the overrides make wrong with conditions: those that they replace, and those that name a result for which the
 * stage does not wait any more. A stage that is left out is still one to depend on: its result is null.
 */
function overrideFaults(
  stored: readonly PipelineStage[],
  merged: readonly PipelineStage[],
  overrides: Readonly<Record<string, StageOverride>>,
): DefinitionError[] {
  const isRewired = Object.values(overrides).some((change) => change.depends_on !== undefined);
  return merged.flatMap((stage, at) => {
    const change = overrides[stage.name];
    if (change?.enabled === false) return [];
    const isReplaced = [
      change?.when,
      change?.wait,
      change?.input,
      change?.query,
      change?.context,
      change?.map,
      change?.repeat,
    ].some((field) => field !== undefined);
    if (isReplaced) return conditionFaults(stage, merged);
    if (!isRewired) return [];
    const before = stored[at] as PipelineStage;
    const already = resultsNotWaitedFor(before, stored).map(({ name }) => name);
    const lost = resultsNotWaitedFor(stage, merged, already);
    return lost.map((result) => unwaitedFault(result, stage, merged));
  });
}

/** The stage with the values that hold where it names none. */
export function resolveStage(
  stage: PipelineStage,
  config: Pick<
    CoordinatorConfig,
    "stage_timeout_seconds" | "max_retry_attempts" | "pipeline_timeout_seconds"
  >,
): ResolvedStage {
  if (stage.wait !== undefined) return stage as ResolvedStage;
  if (stage.pipeline !== undefined) {
    return {
      ...(stage as PipelineRunStage),
      timeout_seconds: stage.timeout_seconds ?? config.pipeline_timeout_seconds,
      retry_attempts: 1,
    };
  }
  return {
    ...(stage as AgentStage),
    timeout_seconds: stage.timeout_seconds ?? config.stage_timeout_seconds,
    retry_attempts: stage.retry_attempts ?? config.max_retry_attempts,
  };
}

/** The stages of a run may be planned again: a definition has no tries of one that runs a pipeline. */
function asWritten(stage: PipelineStage): PipelineStage {
  if (stage.pipeline === undefined) return stage;
  const { retry_attempts: _, ...written } = stage;
  return written;
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
  const message = `pipeline_config names ${stage}, which is not a stage of this pipeline (${names.join(", ")})`;
  return { code: "INVALID_PIPELINE_CONFIG", message, stage };
}
