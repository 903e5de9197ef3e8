// The maximum number of agent calls of one run: the sum of each stage's tries. Every try is an event of the run's log
// and a call that may be billed, so the sum is bounded; each stage alone may have a hundred.
import { LIMITS } from "../../contract/limits.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";

/** @param max_retry_attempts the config's: the tries of stages that set none */
export function triesFault(
  stages: readonly Pick<PipelineStage, "retry_attempts" | "wait" | "pipeline">[],
  max_retry_attempts: number,
): DefinitionError | null {
  // One that runs a pipeline has one try.
  const calling = stages.filter(({ wait, pipeline }) => wait === undefined && pipeline === undefined);
  const tries = calling.reduce((sum, { retry_attempts = max_retry_attempts }) => sum + retry_attempts, 0);
  if (tries <= LIMITS.RUN_TRIES) return null;
  const message =
    `the retry_attempts of the stages add up to ${tries}, and a run makes at most ${LIMITS.RUN_TRIES} tries ` +
    `(a stage without retry_attempts has the config's max_retry_attempts, ${max_retry_attempts})`;
  return { code: "INVALID_PIPELINE_CONFIG", message, pointer: "/stages" };
}
