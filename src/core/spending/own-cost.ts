// What a run's calls cost, for the config's budgets: what the events of a decision add to the execution's usage. An
// execution that a stage runs counts its calls itself, and what is read from a log was counted before (I20).
import type { Usage } from "../../contract/stage.ts";
import type { LogEvent } from "../execution/log-event.ts";
import { specOf } from "../execution/schedule.ts";
import type { ExecutionState } from "../execution/state.ts";
import { type UnitName, unitName } from "../execution/units/unit-name.ts";

/** In US dollars; 0 in a run without budgets. @param state after the events */
export function ownCost(state: ExecutionState | null, events: readonly LogEvent[]): number {
  if (state === null || state.spec.config.budgets.length === 0) return 0;
  let usd = 0;
  for (const event of events) {
    for (const [unit, usage] of usagesIn(event)) {
      if (specOf(state, unit).pipeline === undefined) usd += costOf(usage);
    }
  }
  return usd;
}

/** What an event adds, by unit: see the fold of the log. */
function usagesIn(event: LogEvent): readonly (readonly [UnitName, Usage])[] {
  switch (event.type) {
    case "execution.paused":
      return Object.entries(event.internal?.used ?? {});
    case "stage.completed":
    case "stage.failed":
      return of(event, event.internal?.usage ?? event.data.usage);
    case "stage.iterated":
    case "stage.waiting":
    case "stage.retrying":
    case "stage.fallback":
    case "stage.cancelled":
      return of(event, event.internal?.usage);
    default:
      return [];
  }
}

function of(
  { stage, item }: { stage: string; item?: number | undefined },
  usage: Usage | null | undefined,
): readonly (readonly [UnitName, Usage])[] {
  return usage === null || usage === undefined ? [] : [[unitName(stage, item), usage]];
}

/** 0 where it is not known. */
function costOf({ cost_usd }: Usage): number {
  return typeof cost_usd === "number" || typeof cost_usd === "bigint" ? Math.max(0, Number(cost_usd)) : 0;
}
