// The outbox (I13): what an execution tells the world of itself, off its own path. Receivers are told of each change
// of its status and drop what they know already; the end is told until all of them have it.
//
// Nothing is written for it. What is owed follows from the log (the status) and from the alarm, which is moved on to
// retention's end only once the end has been delivered: a crash before that brings the alarm, and so the outbox, back.
import type { ExecutionStatus } from "../contract/execution.ts";
import { type ExecutionState, isTerminal } from "../core/execution/state.ts";
import { PACE } from "../core/pace.ts";
import type { ExecutionDriver, Watcher } from "./drive.ts";
import type { Clock } from "./ports.ts";

/** Takes what it needs of an execution's state. Rejects where it must be told again; may be told twice. */
export type Receiver = (state: ExecutionState) => Promise<void>;

/** What the end of an execution means for its alarm. */
export interface Ends {
  /** It has ended: if this instance dies now, somebody must come and `settle`. */
  owed(): void;
  /** Every receiver knows. */
  delivered(): void;
}

export class Outbox implements Watcher {
  // Nobody sees the turns in between: they may share a commit.
  readonly sees_turns = false;
  private readonly driver: ExecutionDriver;
  private readonly clock: Clock;
  private readonly receivers: readonly Receiver[];
  private readonly ends: Ends;
  private noticed: ExecutionStatus | null = null;
  /** The `seq` with which the status last changed, and the one of which every receiver knows. */
  private owed = 0;
  private delivered = 0;
  private delivery: Promise<boolean> | null = null;
  private stopTimer: () => void = () => {};

  constructor(driver: ExecutionDriver, clock: Clock, receivers: readonly Receiver[], ends: Ends) {
    this.driver = driver;
    this.clock = clock;
    this.receivers = receivers;
    this.ends = ends;
    driver.watch(this);
  }

  callBegan(): void {}

  wake(): void {
    const { state, fault } = this.driver;
    // What a broken driver says is not in the log.
    if (fault) this.stopTimer();
    if (fault || state === null || state.status === this.noticed) return;
    const first = this.noticed === null;
    this.noticed = state.status;
    this.owed = state.seq;
    if (isTerminal(state.status)) {
      this.stopTimer();
      this.ends.owed();
      // Behind the answers to those who wait for the end: what is told costs time, and they come first.
      this.stopTimer = this.clock.after(0, () => {
        void this.settle().then((everybody) => {
          if (everybody) this.ends.delivered();
        });
      });
    } else {
      // A run that is over by then is told of once instead of twice.
      this.tellAfter(first ? PACE.OUTBOX_FIRST_MS : 0);
    }
  }

  /** Delivers what is owed; true where every receiver has it. */
  async settle(): Promise<boolean> {
    for (;;) {
      const { state, fault } = this.driver;
      if (fault) return false;
      if (state === null) return true;
      // An end that an earlier instance wrote is owed as well.
      if (isTerminal(state.status)) this.owed = state.seq;
      if (this.delivered >= this.owed) return true;
      if (this.delivery !== null) {
        await this.delivery;
        continue;
      }
      this.delivery = this.deliver(state);
      const everybody = await this.delivery;
      this.delivery = null;
      if (!everybody) return false;
    }
  }

  private async deliver(state: ExecutionState): Promise<boolean> {
    const told = await Promise.allSettled(this.receivers.map((receive) => receive(state)));
    const everybody = told.every((outcome) => outcome.status === "fulfilled");
    if (everybody) this.delivered = Math.max(this.delivered, state.seq);
    return everybody;
  }

  private tellAfter(ms: number): void {
    this.stopTimer();
    this.stopTimer = this.clock.after(ms, () => {
      void this.settle().then((everybody) => {
        // The end has the alarm behind it; until then this instance tries again.
        if (!everybody && !isTerminal(this.driver.state?.status ?? "completed")) {
          this.tellAfter(PACE.ALARM_RETRY_MS);
        }
      });
    });
  }
}
