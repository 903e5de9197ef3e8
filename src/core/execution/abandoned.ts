// Work that is not wanted any more: of an agent that answers later, and whose stage has stopped to wait for it.
import type { ExecutionState, StageState } from "./state.ts";

export interface AbandonedWork {
  stage: string;
  /** Where it can be cancelled. */
  location: string;
}

/**
 * What a command has abandoned: by a cancel, an aborting pause, or the end of the execution. Not what was answered, nor
 * what has had no answer in time.
 */
export function abandonedWork(before: ExecutionState, after: ExecutionState): AbandonedWork[] {
  const abandoned: AbandonedWork[] = [];
  for (const [at, { wait, answers, result }] of before.stages.entries()) {
    if (wait === null || wait.location === null || after.updated_at >= wait.expires_at) continue;
    const now = after.stages[at] as StageState;
    const isAnswered = now.answers.length > answers.length;
    if (now.wait !== null || isAnswered) continue;
    abandoned.push({ stage: result.stage, location: wait.location });
  }
  return abandoned;
}
