// While calls run that others will follow, the health of their agents is refreshed, so that none of them has to
// fetch it on its path. One timer per run, for any number of calls: setting one costs the platform more than a batch.
import type { ExecutionState } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Ports } from "../ports.ts";

export class HealthRefresh {
  private readonly ports: Pick<Ports, "clock" | "shared">;
  private readonly calling: () => ExecutionState | null;
  private stop: (() => void) | null = null;

  /** @param calling the run's state, if a call is in flight */
  constructor(ports: Pick<Ports, "clock" | "shared">, calling: () => ExecutionState | null) {
    this.ports = ports;
    this.calling = calling;
  }

  /** Called when a call has started. */
  beat(): void {
    const { clock, shared } = this.ports;
    const state = this.calling();
    if (this.stop !== null || shared === undefined || state === null) return;
    if (!state.spec.config.enable_circuit_breaker) return;
    if (!state.stages.some((stage) => stage.phase === "pending")) return;
    this.stop = clock.after(TIMINGS.HEALTH_REFRESH_MS, () => {
      this.stop = null;
      shared.health.refresh(state.spec.tenant);
      this.beat();
    });
  }

  /** No call is in flight any more. */
  rest(): void {
    this.stop?.();
    this.stop = null;
  }
}
