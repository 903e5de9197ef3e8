// A run that waits in the queue of its conversation: it asks the execution index whether it may run, after its start,
// when the one before it has ended, and at its alarm, so that a message that was lost delays it and nothing else (I18).
import type { ExecutionState } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Clock } from "../ports.ts";
import { withTimeLimit } from "../time-limit.ts";
import type { Entered } from "../worker-ports.ts";
import type { ExecutionDriver } from "../run/driver.ts";

export class QueuedRun {
  private readonly driver: Pick<ExecutionDriver, "state" | "fault" | "submit">;
  private readonly clock: Clock;
  private readonly question: (state: ExecutionState) => Promise<Entered>;
  private asking: Promise<void> | null = null;
  /** Something has happened since the question in flight was sent. */
  private isStale = false;

  /** @param question asks the index */
  constructor(
    driver: Pick<ExecutionDriver, "state" | "fault" | "submit">,
    clock: Clock,
    question: (state: ExecutionState) => Promise<Entered>,
  ) {
    this.driver = driver;
    this.clock = clock;
    this.question = question;
  }

  /** A question is in flight: the run must not leave memory. */
  get isAsking(): boolean {
    return this.asking !== null;
  }

  /** Asks where the run is queued; resolves when it is answered, or has no answer in time. Never rejects. */
  ask(): Promise<void> {
    if (this.state === null) return Promise.resolve();
    this.isStale = this.isAsking;
    this.asking ??= this.askAll().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async askAll(): Promise<void> {
    do {
      this.isStale = false;
      const { state } = this;
      if (state === null) return;
      const answer = this.question(state).catch(() => null);
      const entered = await withTimeLimit(this.clock, TIMINGS.QUEUE_WAIT_MS, answer, () => null);
      if (entered?.admission.kind !== "admitted") continue;
      this.driver.submit({ type: "admit", history: entered.turns });
      return;
    } while (this.isStale);
  }

  /** Of a run that is queued. */
  private get state(): ExecutionState | null {
    const { state, fault } = this.driver;
    return fault === null && state?.status === "queued" ? state : null;
  }
}
