// Gates: what is known, when a decision is made, about agents whose calls may have to wait: places at agents with limits,
// and until when an agent's Retry-After holds its calls back.
import type { Usage } from "../../../contract/stage.ts";
import { isoTime } from "../../time.ts";
import type { LogEventOf } from "../log-event.ts";
import { type ExecutionState, stageOf } from "../state.ts";
import type { UnitName } from "../units/unit-name.ts";

export interface Gates {
  /** The unit has a place for its next call, at an agent with limits. */
  hasPlace(unit: UnitName): boolean;
  /**
   * When the next call of the agent may be made, ms since the epoch; null where that is now.
   * @param waited the call has waited for that once
   */
  heldUntil(agent_type: string, waited: boolean): number | null;
  /** What calls in flight have reported to have used so far, by unit. */
  reported(): ReadonlyMap<UnitName, Usage>;
}

const NOTHING: ReadonlyMap<UnitName, Usage> = new Map();

/** Nothing has to wait. */
export const OPEN_GATES: Gates = { hasPlace: () => true, heldUntil: () => null, reported: () => NOTHING };

/** Whether a call may be made: `ask` where a place is to be asked for first. */
export type Gate = "open" | "ask" | LogEventOf<"stage.queued">["data"];

/** @param agent_type null where no agent is called */
export function gateOf(state: ExecutionState, gates: Gates, unit: UnitName, agent_type: string | null): Gate {
  if (agent_type === null) return "open";
  const { queue } = stageOf(state, unit);
  const until = gates.heldUntil(agent_type, queue?.reason === "retry_after");
  if (until !== null) return { reason: "retry_after", until: isoTime(until) };
  return hasLimits(state, agent_type) && !gates.hasPlace(unit) ? "ask" : "open";
}

/** True where the agent's calls need a place. */
function hasLimits({ spec }: ExecutionState, agent_type: string): boolean {
  return spec.agents[agent_type]?.limits !== undefined;
}
