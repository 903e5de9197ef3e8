// nextActions(state, now): the effects that an execution needs. The driver compares them with those in flight:
// missing calls are started, calls no longer wanted are aborted.
import { TIMINGS } from "../timings.ts";
import { hasExpression, hasPlaceAgain, nextItem, nextToStart } from "./schedule.ts";
import type { ExecutionState } from "./state.ts";
import type { UnitName } from "./units/unit-name.ts";
import { unitsOf } from "./units/units.ts";

/** A call that must be in flight; `call` is its permanent id. */
export interface Invocation {
  /** Its unit: an item of a stage that maps has calls of its own. */
  stage: UnitName;
  call: number;
  attempt: number;
  /** A call under this attempt was made before: its text begins again. */
  repeated: boolean;
  /** The stage's own call, its fallback's, or no call at all: a lookup of the last good result. */
  kind: "call" | "fallback" | "lookup";
}

export interface Actions {
  invoke: Invocation[];
  /** When `tick` is due, ms since the epoch; null if no timer is pending (ended). */
  wake_at: number | null;
}

/** @param blocked units that wait until a place is asked for: no timer brings it */
export function nextActions(state: ExecutionState, blocked: ReadonlySet<UnitName> = NONE): Actions {
  if (state.ended_at !== null) return { invoke: [], wake_at: null };
  const invoke: Invocation[] = [];
  // A deadline applies only while the clock runs (I1: a pause and a wait for the outside stop it).
  let wake_at = state.drained_at === null ? state.deadline_at : Number.POSITIVE_INFINITY;
  let conditional = false;
  for (const [at, { phase }] of state.stages.entries()) {
    const spec = state.spec.stages[at];
    if (phase === "mapping" || (phase === "pending" && spec !== undefined && hasExpression(spec)))
      conditional = true;
  }
  for (const [unit, stage] of unitsOf(state)) {
    // A cache lookup is not a call: a pause in any mode defers it (I11).
    const isLookup = stage.phase === "lookup" && state.status === "running";
    if (stage.phase === "calling" || isLookup) {
      const { call, attempt, repeated, rescued } = stage;
      const kind = isLookup ? "lookup" : rescued === null ? "call" : "fallback";
      invoke.push({ stage: unit, call, attempt, repeated, kind });
    }
    // Without a place, it waits for the end of another stage.
    const hasPlace = !stage.displaced || hasPlaceAgain(state, unit);
    if (state.status === "running" && hasPlace && !blocked.has(unit)) {
      if (stage.phase === "delayed") wake_at = Math.min(wake_at, stage.due_at);
      const { queue } = stage;
      if (queue?.reason === "retry_after") wake_at = Math.min(wake_at, queue.until ?? wake_at);
    }
    // Its time passes also while the run is paused.
    if (stage.wait !== null) wake_at = Math.min(wake_at, stage.wait.expires_at);
  }
  // A batch whose conditions cost much leaves the others to a later one.
  if (conditional && state.status === "running" && hasNext(state, blocked)) {
    wake_at = Math.min(wake_at, state.updated_at + TIMINGS.CONDITION_GAP_MS);
  }
  if (state.status === "queued") {
    wake_at = Math.min(wake_at, state.started_at + state.spec.config.max_pause_seconds * 1_000);
  }
  if (state.paused_at !== null) {
    wake_at = Math.min(wake_at, state.paused_at + state.spec.config.max_pause_seconds * 1_000);
  }
  return { invoke, wake_at };
}

const NONE: ReadonlySet<UnitName> = new Set();

function hasNext(state: ExecutionState, blocked: ReadonlySet<UnitName>): boolean {
  return nextItem(state, blocked) !== null || nextToStart(state, blocked) !== null;
}
