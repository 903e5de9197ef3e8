// AlarmKeeper: the only code that sets the alarm of an execution's object (I15). It holds what the alarm is set to and
// why a run cannot be taken up; everything else it asks the driver and the outbox for. `renew` is called after every
// effect and sets the alarm to `nextAlarm`, if that is not what it is set to.
import {
  type AlarmFacts,
  nextAlarm,
  type ReportsDue,
  retryAfterFault,
} from "../../core/execution/alarm/next-alarm.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import type { Ports } from "../ports.ts";

/** The driver, as far as its alarm is concerned. */
interface KeptDriver {
  readonly state: ExecutionState | null;
  readonly isBusy: boolean;
  readonly isRecovered: boolean;
}

/** Nothing: the handler's work leaves nothing to do once the alarm is set. */
export const NOTHING_ELSE = (): void => {};

export class AlarmKeeper {
  /** They change with the run's storage. */
  private readonly ports: () => Pick<Ports, "alarm" | "clock">;
  private driver: KeptDriver | null = null;
  private outbox: { readonly reports: ReportsDue } | null = null;
  /** What the alarm is set to, ms since the epoch; `left`: as an earlier instance has left it. */
  private set: number | null | "left" = "left";
  /** What the log held when it was last read. */
  private found: ExecutionState | null = null;
  private blockedUntil: number | null = null;
  private handled = false;
  private faultsInRow = 0;

  constructor(ports: () => Pick<Ports, "alarm" | "clock">) {
    this.ports = ports;
  }

  /** The alarm is being handled. */
  get isHandled(): boolean {
    return this.handled;
  }

  /** In a row, without a run that was taken up in between: records that were refused, alarms whose work failed. */
  get faults(): number {
    return this.faultsInRow;
  }

  /** The run is in memory: these say what it needs from now on. */
  follow(driver: KeptDriver, outbox: { readonly reports: ReportsDue } | null): void {
    this.driver = driver;
    this.outbox = outbox;
    this.found = driver.state;
    this.blockedUntil = null;
  }

  /** The run has left memory, with its alarm set. */
  release(): void {
    this.driver = null;
    this.outbox = null;
    this.found = null;
  }

  /** Everything is deleted, the alarm too; one that is being handled goes on being handled. */
  forget(): void {
    this.release();
    this.set = null;
    this.blockedUntil = null;
  }

  /** The driver is broken: the next one goes on from the log. */
  broke(): void {
    this.driver = null;
    this.outbox = null;
    this.fault();
  }

  /** The run could not be taken up: the alarm takes it up later, after each fault in a row later still. */
  fault(): void {
    this.faultsInRow += 1;
    this.block(retryAfterFault(this.found, this.ports().clock.now(), this.faultsInRow));
  }

  /** The run has been taken up. */
  recovered(): void {
    this.faultsInRow = 0;
  }

  /** The run is to be taken up by an alarm at this time, ms since the epoch, and not before. */
  block(until: number): void {
    this.blockedUntil = until;
    this.renew();
  }

  /** The platform says that there is no alarm: it drops one whose handler has crashed six times. */
  dropped(): void {
    if (this.handled) return;
    this.set = null;
    this.renew();
  }

  /**
   * The alarm has come: it is being handled until the work is over, and is then set to what comes next.
   * @param work resolves with what is to be done then, in the same stretch
   */
  async handle(work: () => Promise<() => void>): Promise<void> {
    this.handled = true;
    this.set = null;
    this.blockedUntil = null;
    let then = NOTHING_ELSE;
    try {
      then = await work();
    } finally {
      this.handled = false;
    }
    const set = this.apply();
    then();
    await set;
  }

  /** Sets the alarm, if it must fire at another time than it is set to. */
  renew(): void {
    // Not awaited: the output gate holds back everything that depends on it, and resets the object if the write fails.
    this.apply()?.catch(() => {});
  }

  /** What the alarm's time follows from, beside the state. */
  facts(): AlarmFacts {
    const { driver, set } = this;
    return {
      now: this.ports().clock.now(),
      set: set === "left" ? null : set,
      isAsLeft: set === "left" && driver?.state === this.found,
      isHandled: this.handled,
      blockedUntil: this.blockedUntil,
      isBusy: driver?.isBusy ?? false,
      needsHandler: driver?.isRecovered === false,
      reports: this.outbox?.reports ?? "none",
    };
  }

  private apply(): Promise<void> | null {
    const at = nextAlarm(this.driver?.state ?? null, this.facts());
    if (at === null || at === this.set) return null;
    this.set = at;
    return this.ports().alarm.set(at);
  }
}
