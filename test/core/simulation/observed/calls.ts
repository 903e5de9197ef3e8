// What an event says of the call that it ends.
import type { CallEnd, LogEvent } from "../../../../src/core/execution/log-event.ts";
import type { Observed } from "./stage.ts";

/** What the log keeps of the call that an event ends. */
export function callEndOf({ internal = {} }: LogEvent): CallEnd {
  return "began_at" in internal || "uncalled" in internal ? internal : {};
}

/** True where a callback has led to the event. */
export function hasCallback({ internal }: LogEvent): boolean {
  return internal !== undefined && "answered" in internal && internal.answered?.call != null;
}

/** A crash does not touch what an agent does that has answered 202; a pause in mode abort does. */
export function cutCall(stage: Observed, byPause: boolean): void {
  const handed = stage.phase === "waiting" && stage.outside.reason === "callback";
  if (stage.phase !== "calling" && !(byPause && handed)) return;
  stage.outside.reason = null;
  stage.phase = "cut";
  if (byPause) stage.first = 0;
  stage.shown = false;
  if (stage.rescued === null) stage.tries = stage.attempt - 1;
}

/** The unit whose call was not made; null where the event is of none. */
export function unsentBy(event: LogEvent): string | null {
  return event.type === "execution.paused" ? (event.internal?.unsent ?? null) : null;
}
