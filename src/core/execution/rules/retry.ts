// What follows a call that has failed: another try, the stage's fallback, or its failure (I5).
import { classify, retryAfter } from "../../resilience/classify.ts";
import { budgetDelay, retryDelay } from "../../resilience/retry.ts";
import { TIMINGS } from "../../timings.ts";
import type { CallEnding } from "../command.ts";
import type { CallEnd } from "../log-event.ts";
import { agentStageOf } from "../schedule.ts";
import { type AcceptedAnswer, stageOf } from "../state.ts";
import type { Batch } from "./batch.ts";
import { failOrFallBack } from "./endings.ts";

const SPENT = "delayed: too many calls of this agent have failed (its retry budget is spent)";

/**
 * Another try, or the stage's failure. I5: tries never exceed `retry_attempts`.
 * @param chance uniform in [0, 1): the random number for the next try's delay
 * @param answered the callback that reported the failure
 */
export function callFailed(
  batch: Batch,
  name: string,
  outcome: Extract<CallEnding, { ok: false }>,
  end: CallEnd,
  chance: number,
  answered?: AcceptedAnswer,
): void {
  const stage = stageOf(batch.state, name);
  const { retry_attempts } = agentStageOf(batch.state, name);
  const { failure } = outcome;
  const { error, retry } = classify(failure);
  const more =
    stage.rescued === null &&
    stage.attempt < retry_attempts &&
    (retry === "yes" || (retry === "once" && stage.contract_faults < TIMINGS.CONTRACT_RETRIES));
  const drawn_ms = retryDelay(batch.state.spec.config, stage.attempt, chance, retryAfter(failure));
  const left_ms = timeLeft(batch);
  const answering = answered === undefined ? {} : { answered };
  if (!more || drawn_ms >= left_ms) {
    failOrFallBack(batch, name, error, end, answering);
    return;
  }
  const tries_left = retry_attempts - stage.attempt;
  const budget_ms = budgetDelay(outcome.budget_wait_ms ?? 0, chance, left_ms, tries_left);
  const delay_ms = Math.max(drawn_ms, budget_ms);
  const why = budget_ms > drawn_ms ? `${error.message}; ${SPENT}` : error.message;
  batch.emit({
    type: "stage.retrying",
    stage: name,
    status: "running",
    attempt: stage.attempt,
    message: `retrying ${name} in ${delay_ms} ms: ${why}`,
    data: { error, delay_ms, next_attempt: stage.attempt + 1 },
    internal: { ...end, ...(retry === "once" ? { contract: true as const } : {}), ...answering },
  });
}

/** What is left of the run's time, in ms; while its clock is stopped none of it passes. */
function timeLeft({ state, now }: Batch): number {
  return state.deadline_at - (state.drained_at ?? now);
}
