// The clock of an execution, and the status that follows from what its stages do: when it waits, since when its clock is
// stopped, and how its deadline is moved when it goes on (I1).
import { nextItem, nextToStart } from "../schedule.ts";
import { type ExecutionState, isTerminal, type StageState } from "../state.ts";
import { someUnit } from "../units/units.ts";

/** The spans in which the clock was stopped, where the present one, if any, ends now. */
export function pausedSpansAt(state: ExecutionState, at: number): ExecutionState["pausedSpans"] {
  return state.drained_at === null ? state.pausedSpans : [...state.pausedSpans, [state.drained_at, at]];
}

/**
 * The status and the clock after an event. An execution waits while nothing but an answer from outside makes it go on.
 * Its clock stops then, and once a paused run has no call in flight; when it goes on, the deadline is moved.
 */
export function settle(state: ExecutionState, at: number): ExecutionState {
  if (isTerminal(state.status) || state.status === "queued") return state;
  const { drained_at } = state;
  const status = state.status === "paused" ? "paused" : isWaiting(state) ? "waiting" : "running";
  const isStopped =
    status === "waiting" || (status === "paused" && !someUnit(state, ({ phase }) => phase === "calling"));
  if (isStopped === (drained_at !== null)) return status === state.status ? state : { ...state, status };
  if (drained_at === null) return { ...state, status, drained_at: at };
  return {
    ...state,
    status,
    drained_at: null,
    pausedSpans: pausedSpansAt(state, at),
    deadline_at: state.deadline_at + (at - drained_at),
  };
}

/** True where some stage waits for the outside, and nothing else is in flight, delayed or ready. */
function isWaiting(state: ExecutionState): boolean {
  if (!someUnit(state, ({ phase }) => phase === "waiting")) return false;
  const isBusy = ({ phase }: StageState) => phase !== "waiting" && phase !== "pending" && phase !== "ended";
  return !someUnit(state, isBusy) && nextItem(state) === null && nextToStart(state) === null;
}
