// nextAlarm(state, facts): when the object's one alarm must fire (I15). The state says what the run itself waits for;
// the facts are what only its object knows. src/engine/run/alarm-keeper.ts sets the alarm to it after every effect.
import { TIMINGS } from "../../timings.ts";
import { nextActions } from "../next-actions.ts";
import { isDeletedByIndex, retainedUntil } from "./retention.ts";
import type { ExecutionState } from "../state.ts";

/**
 * Whether some receiver lacks the report of an end or of a pause; a number where one has refused it: when it is made
 * again, ms since the epoch.
 */
export type ReportsDue = "none" | "pending" | number;

export interface AlarmFacts {
  now: number;
  /** What the alarm is set to, ms since the epoch; null where it is not set, or not by this instance. */
  set: number | null;
  /** An earlier instance set the alarm, and nothing has been written since. */
  isAsLeft: boolean;
  /** The alarm is being handled. */
  isHandled: boolean;
  /** The run cannot be taken up before then, ms since the epoch: a fault, no memory, or other runs that go first. */
  blockedUntil: number | null;
  /** A call is in flight, a batch is not written yet, or a short wait is slept in memory. */
  isBusy: boolean;
  /** Calls were lost that only the alarm's handler may repeat. */
  needsHandler: boolean;
  reports: ReportsDue;
}

/** When the alarm must fire, ms since the epoch; null where it is not to be set now. */
export function nextAlarm(state: ExecutionState | null, facts: AlarmFacts): number | null {
  const { now, set, isAsLeft, blockedUntil, reports } = facts;
  // The handler's end sets it: set before, it would make the platform forget how often its handler has crashed.
  if (facts.isHandled) return null;
  if (blockedUntil !== null) return blockedUntil;
  if (state === null) return null;
  if (facts.isBusy || reports === "pending" || (facts.needsHandler && !isAsLeft)) {
    const soon = now + TIMINGS.ALARM_JOIN_MS;
    // Each time that it is set is a billed row: one that comes by then is early enough, for any reason that it was set for.
    if (set !== null && set <= soon) return set;
    // One at the end of retention would show that the end was reported: see report-times.ts.
    return Math.min(soon, nextActions(state).wake_at ?? retainedUntil(state) - 1);
  }
  // What an earlier instance waited for, this one waits for: a run that is only read costs no row.
  if (isAsLeft) return null;
  const { wake_at } = nextActions(state);
  const due = wake_at ?? retainedUntil(state);
  // Its place may be free without it knowing: a message that was lost delays it by so much.
  if (state.status === "queued") {
    const poll = now + TIMINGS.QUEUE_POLL_MS;
    return set !== null && set > now && set <= poll ? set : Math.min(due, poll);
  }
  // The index has its end, and will delete it.
  if (wake_at === null && reports === "none" && isDeletedByIndex(state) && due > now) return null;
  return typeof reports === "number" ? Math.min(due, reports) : due;
}

/**
 * When a run is taken up again after a fault, ms since the epoch: later each time, and at its deadline if that is
 * sooner.
 * @param state the log's content when it was last read @param faults in a row, this one included
 */
export function retryAfterFault(state: ExecutionState | null, now: number, faults: number): number {
  const wait_ms = TIMINGS.ALARM_RETRY_MS * 2 ** Math.min(Math.max(0, faults - 1), MOST_DOUBLINGS);
  const due = state === null ? null : nextActions(state).wake_at;
  return due !== null && due > now ? Math.min(due, now + wait_ms) : now + wait_ms;
}

/** Of the wait after a fault: 5 s, doubled up to 85 minutes. */
const MOST_DOUBLINGS = 10;
