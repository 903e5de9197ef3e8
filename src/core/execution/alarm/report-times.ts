// When the reports of an execution's changes are due (I13): until when they can be made, when one that a receiver
// refused is made again, and whether the alarm that has come shows that all of them were delivered. Nothing is stored
// for any of it: a wait follows from how long ago the change was, so that a new instance continues where the last one
// stopped, and the alarm is set to what the run itself waits for only once every receiver has the report.
import { TIMINGS } from "../../timings.ts";
import { nextActions } from "../next-actions.ts";
import { type ExecutionState, isTerminal } from "../state.ts";
import { hasAsked } from "../view/waits.ts";
import { isDeletedByIndex, retainedUntil } from "./retention.ts";

/**
 * True where a crash before the report must be followed by an alarm that comes soon: an end, a pause, a wait, and
 * all that follows a question, which others are to see closed.
 */
export function needsAlarm(state: ExecutionState): boolean {
  const { status } = state;
  return status === "paused" || status === "waiting" || isTerminal(status) || hasAsked(state);
}

/**
 * True where the alarm that has come was set after every receiver had the report of this state.
 * @param scheduled what the alarm was set to, ms since the epoch; null where that is not known
 */
export function wasReported(state: ExecutionState, scheduled: number | null): boolean {
  // An active run reports by itself: an instance that resumes it notices its status as a change.
  if (!needsAlarm(state)) return true;
  if (scheduled === null) return false;
  if (state.ended_at !== null) return scheduled >= retainedUntil(state);
  const { wake_at } = nextActions(state);
  return wake_at !== null && scheduled === Math.floor(wake_at);
}

/**
 * True where an object's alarm shows that every receiver had the end.
 * @param alarm what it is set to, ms since the epoch; null where there is none and none is being handled
 */
export function endWasReported(state: ExecutionState, alarm: number | null): boolean {
  return isDeletedByIndex(state) ? alarm === null : wasReported(state, alarm);
}

/**
 * When a report that was refused is made again, ms since the epoch: after as long as it has been since the change,
 * which doubles the time from try to try, 5 seconds at least and an hour at most. Null where no try is left: an
 * execution's last one is just before it is forgotten.
 * @param chance uniform in [0, 1): stretches the wait by up to a half, so that an outage of a receiver does not end
 * with all reports at once
 */
export function nextReportAt(state: ExecutionState, now: number, chance: number): number | null {
  const since = now - state.updated_at;
  const wait_ms = Math.min(Math.max(since, TIMINGS.REPORT_RETRY_MS), TIMINGS.REPORT_RETRY_MOST_MS);
  const at = now + Math.round(wait_ms * (1 + TIMINGS.REPORT_RETRY_JITTER * chance));
  if (state.ended_at === null) return at;
  const last = retainedUntil(state) - 1;
  if (now >= last) return null;
  return Math.min(at, last);
}
