// Presence: the watchers of an execution with `on_disconnect: cancel`. When there were watchers and the last one has
// been gone for DISCONNECT_GRACE_MS, the execution is cancelled. Readers of a run at rest are watchers: their sockets
// outlive this instance. After a restart no other watcher is connected yet, so for a run whose caller stayed to watch
// and that has none at rest the grace begins at once.
import { isTerminal } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Clock } from "../ports.ts";

export class Presence {
  private readonly driver: ExecutionDriver;
  private readonly clock: Clock;
  private readonly resting: () => number;
  private count = 0;
  /** Set during the grace: ends it. */
  private stopGrace: (() => void) | null = null;

  private constructor(driver: ExecutionDriver, clock: Clock, resting: () => number) {
    this.driver = driver;
    this.clock = clock;
    this.resting = resting;
  }

  /**
   * Null if disconnects do not matter.
   * @param restarted the run was begun by an instance that is gone
   * @param resting how many readers there are that wait for a run at rest to go on
   */
  static of(
    driver: ExecutionDriver,
    clock: Clock,
    restarted: boolean,
    resting: () => number,
  ): Presence | null {
    const state = driver.state;
    if (state?.spec.on_disconnect !== "cancel" || isTerminal(state.status)) return null;
    const presence = new Presence(driver, clock, resting);
    if (restarted && state.spec.watched) presence.left();
    return presence;
  }

  /** True while all watchers are at rest: the run may leave memory, since one that disconnects wakes its object. */
  get isResting(): boolean {
    return this.count === 0 && this.stopGrace === null && this.resting() > 0;
  }

  /** Registers a watcher; the returned function, idempotent, removes it. */
  enter(): () => void {
    this.count += 1;
    this.rested();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.count -= 1;
      this.left();
    };
  }

  /** A watcher has come to rest. */
  rested(): void {
    this.stopGrace?.();
    this.stopGrace = null;
  }

  /** A watcher that may have been the last one has gone. */
  left(): void {
    if (this.count > 0 || this.resting() > 0) return;
    this.stopGrace?.();
    this.stopGrace = this.clock.after(TIMINGS.DISCONNECT_GRACE_MS, () => {
      this.stopGrace = null;
      this.driver.submit({ type: "cancel", reason: "the last watcher disconnected" });
    });
  }
}
