// What the observer knows of a call that waits for its agent: it is no try, and leaves its place among the stages.
import type { LogEventOf } from "../../../../src/core/execution/log-event.ts";
import { hold } from "./hold.ts";
import { nameOf, type Observed, type Sight } from "./stage.ts";

export function queued(
  observer: Sight,
  stage: Observed,
  event: LogEventOf<"stage.queued">,
  at: number,
): void {
  const name = nameOf(stage);
  hold("I11", observer.status === "running", () => `${name} queues while ${observer.status}`);
  hold("I11", at < observer.deadline, () => `${name} queues after the deadline`);
  hold("I3", stage.readySeq !== null, () => `${name} queues before its dependencies ended`);
  hold("I5", event.attempt <= stage.spec.retry_attempts, () => `${name} queues for try ${event.attempt}`);
  const expected = nextTry(stage, at);
  hold("I5", expected !== null, () => `${name} queues while ${stage.phase}`);
  hold("I5", event.attempt === expected?.attempt, () => `${name} queues for try ${event.attempt}`);
  const repeated = event.internal?.repeated === true;
  hold("I7", repeated === expected?.repeated, () => `${name} queues, and its call is ${repeated}ly a repeat`);
  // It was not sent.
  if (stage.phase === "calling" && stage.rescued === null) stage.tries = stage.attempt - 1;
  stage.queued = { attempt: event.attempt, repeated };
  stage.phase = "queued";
  stage.shown = false;
  stage.first = 0;
  stage.outside.displaced = true;
  observer.recoveriesWithoutProgress = 0;
}

/** The call is made, as the try for which it has waited. */
export function leftQueue(stage: Observed, event: LogEventOf<"stage.started">): void {
  const name = nameOf(stage);
  hold("I5", event.attempt === stage.queued?.attempt, () => `${name} has waited for another try`);
  const repeated = event.internal?.repeated === true;
  hold("I7", repeated === stage.queued?.repeated, () => `${name} is ${repeated}ly a repeat`);
  stage.queued = null;
}

/** The try that a unit is about to make; null where it is to make none. */
function nextTry(stage: Observed, at: number): Observed["queued"] {
  switch (stage.phase) {
    case "pending":
      return { attempt: 1, repeated: false };
    case "delayed":
      return at >= stage.due ? { attempt: stage.attempt + 1, repeated: false } : null;
    case "cut":
      return { attempt: Math.max(1, stage.attempt), repeated: stage.attempt > 0 || stage.rescued !== null };
    case "calling":
      return { attempt: stage.attempt, repeated: true };
    case "queued":
      return stage.queued;
    default:
      return null;
  }
}
