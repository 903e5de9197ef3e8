// The outbox (I13): the reports of an execution to others, outside its critical path. Each receiver gets each change of
// status and of the open questions, or the latest where it comes too late for one, and drops what it has already; the end
// is reported until every receiver has it, or until the execution is deleted. A receiver that has a report does not get it
// again from this instance.
//
// Nothing is written for it: see core/execution/alarm/report-times.ts.
import type { ReportsDue } from "../../core/execution/alarm/next-alarm.ts";
import {
  type Change,
  changeSince,
  leftReported,
  type Reported,
  reported,
} from "../../core/execution/alarm/report-change.ts";
import { needsAlarm, nextReportAt } from "../../core/execution/alarm/report-times.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver, Watcher } from "../run/driver.ts";
import type { Ports } from "../ports.ts";
import { withTimeLimit } from "../time-limit.ts";

export interface Receiver {
  /** As the operator's log names it. */
  name: string;
  /** It is given every pause, also one that was over before the report; others get the latest state. */
  takesEachPause?: boolean;
  /** The same of each question that opens. */
  takesEachQuestion?: boolean;
  /** Takes what it needs of the state. Rejects where it must be given it again; may be given it twice. */
  receive(state: ExecutionState, change: Change): Promise<void>;
}

/** What the outbox needs from its object. */
export interface OutboxKeeper {
  /** An end or a pause is to be reported: `reports` says so from now on. */
  pending(): void;
  /** Every receiver has it. */
  delivered(): void;
}

export class Outbox implements Watcher {
  // No reader sees the batches in between: they may share a commit.
  readonly sees_batches = false;
  private readonly driver: ExecutionDriver;
  private readonly ports: Pick<Ports, "clock" | "chance">;
  private readonly queues: readonly ReportQueue[];
  private readonly keeper: OutboxKeeper;
  private noticed: Reported | null = null;
  /** What others had of the run when this instance found it. */
  private readonly left: Reported | null;
  private stopTimer: () => void = () => {};
  /** The start waits to be reported: a run that is over by then is reported once instead of twice. */
  private isDeferred = false;
  /**
   * Some receiver has refused the latest change; `again_at` is when the alarm makes the report again, ms since the
   * epoch, and null before the alarm's handler has tried, and where no try is left.
   */
  private refusal: { again_at: number | null } | null = null;

  constructor(
    driver: ExecutionDriver,
    ports: Pick<Ports, "clock" | "chance">,
    receivers: readonly Receiver[],
    keeper: OutboxKeeper,
  ) {
    this.driver = driver;
    this.ports = ports;
    this.queues = receivers.map((receiver) => new ReportQueue(receiver));
    this.keeper = keeper;
    this.left = leftReported(driver.state);
    driver.watch(this);
  }

  /** What the alarm has to do for the reports: a run that goes on makes its own. */
  get reports(): ReportsDue {
    const { state } = this.driver;
    if (state === null || !needsAlarm(state) || !this.isPending) return "none";
    return this.refusal?.again_at ?? "pending";
  }

  /** True while some receiver does not have the latest change. */
  get isPending(): boolean {
    return this.queues.some(({ isPending }) => isPending);
  }

  /** True while some receiver has refused the latest change: it may stay pending for long. */
  get isRefused(): boolean {
    return this.refusal !== null && this.isPending;
  }

  callBegan(): void {}

  wake(): void {
    const { state, fault } = this.driver;
    // The state of a broken driver is not in the log.
    if (fault) this.stopTimer();
    if (fault || state === null) return;
    // An end is reported after the answers to callers who wait for it, and a question at once.
    const isStart = this.noticed === null && this.left === null && !needsAlarm(state);
    this.noticed ??= this.left;
    if (!this.noteChange(state)) return;
    if (needsAlarm(state)) this.keeper.pending();
    this.isDeferred = isStart;
    this.reportAfter(this.isDeferred ? firstDelay(state) : 0);
  }

  /** Reports the start now, if it still waits: its run is to leave memory. */
  retryNow(): void {
    if (!this.isDeferred) return;
    this.isDeferred = false;
    this.reportAfter(0);
  }

