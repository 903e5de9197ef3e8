// Presence: the watchers of an execution with `on_disconnect: cancel`. When there were watchers and the last one has
// been gone for DISCONNECT_GRACE_MS, the execution is cancelled. After a restart no watcher is connected yet, so for
// a run whose caller stayed to watch the grace begins at once.
import { isTerminal } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Clock } from "../ports.ts";

export class Presence {
  private readonly driver: ExecutionDriver;
  private readonly clock: Clock;
  private count = 0;
  private stop: () => void = () => {};

  private constructor(driver: ExecutionDriver, clock: Clock) {
    this.driver = driver;
    this.clock = clock;
  }

  /** Null if disconnects do not matter. @param restarted the run was begun by an instance that is gone */
  static of(driver: ExecutionDriver, clock: Clock, restarted: boolean): Presence | null {
    const state = driver.state;
    if (state?.spec.on_disconnect !== "cancel" || isTerminal(state.status)) return null;
    const presence = new Presence(driver, clock);
    if (restarted && state.spec.watched) presence.startGrace();
    return presence;
  }

  /** Registers a watcher; the returned function, idempotent, removes it. */
  enter(): () => void {
    this.count += 1;
    this.stop();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.count -= 1;
      if (this.count === 0) this.startGrace();
    };
  }

  private startGrace(): void {
    this.stop();
    this.stop = this.clock.after(TIMINGS.DISCONNECT_GRACE_MS, () => {
      this.driver.submit({ type: "cancel", reason: "the last watcher disconnected" });
    });
  }
}
