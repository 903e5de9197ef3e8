// What the next calls of a run may have to wait for, as its decisions get it: places at agents with limits, and holds by
// Retry-After.
import { type Gates, OPEN_GATES } from "../../core/execution/gates/gates.ts";
import type { Decision } from "../../core/execution/decide.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { type UnitName, unitName } from "../../core/execution/units/unit-name.ts";
import { isOpen } from "../../core/execution/units/units.ts";
import { timeOf } from "../../core/time.ts";
import type { Usage } from "../../contract/stage.ts";
import type { Ports } from "../ports.ts";
import { agentIn, calledAgent } from "./callback.ts";
import { PlacesInFlight, type PlacesOwner } from "./places-in-flight.ts";

type Reported = ReadonlyMap<UnitName, Usage>;

export class CallGates {
  readonly places: PlacesInFlight;
  private readonly ports: Pick<Ports, "shared">;
  private blocked: ReadonlySet<UnitName> = NONE;

  private readonly reported: () => Reported;

  /** @param reported what calls in flight have reported to have used */
  constructor(
    ports: Pick<Ports, "clock" | "chance" | "shared">,
    owner: PlacesOwner,
    reported: () => Reported,
  ) {
    this.ports = ports;
    this.reported = reported;
    this.places = new PlacesInFlight(ports, owner);
  }

  /** For a decision about the run with this spec. */
  of(spec: RunSpec | undefined): Gates {
    const hasPlace = (unit: UnitName) => this.places.has(unit);
    const health = this.ports.shared?.health;
    const { reported } = this;
    if (spec === undefined || health === undefined) return { ...OPEN_GATES, hasPlace, reported };
    return {
      hasPlace,
      reported,
      heldUntil: (agent_type, waited) => health.heldUntil(agentIn(spec, agent_type), waited),
    };
  }

  /** Notes what a decision has made of them. */
  decided({ blocked, events, state }: Decision): void {
    this.blocked = blocked ?? this.blocked;
    if (state === null) return;
    for (const event of events) {
      if (event.type !== "stage.queued" || event.data.reason !== "retry_after") continue;
      const unit = unitName(event.stage, event.item);
      // What follows in the same decision may have ended its stage.
      if (!isOpen(state, unit)) continue;
      // Each call that is held back has a turn of its own.
      const turn = timeOf(event.data.until ?? event.timestamp);
      this.ports.shared?.health.takeTurn(calledAgent(state, unit), turn);
    }
  }

  /** Units whose call waits until a place is asked for. */
  blockedIn({ status }: ExecutionState): ReadonlySet<UnitName> {
    return status === "running" ? this.blocked : NONE;
  }
}

const NONE: ReadonlySet<UnitName> = new Set();
