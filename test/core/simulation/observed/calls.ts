// What an event says of the call that it ends.
import type { CallEnd, LogEvent } from "../../../../src/core/execution/log-event.ts";

/** What the log keeps of the call that an event ends. */
export function callEndOf({ internal = {} }: LogEvent): CallEnd {
  return "began_at" in internal || "uncalled" in internal ? internal : {};
}

/** True where a callback has led to the event. */
export function hasCallback({ internal }: LogEvent): boolean {
  return internal !== undefined && "answered" in internal && internal.answered?.call != null;
}
