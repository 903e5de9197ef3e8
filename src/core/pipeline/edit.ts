// Edits of a definition: replace, add a stage, remove a stage. Decided on the current definition, so the
// catalog's object asks this where no other writer can come in between.
import type { Budget } from "../../contract/budget.ts";
import { DEFAULT_CONFIG } from "../../contract/config.ts";
import { cutName } from "../../contract/names.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { definitionError } from "./plan.ts";
import { triesFault } from "./tries.ts";
import { validatePipeline } from "./validate.ts";

/** The fields of a definition beside its stages. */
interface PipelineFields {
  description?: string | undefined;
  budget?: Budget | undefined;
}

export type PipelineChange =
  | ({ kind: "replace"; stages: PipelineStage[] } & PipelineFields)
  /** At the end, or before the stage of this name. */
  | { kind: "add_stage"; stage: PipelineStage; before: string | null }
  | { kind: "remove_stage"; stage: string };

/**
 * The stages after a change.
 * @param stages the current ones; null if the pipeline does not exist
 * @param max_retry_attempts the config's, as it is now
 */
export function changedStages(
  pipeline: string,
  stages: readonly PipelineStage[] | null,
  change: PipelineChange,
  max_retry_attempts = DEFAULT_CONFIG.max_retry_attempts,
): Result<PipelineStage[]> {
  const checked = (changed: PipelineStage[]) => checkedStages(changed, max_retry_attempts);
  if (change.kind === "replace") return checked(change.stages);
  if (stages === null) return err({ code: "PIPELINE_NOT_FOUND", pipeline });
  const named = change.kind === "add_stage" ? change.before : change.stage;
  const at = named === null ? stages.length : stages.findIndex((stage) => stage.name === named);
  if (at === -1) return err(noSuchStage(pipeline, named));
  return change.kind === "add_stage"
    ? checked(stages.toSpliced(at, 0, change.stage))
    : checked(stages.toSpliced(at, 1));
}

/** The fields beside the stages after a change: a new definition has those that it brings, and no others. */
export function changedFields(
  change: PipelineChange,
  current: PipelineFields = {},
): Pick<Pipeline, "description" | "budget"> {
  const { description, budget } = change.kind === "replace" ? change : current;
  return {
    ...(description === undefined ? {} : { description }),
    ...(budget === undefined ? {} : { budget }),
  };
}

function checkedStages(stages: PipelineStage[], max_retry_attempts: number): Result<PipelineStage[]> {
  const tries = triesFault(stages, max_retry_attempts);
  const faults = [...validatePipeline(stages), ...(tries === null ? [] : [tries])];
  return faults.length === 0 ? ok(stages) : err(definitionError(faults));
}

function noSuchStage(pipeline: string, stage: string | null): CoordinatorError {
  return { code: "STAGE_NOT_FOUND", pipeline, stage: cutName(stage ?? "") };
}
