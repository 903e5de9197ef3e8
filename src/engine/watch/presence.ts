// Presence: the watchers of an execution with `on_disconnect: cancel`. When there were watchers and the last one has
// been gone for DISCONNECT_GRACE_MS, the execution is cancelled. Readers of a run at rest are watchers: their sockets
// outlive this instance. After a restart no other watcher is connected yet, so for a run whose caller stayed to watch
// and that has none at rest the grace begins at once. Where readers leave a run that rests (`rests_alone`), the grace
// begins when it goes on, or never where they have their answer.
import { awaitsPerson, type ExecutionState, isTerminal } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";
import type { Clock } from "../ports.ts";

export class Presence {
  private readonly driver: ExecutionDriver;
  private readonly clock: Clock;
  private readonly resting: () => number;
  private count = 0;
  /** Set during the grace; `until` is its end, ms since the epoch. */
  private grace: { until: number; stop: () => void } | null = null;
  /** The run needs no reader. */
  private isAlone = false;

  private constructor(driver: ExecutionDriver, clock: Clock, resting: () => number) {
    this.driver = driver;
    this.clock = clock;
    this.resting = resting;
    this.settled();
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
    // What it has rested for is not known any more: its caller may have been answered.
    if (restarted && state.spec.rests_alone === "for_good") presence.isAlone ||= state.pausedSpans.length > 0;
    if (restarted && state.spec.watched) presence.left();
    return presence;
  }

  /** True while all watchers are at rest, or none is needed: the run may leave memory, for what comes wakes its object. */
  get isResting(): boolean {
    return this.count === 0 && this.grace === null && (this.resting() > 0 || this.isAlone);
  }

  /** A command has been obeyed: the run may have come to rest, or go on. */
  settled(): void {
    const { state } = this.driver;
    const how = state?.spec.rests_alone;
    if (how === undefined || (how === "for_good" && this.isAlone)) return;
    const isAlone = restsFor(state as ExecutionState);
    if (isAlone === this.isAlone) return;
    this.isAlone = isAlone;
    if (isAlone) this.rested();
    else this.left();
  }

  /** Registers a watcher; the returned function, idempotent, removes it, and takes what `left` takes. */
  enter(): (late_ms?: number) => void {
    this.count += 1;
    this.rested();
    let left = false;
    return (late_ms) => {
      if (left) return;
      left = true;
      this.count -= 1;
      this.left(late_ms);
    };
  }

  /** A watcher has come to rest, or none is needed. */
  rested(): void {
    this.grace?.stop();
    this.grace = null;
  }

  /** A watcher that may have been the last one has gone. @param late_ms one that comes to rest may take so much longer */
  left(late_ms = 0): void {
    if (this.count > 0 || this.resting() > 0 || this.isAlone) return;
    const ms = TIMINGS.DISCONNECT_GRACE_MS + late_ms;
    const until = this.clock.now() + ms;
    if (this.grace !== null && this.grace.until >= until) return;
    this.grace?.stop();
    const stop = this.clock.after(ms, () => {
      this.grace = null;
      this.driver.submit({ type: "cancel", reason: "the last watcher disconnected" });
    });
    this.grace = { until, stop };
  }
}

/** Whether a run whose readers leave it at rest has ended their streams, or has answered its caller. */
function restsFor(state: ExecutionState): boolean {
  const { spec, status, stages } = state;
  if (status !== "waiting") return status === "paused";
  // To the reader of a stream an agent that calls back later is at work.
  return spec.rests_alone === "for_good"
    ? awaitsPerson(state)
    : stages.every(({ wait }) => wait?.reason !== "callback");
}
