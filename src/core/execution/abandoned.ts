// Work that is not wanted any more: of an agent that answers later, and whose stage has stopped to wait for it.
import { type ExecutionState, stageOf } from "./state.ts";
import { type UnitName, unitPlace } from "./units/unit-name.ts";
import { unitsOf } from "./units/units.ts";

export interface AbandonedWork {
  stage: UnitName;
  /** Where it can be cancelled. */
  location: string;
}

/**
 * What a command has abandoned: by a cancel, an aborting pause, or the end of the execution. Not what was answered, nor
 * what has had no answer in time.
 */
export function abandonedWork(before: ExecutionState, after: ExecutionState): AbandonedWork[] {
  const abandoned: AbandonedWork[] = [];
  for (const [name, { wait, first_call, call }] of unitsOf(before)) {
    if (wait === null || wait.location === null || after.updated_at >= wait.expires_at) continue;
    const { stage, item } = unitPlace(name);
    const of = stageOf(after, stage);
    // A stage that has ended has the answers of its items.
    const now = item === undefined || of.phase === "ended" ? of : stageOf(after, name);
    const isAnswered = now.answers.some(
      (answer) => (answer.call ?? 0) >= first_call && (answer.call ?? 0) <= call,
    );
    if (now.wait !== null || isAnswered) continue;
    abandoned.push({ stage: name, location: wait.location });
  }
  return abandoned;
}
