// What a run's reports are about (I13): its status, its open questions, and until when the index may believe that it
// waits. A change of any of them is reported; everything else in a log is read from the run itself.
import type { ExecutionStatus } from "../../../contract/execution.ts";
import type { ExecutionState, StageState } from "../state.ts";
import { nextActions } from "../next-actions.ts";
import { specOf } from "../schedule.ts";
import { someUnit, unitsOf } from "../units/units.ts";
import { needsAlarm } from "./report-times.ts";

/** What a report has said. */
export interface Reported {
  status: ExecutionStatus;
  /** The `seq` of each open question's stage.waiting. */
  questions: readonly number[];
  /** See waitsUntil; 0 where the run does not wait. */
  until: number;
  /** How many of its stages have ended without the end of the executions that they run. */
  dropped: number;
}

/** What a report says that the one before it did not. */
export interface Change {
  /** The status is another one. */
  status: boolean;
  /** Questions that have opened. */
  opened: readonly number[];
}

export function reported(state: ExecutionState): Reported {
  // An item asks nothing.
  const questions = state.stages.flatMap(({ wait }) => (wait?.reason === "wait" ? [wait.seq] : []));
  const until = state.status === "waiting" ? waitsUntil(state) : 0;
  return { status: state.status, questions, until, dropped: state.stages.filter(isDropped(state)).length };
}

/** @param before null where nothing is known to have been reported */
export function changeSince(before: Reported | null, state: ExecutionState): Change | null {
  const { status, questions, dropped } = reported(state);
  if (before === null) return { status: true, opened: questions };
  const opened = questions.filter((seq) => !before.questions.includes(seq));
  if (before.status !== status) return { status: true, opened };
  const isSame =
    opened.length === 0 && questions.length === before.questions.length && dropped === before.dropped;
  return isSame && !outlasts(state, before) ? null : { status: false, opened };
}

/**
 * What others know of a run that an earlier instance has left; null where they may know less. One that has asked, or is
 * paused, has its alarm come soon for as long as a report is pending, and that handler makes the report first.
 */
export function leftReported(state: ExecutionState | null): Reported | null {
  if (state === null || state.ended_at !== null || !needsAlarm(state)) return null;
  return nextActions(state).invoke.length === 0 ? reported(state) : null;
}

/**
 * Until when the run may wait for the outside, ms since the epoch; 0 where it does not. An agent without
 * `heartbeat_seconds` may move its end again and again: its wait is believed for one more of its times.
 */
export function waitsUntil(state: ExecutionState): number {
  let until = 0;
  for (const [name, { wait }] of unitsOf(state)) {
    if (wait === null) continue;
    const { callback_timeout_seconds = 0, heartbeat_seconds } = specOf(state, name);
    const whole_ms = callback_timeout_seconds * 1_000;
    const end = heartbeat_seconds === undefined ? wait.expires_at + whole_ms : wait.since + whole_ms;
    until = Math.max(until, wait.reason === "wait" ? wait.expires_at : end);
  }
  return until;
}

/** See liveChildren. */
function isDropped(state: ExecutionState): (stage: StageState) => boolean {
  return ({ phase, result }) =>
    phase === "ended" &&
    specOf(state, result.stage).pipeline !== undefined &&
    (result.status !== "completed" || result.fallback !== null);
}

/** The run waits on when what was reported of it is not believed any more. */
function outlasts(state: ExecutionState, { until }: Reported): boolean {
  return state.status === "waiting" && someUnit(state, ({ wait }) => (wait?.expires_at ?? 0) > until);
}
