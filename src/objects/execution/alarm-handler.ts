// What the alarm of an execution's object does when it comes: it takes the run up, stays while it is busy, delivers its
// reports, and forgets it when its retention is over.
//
// I15: the handler joins the running loop, and the alarm is set again at its end; its work never throws, since the
// platform gives up on an alarm after six failures.
import { hasEnded } from "../../adapters/log/last-event.ts";
import { RECORD_PREFIX } from "../../adapters/log/record.ts";
import { clearMark, markRecovery } from "../../adapters/log/recovery-mark.ts";
import { TIMINGS } from "../../core/timings.ts";
import { NOTHING_ELSE } from "../../engine/run/alarm-keeper.ts";
import { alarmWork } from "../../engine/run/alarm-work.ts";
import type { ExecutionDriver } from "../../engine/run/driver.ts";
import { IsolateFull } from "../../engine/memory/isolate-budget.ts";
import { recoverySlot } from "../../engine/run/recovery-pacing.ts";
import { LogCorrupted, LogFormatUnknown } from "../../engine/ports.ts";
import { withTimeLimit } from "../../engine/time-limit.ts";
import type { RunKeeper } from "./run-keeper.ts";
import { logLostReports } from "./run-lines.ts";

export class AlarmHandler {
  private readonly storage: DurableObjectStorage;
  private readonly runs: RunKeeper;

  constructor(storage: DurableObjectStorage, runs: RunKeeper) {
    this.storage = storage;
    this.runs = runs;
  }

  /** Handles the alarm, and sets the next one. @param info absent for the timer of a run without storage */
  async handle(info?: AlarmInvocationInfo): Promise<void> {
    await this.runs.alarm.handle(() => this.work(info));
    this.runs.rest();
  }

  /** The alarm's work. What is left to do once the alarm is set. */
  private async work(info: AlarmInvocationInfo | undefined): Promise<() => void> {
    const { runs } = this;
    const { alarm, clock } = runs;
    // How often in a row the platform has seen the handler of this alarm crash.
    const crashes = info?.retryCount ?? 0;
    // Whether a retry has the time of its first try is not documented: it proves nothing.
    const scheduled = info === undefined || info.isRetry ? null : info.scheduledTime;
    const before = alarm.faults;
    if (runs.needsNoAlarm) return NOTHING_ELSE;
    try {
      if (runs.driver === null) {
        const waking = { scheduled, mayMove: crashes === 0, hasEnded: () => hasEnded(this.storage) };
        const later = await recoverySlot(clock, waking);
        // A request may have taken it up meanwhile.
        if (later !== null && runs.driver === null) {
          alarm.block(later);
          return NOTHING_ELSE;
        }
        runs.reserveMemory(false);
      }
      const driver = await this.resume(Math.max(crashes, before));
      if (driver.fault !== null || runs.outbox === null) return NOTHING_ELSE;
      alarm.recovered();
      const work = await alarmWork(driver, runs.outbox, runs, scheduled);
      // It was deleted meanwhile, and another run may have begun.
      if (runs.driver !== driver) return NOTHING_ELSE;
      if (work.next === "release") {
        runs.noteReported(work.state);
        return () => runs.release(work.state);
      }
      if (work.next === "forget") {
        logLostReports(work.state, work.lost, clock.now());
        await runs.wipe();
      }
    } catch (cause) {
      this.failed(cause, before);
    }
    return NOTHING_ELSE;
  }

  /** @param before faults before the alarm came */
  private failed(cause: unknown, before: number): void {
    const { alarm, clock, ports } = this.runs;
    if (cause instanceof LogFormatUnknown) {
      // I15: after a rollback the version that can read the log is deployed again, and continues with it.
      alarm.block(clock.now() + TIMINGS.FORMAT_RETRY_MS);
    } else if (cause instanceof IsolateFull) {
      alarm.block(clock.now() + Math.round(TIMINGS.ISOLATE_RETRY_MS * (1 + ports.chance())));
    } else if (!(cause instanceof LogCorrupted) && alarm.faults === before) {
      // A record that was refused has been counted. A log that cannot be read is kept for inspection, without an
      // alarm: the run cannot continue.
      alarm.fault();
    }
  }

  /** Resumes the run, with a recovery mark if the platform has counted crashes, until it need not stay in memory. */
  private async resume(crashes: number): Promise<ExecutionDriver> {
    const { runs } = this;
    const isMarked = runs.driver === null && crashes > 0;
    const cut = isMarked ? await markRecovery(this.storage, RECORD_PREFIX) : 0;
    const driver = runs.open({ crashes, cut });
    if (isMarked) clearMark(this.storage);
    // The platform drops an alarm whose handler has crashed six times: a run that goes on in spite of its neighbours'
    // crashes has its alarm handled, and set again, before that.
    if (crashes < TIMINGS.RECOVERIES_WITHOUT_PROGRESS) await this.untilHandlerLimit(this.driven(driver));
    return driver;
  }

  private async driven(driver: ExecutionDriver): Promise<void> {
    if (driver.state?.status === "queued") await this.runs.queued?.ask();
    await driver.drive();
  }

  /** Resolves with the task, or once the platform would end the handler. */
  private async untilHandlerLimit(task: Promise<void>): Promise<void> {
    await withTimeLimit(this.runs.clock, TIMINGS.ALARM_HOLD_MS, task, () => {});
  }
}
