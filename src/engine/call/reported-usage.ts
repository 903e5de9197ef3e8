// What a call has used, as its agent reports it while it works: the last report counts where the answer says nothing.
import type { Usage } from "../../contract/stage.ts";
import type { CallEnding, CallOutcome } from "../../core/execution/command.ts";

/** @param usage the last report; null where there was none */
export function withUsage(outcome: CallEnding, usage: Usage | null): CallEnding;
export function withUsage(outcome: CallOutcome, usage: Usage | null): CallOutcome;
export function withUsage(outcome: CallOutcome, usage: Usage | null): CallOutcome {
  if (usage === null) return outcome;
  if (outcome.ok === true) {
    if (outcome.cached === true || outcome.answer.usage !== undefined) return outcome;
    return { ...outcome, answer: { ...outcome.answer, usage } };
  }
  const isOver = outcome.ok === false || outcome.ok === "asks";
  return isOver && outcome.usage === undefined ? { ...outcome, usage } : outcome;
}