  /** Takes the state as a change, also one that an earlier instance wrote. */
  notice(): void {
    const { state, fault } = this.driver;
    if (!fault && state !== null) this.noteChange(state);
  }

  /** False where it is none. */
  private noteChange(state: ExecutionState): boolean {
    const change = changeSince(this.noticed, state);
    if (change === null) return false;
    this.noticed = reported(state);
    this.refusal = null;
    for (const queue of this.queues) queue.add({ state, change });
    return true;
  }

  /** Delivers what is pending. The names of the receivers that refused. */
  async settle(): Promise<readonly string[]> {
    this.notice();
    while (this.isPending) {
      const refused = await this.deliver();
      if (refused.length > 0) {
        this.refusal ??= { again_at: null };
        return refused;
      }
    }
    this.refusal = null;
    return [];
  }

  /**
   * As `settle`, for a caller who does not wait longer: a receiver that does not answer for so long counts as one that
   * refused. The alarm makes the report again.
   */
  async settleWithin(ms: number): Promise<readonly string[]> {
    const pending = () => this.queues.filter(({ isPending }) => isPending).map(({ name }) => name);
    const refused = await withTimeLimit(this.ports.clock, ms, this.settle(), pending);
    if (refused.length > 0) this.refusal = { again_at: this.againAt() };
    return refused;
  }

  /** When a report that was refused now is made again, ms since the epoch; null where no try is left. */
  private againAt(): number | null {
    const { state } = this.driver;
    const { clock, chance } = this.ports;
    return state === null ? null : nextReportAt(state, clock.now(), chance());
  }

  private async deliver(): Promise<string[]> {
    const taken = await Promise.all(this.queues.map((queue) => queue.deliver()));
    return this.queues.filter((_, at) => taken[at] === false).map(({ name }) => name);
  }

  private reportAfter(ms: number): void {
    this.stopTimer();
    this.stopTimer = this.ports.clock.after(ms, () => {
      this.isDeferred = false;
      void this.settle().then((refused) => {
        if (refused.length === 0) this.keeper.delivered();
        else this.reportAgain();
      });
    });
  }

  /** An end and a pause have the alarm for it; all else this instance tries again. */
  private reportAgain(): void {
    const { state, fault } = this.driver;
    if (fault || state === null || needsAlarm(state)) return;
    const at = this.againAt();
    if (at !== null) this.reportAfter(at - this.ports.clock.now());
  }
}

function firstDelay({ recoveries }: ExecutionState): number {
  return recoveries === 0 ? TIMINGS.OUTBOX_FIRST_MS : TIMINGS.OUTBOX_RECOVERED_MS;
}

interface Report {
  state: ExecutionState;
  change: Change;
}

/** The pending reports of one receiver, oldest first. */
class ReportQueue {
  readonly name: string;
  private reports: Report[] = [];
  private readonly receiver: Receiver;
  private delivery: Promise<boolean> | null = null;

  constructor(receiver: Receiver) {
    this.name = receiver.name;
    this.receiver = receiver;
  }

  get isPending(): boolean {
    return this.reports.length > 0;
  }

  add(report: Report): void {
    this.reports = [...this.reports.filter((earlier) => this.isKept(earlier)), report];
  }

  /** The receiver is given it also where a later one has come. */
  private isKept({ state, change }: Report): boolean {
    const { takesEachPause = false, takesEachQuestion = false } = this.receiver;
    return (takesEachPause && isPause(state)) || (takesEachQuestion && change.opened.length > 0);
  }

  /** False where the receiver refused. One that takes its time delays no other queue. */
  deliver(): Promise<boolean> {
    this.delivery ??= this.deliverAll().finally(() => {
      this.delivery = null;
    });
    return this.delivery;
  }

  private async deliverAll(): Promise<boolean> {
    for (let report = this.reports[0]; report !== undefined; report = this.reports[0]) {
      try {
        await this.receiver.receive(report.state, report.change);
      } catch {
        return false;
      }
      // A change that came meanwhile may have taken its place.
      if (this.reports[0] === report) this.reports = this.reports.slice(1);
    }
    return true;
  }
}

function isPause({ status }: ExecutionState): boolean {
  return status === "paused";
}
