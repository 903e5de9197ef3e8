// How what a call has used is added up in the fold of the log: once, to its execution and to its unit (I20).
import type { Usage } from "../../../contract/stage.ts";
import { addUsage, followedBy } from "../../../contract/usage.ts";
import type { LogEventOf } from "../log-event.ts";
import type { ExecutionState } from "../state.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";
import { withStage } from "./stages.ts";

type UsingEvent = LogEventOf<"stage.retrying" | "stage.fallback" | "stage.iterated" | "stage.waiting">;

/** After an event with which a call has ended, and its unit has not. */
export function withUsage(state: ExecutionState, event: UsingEvent): ExecutionState {
  const usage = event.internal?.usage;
  if (usage === undefined) return state;
  const next = withStage(state, event, (stage) => ({ used: followedBy(stage.used, usage) }));
  return { ...next, usage: addUsage(next.usage, usage) };
}

/** After a pause that has interrupted calls. */
export function withInterrupted(
  state: ExecutionState,
  used: Readonly<Record<UnitName, Usage>> = {},
): ExecutionState {
  let next = state;
  for (const [unit, usage] of Object.entries(used)) {
    next = withStage(next, { type: "execution.paused", ...unitPlace(unit) }, (stage) => ({
      used: followedBy(stage.used, usage),
    }));
    next = { ...next, usage: addUsage(next.usage, usage) };
  }
  return next;
}
