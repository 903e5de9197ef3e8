// How a unit's call ends in the fold of the log: with its try, or interrupted by a pause or a crash.
import type { CallEnd } from "../log-event.ts";
import type { ExecutionState, StageState } from "../state.ts";
import type { CallEndEvent } from "./outside.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";
import { queueLeft } from "./queue.ts";
import { withStage } from "./stages.ts";

export function callEnded(
  stage: StageState,
  event: CallEndEvent,
  at: number,
): Pick<StageState, "calls" | "queue" | "queued" | "queue_reasons"> {
  return { calls: callsAfter(stage, event, at), ...queueLeft(stage, at) };
}

function callsAfter(stage: StageState, event: CallEndEvent, at: number): StageState["calls"] {
  // An agent that answers later works until its callback.
  if (stage.phase !== "calling" && stage.wait?.reason !== "callback") return stage.calls;
  // No agent was called: the stage is on the path, and takes no agent's time.
  // A cancelled call has no time of sending: it counts from its stage.started.
  const hasCallEnd = event.type !== "stage.cancelled" && event.type !== "stage.skipped";
  const end: CallEnd = (hasCallEnd ? event.internal : null) ?? {};
  if (end.uncalled === true) return [...stage.calls, [at, at]];
  // A clock that was set back meanwhile must not make the call longer than it can have been.
  const began = Math.max(end.began_at ?? stage.call_at, stage.call_at);
  return [...stage.calls, [Math.min(began, at), at]];
}

/**
 * Interrupted calls are not tries: the unit has its earlier number of attempts again, and is called again. A crash does
 * not interrupt the work of an agent that answers later (I4), a pause in mode abort does.
 * @param pausedAt when a pause interrupted them; absent for a crash, whose calls count as no agent's time
 */
export function holdCalls(state: ExecutionState, pausedAt?: number): ExecutionState {
  return { ...state, stages: state.stages.map((stage) => held(stage, pausedAt)) };
}

/** The call of the unit was not made, and is no try. */
export function holdCall(state: ExecutionState, unit: UnitName): ExecutionState {
  return withStage(state, { type: "execution.paused", ...unitPlace(unit) }, (stage) =>
    held(stage, undefined),
  );
}

function held(stage: StageState, pausedAt: number | undefined): StageState {
  const { items } = stage;
  if (items !== null && stage.phase === "mapping") {
    const units = [...items.units];
    for (const at of items.open) units[at] = held(units[at] as StageState, pausedAt);
    return { ...stage, items: { ...items, units } };
  }
  const isInterrupted =
    stage.phase === "calling" || (pausedAt !== undefined && stage.wait?.reason === "callback");
  if (!isInterrupted) return stage;
  return {
    ...stage,
    phase: "interrupted",
    // Its answer comes too late after a pause, and not after a crash.
    first_call: pausedAt === undefined ? stage.first_call : 0,
    wait: null,
    waits: pausedAt === undefined ? stage.waits : [...stage.waits, [stage.call_at, pausedAt]],
    result: {
      ...stage.result,
      status: "pending",
      attempts: stage.rescued === null ? stage.attempt - 1 : stage.result.attempts,
    },
  };
}
