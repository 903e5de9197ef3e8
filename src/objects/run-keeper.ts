// The in-memory state of an execution's object: its driver, its outbox, its watchers, and the alarm that brings it
// back. Owns when a run is opened, when it is released, and what the alarm's handler does.
//
// I15: the alarm's handler joins the running loop and re-arms before it returns; it never throws, since the platform
// gives up on an alarm after six failures.
import type { ExecutionText } from "../engine/object-protocol.ts";
import { hasEnded } from "../adapters/log/last-event.ts";
import { RECORD_PREFIX } from "../adapters/log/record.ts";
import { clearMark, markRecovery } from "../adapters/log/recovery-mark.ts";
import { writeLog } from "../adapters/platform/system.ts";
import { composeListing, composePorts, composeReceivers } from "../compose.ts";
import type { Env } from "../settings.ts";
import { LIMITS } from "../contract/limits.ts";
import { nextActions } from "../core/execution/next-actions.ts";
import { wasReported } from "../core/execution/report-times.ts";
import type { RunSpec } from "../core/execution/run-spec.ts";
import { type ExecutionState, isTerminal } from "../core/execution/state.ts";
import { retainedUntil } from "../core/execution/retention.ts";
import { executionPieces } from "../core/execution/view.ts";
import { logLine, lostReports } from "../core/monitoring/log-line.ts";
import { TIMINGS } from "../core/timings.ts";
import { alarmWork } from "../engine/run/alarm-work.ts";
import type { QuietCall } from "../engine/call/run-cache.ts";
import { ExecutionDriver } from "../engine/run/driver.ts";
import type { EventFeed } from "../engine/watch/feed.ts";
import { isolateBudget } from "../engine/run/isolate-budget.ts";
import { refreshListing } from "../engine/watch/listing-refresh.ts";
import { LogLines } from "../engine/watch/log-lines.ts";
import { Outbox } from "../engine/watch/outbox.ts";
import { LogCorrupted, LogFormatUnknown, type Ports } from "../engine/ports.ts";
import { restWatch } from "../engine/run/rest-watch.ts";
import { Presence } from "../engine/watch/presence.ts";
import { specWeight } from "../engine/run/run-memory.ts";
import { type Text, textOf } from "../engine/watch/text-stream.ts";
import { recoverySlot } from "../engine/run/recovery-pacing.ts";
import { brotliDecoder } from "./brotli.ts";
import { withTimeLimit } from "../engine/time-limit.ts";

/** A run is not brought into memory: see engine/run/isolate-budget.ts. */
export class IsolateFull extends Error {}

export class RunKeeper {
  /** Readers of its events. */
  readonly feeds = new Set<EventFeed>();
  presence: Presence | null = null;
  outbox: Outbox | null = null;
  private readonly ctx: DurableObjectState;
  private readonly env: Env;
  private ports: Ports;
  private driver: ExecutionDriver | null = null;
  /** False for a run without storage, whose alarm is a timer. */
  private isPersisted = true;
  /** The log's content when it was last read. */
  private lastKnown: ExecutionState | null = null;
  /** Texts on their way to a caller. */
  private texts = 0;
  /** Watchers of the driver that belong to the object and not to a caller. */
  private ownWatchers = 0;
  /** An alarm is being handled. */
  private isHandling = false;
  /** One is, or was set by this instance to come soon. */
  private alarmIsDue = false;
  /** In a row, without anything written in between: records that were refused, alarms whose handling went wrong. */
  private faults = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    this.ctx = ctx;
    this.env = env;
    this.ports = this.portsOf();
  }

  get clock(): Ports["clock"] {
    return this.ports.clock;
  }

  /** Whether this instance has the call in flight. @param call the `seq` of its stage.started */
  isCalling(call: number): boolean {
    return this.driver?.isCalling(call) ?? false;
  }

  /** See RunCache; null where this instance has no run that goes on. */
  async shareCalls(): Promise<readonly QuietCall[] | null> {
    return (await this.driver?.cache.share()) ?? null;
  }

  /**
   * Starts a run in the object, which has none.
   * @throws IsolateFull, and what broke the driver in its first batch
   */
  start(spec: RunSpec): ExecutionDriver {
    if (this.ports.memory?.take(specWeight(spec)) === false) {
      this.ports.memory.free();
      throw new IsolateFull();
    }
    if (spec.storage === "memory") {
      this.isPersisted = false;
      this.ports = this.portsOf();
      this.driver = this.openDriver();
    }
    const driver = this.driver as ExecutionDriver;
    if (!this.isPersisted) refreshListing(driver, this.ports.clock, composeListing(this.env));
    driver.submit({ type: "start", spec });
    this.presence = Presence.of(driver, this.ports.clock, false);
    return working(driver);
  }

  /** There is no run: it uses no memory. */
  leave(): void {
    this.ports.memory?.free();
  }

  /** Handles the alarm, and sets the next one. */
  async handleAlarm(info?: AlarmInvocationInfo): Promise<void> {
    this.alarmIsDue = true;
    this.isHandling = true;
    const next = await this.runUntilIdle(info);
    this.isHandling = false;
    this.rest();
    this.alarmIsDue = next !== null && next <= this.ports.clock.now() + TIMINGS.ALARM_JOIN_MS;
    if (next === null) return;
    if (this.isPersisted) await this.ctx.storage.setAlarm(next);
    else this.ports.alarm.set(next);
  }

  /** The alarm's work. When it must come again, ms since the epoch, or null. */
  private async runUntilIdle(info: AlarmInvocationInfo | undefined): Promise<number | null> {
    // How often in a row the platform has seen the handler of this alarm crash.
    const crashes = info?.retryCount ?? 0;
    // Whether a retry has the time of its first try is not documented: it proves nothing.
    const scheduled = info === undefined || info.isRetry ? null : info.scheduledTime;
    const before = this.faults;
    try {
      if (this.driver === null) {
        const waking = { scheduled, mayMove: crashes === 0, hasEnded: () => hasEnded(this.ctx.storage) };
        const later = await recoverySlot(this.ports.clock, waking);
        // A request may have taken it up meanwhile.
        if (later !== null && this.driver === null) return later;
        this.reserveMemory(false);
      }
      const counted = Math.max(crashes, before);
      const driver = await this.resume(counted);
      if (driver.fault !== null) return this.retryAt();
      this.faults = 0;
      const work = await alarmWork(driver, this.outbox, this.ports, scheduled);
      if (work.next === "release") this.release(work.state);
      if (work.next !== "forget") return work.at;
      this.logLostReports(work.state, work.lost);
      await this.wipe();
      return null;
    } catch (cause) {
      // I15: after a rollback the version that can read the log is deployed again, and continues with it.
      if (cause instanceof LogFormatUnknown) return this.ports.clock.now() + TIMINGS.FORMAT_RETRY_MS;
      // A log that cannot be read is kept for inspection; the run cannot continue.
      if (cause instanceof LogCorrupted) return null;
      if (cause instanceof IsolateFull) {
        return this.ports.clock.now() + Math.round(TIMINGS.ISOLATE_RETRY_MS * (1 + this.ports.chance()));
      }
      // A record that was refused has been counted.
      if (this.faults === before) this.faults += 1;
      return this.retryAt();
    }
  }

  /** Resumes the run, with a recovery mark if the platform has counted crashes, until it need not stay in memory. */
  private async resume(crashes: number): Promise<ExecutionDriver> {
    const isMarked = this.driver === null && crashes > 0;
    const cut = isMarked ? await markRecovery(this.ctx.storage, RECORD_PREFIX) : 0;
    const driver = this.driver ?? this.openDriver();
    const leave = driver.attend();
    try {
      this.open({ crashes, cut }, driver);
      if (isMarked) clearMark(this.ctx.storage);
      // The platform drops an alarm whose handler has crashed six times: a run that goes on in spite of its neighbours'
      // crashes has its alarm handled, and set again, before that.
      if (crashes < TIMINGS.RECOVERIES_WITHOUT_PROGRESS) await this.untilHandlerLimit(driver.drive());
      return driver;
    } finally {
      leave();
    }
  }

  /** Resolves with the task, or once the platform would end the handler. */
  private async untilHandlerLimit(task: Promise<void>): Promise<void> {
    await withTimeLimit(this.ports.clock, TIMINGS.ALARM_HOLD_MS, task, () => {});
  }

  /** When to try again after a fault, ms since the epoch: later each time, and at the deadline if that is sooner. */
  private retryAt(): number {
    const now = this.ports.clock.now();
    const wait_ms = TIMINGS.ALARM_RETRY_MS * 2 ** Math.min(Math.max(0, this.faults - 1), MOST_DOUBLINGS);
    const due = this.lastKnown === null ? null : nextActions(this.lastKnown).wake_at;
    return due !== null && due > now ? Math.min(due, now + wait_ms) : now + wait_ms;
  }

  /**
   * The first caller reads the log and resumes its run. A run that has recovered in vain too often is resumed
   * by its alarm alone, which knows what the platform has counted: else each reader of it would call its agents again.
   * @param alarm the state of the alarm's handler; absent for other callers
   * @throws LogCorrupted, IsolateFull, and what broke a driver in its first batch
   */
  open(
    alarm?: { crashes: number; cut: number },
    driver: ExecutionDriver = this.driver ?? this.openDriver(),
  ): ExecutionDriver {
    const isSuspect = (driver.state?.recoveriesWithoutProgress ?? 0) >= TIMINGS.RECOVERIES_WITHOUT_PROGRESS;
    if (alarm !== undefined || !isSuspect) driver.recover(alarm?.crashes, alarm?.cut);
    // Kept once it has started: a driver that failed to start is not reused.
    working(driver);
    if (this.driver !== driver) {
      this.driver = driver;
      this.presence = Presence.of(driver, this.ports.clock, true);
      if (isSuspect) void this.keepAlarm();
    }
    return driver;
  }

  /** A run that waits for its alarm has one, also where the platform has dropped it. */
  private async keepAlarm(): Promise<void> {
    if (!this.isHandling && (await this.ctx.storage.getAlarm()) === null) {
      this.ports.alarm.set(this.ports.clock.now() + TIMINGS.ALARM_JOIN_MS);
    }
  }

  /**
   * Takes the room for a run that is not in memory yet.
   * @param isBrief a caller asks, and not the alarm, with which the run goes on
   * @throws IsolateFull
   */
  private reserveMemory(isBrief: boolean): void {
    // What storage has is about what memory will have; a run of the largest size must always find room.
    const stored = Math.min(this.ctx.storage.sql.databaseSize, LIMITS.CONTEXT_MB * 1024 * 1024);
    if (this.ports.memory?.take(stored, isBrief) === false) throw new IsolateFull();
  }

  /** A driver of what the log holds, with an outbox that watches it. @throws LogCorrupted, IsolateFull */
  private openDriver(): ExecutionDriver {
    this.reserveMemory(true);
    const driver = ExecutionDriver.open(this.ports, (cause) => this.faulted(driver, cause));
    this.lastKnown = driver.state;
    driver.watch(new LogLines(driver, this.ports.clock, writeLog));
    const { alarm, clock, log } = this.ports;
    this.outbox = new Outbox(driver, this.ports, composeReceivers(this.env, log), {
      // An end without an alarm near (a cancelled pause) needs one that sees the outbox and retention through.
      pending: () => {
        if (!this.alarmIsDue) alarm.set(clock.now() + TIMINGS.ALARM_JOIN_MS);
      },
      // A run that has ended before its alarm fired never needs the handler.
      delivered: () => {
        if (this.isHandling || this.driver !== driver) return;
        this.setNextAlarm(driver);
        this.rest();
      },
    });
    const onRest = () => {
      if (this.driver === driver) this.rest();
    };
    driver.watch(restWatch(driver, this.ports, onRest));
    this.ownWatchers = driver.watcherCount;
    return driver;
  }

  /** Every receiver has an end or a pause: the alarm, which was set to come soon, is set to what comes next. */
  private setNextAlarm(driver: ExecutionDriver): void {
    const { state } = driver;
    if (state === null) return;
    if (isTerminal(state.status)) {
      this.ports.alarm.set(retainedUntil(state));
      this.release(state);
    } else if (state.status === "paused") {
      // With a call in flight the alarm must still fire soon.
      const until = driver.alarmAt() ?? 0;
      if (until > this.ports.clock.now()) this.ports.alarm.set(until);
    }
  }

  /** The log has rejected a record: this driver's state is invalid. The next caller opens a new driver. */
  private faulted(driver: ExecutionDriver, cause: unknown): void {
    this.faults += 1;
    const fields = {
      message: "a log record was rejected",
      execution_id: executionIdOf(this.ctx),
      ...faultFields(cause),
    };
    writeLog("ERROR", logLine("ERROR", this.ports.clock.now(), fields));
    if (this.driver === driver || this.driver === null) {
      this.driver = null;
      this.presence = null;
      this.outbox = null;
    }
    if (!this.isHandling) this.ports.alarm.set(this.retryAt());
  }

  private portsOf(): Ports {
    const onTimer = () => {
      if (!this.isHandling) void this.handleAlarm();
    };
    const ports = composePorts(this.env, this.ctx.storage, this.isPersisted, onTimer, brotliDecoder());
    const set = (at: number) => {
      const soon = ports.clock.now() + TIMINGS.ALARM_JOIN_MS;
      // The reports of a pause must be delivered, too.
      const due = this.outbox?.needsAlarm === true ? Math.min(at, soon) : at;
      this.alarmIsDue = due <= soon;
      ports.alarm.set(due);
    };
    const tenant = (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
    const memory = isolateBudget.share(this.ctx.id.toString(), tenant, this, ports.clock);
    return { ...ports, alarm: { set }, memory };
  }

  /** A pause that an earlier instance wrote and may not have reported is reported also where it is over now. */
  async noticePause(): Promise<void> {
    let driver: ExecutionDriver;
    try {
      driver = this.open();
    } catch {
      // The caller gets the same fault, and reports it.
      return;
    }
    const { state } = driver;
    if (state?.status !== "paused") return;
    const { outbox } = this;
    if (!wasReported(state, await this.ctx.storage.getAlarm())) outbox?.notice();
  }

  /** A line for an execution that is forgotten before every receiver had its end. */
  logLostReports(state: ExecutionState, receivers: readonly string[]): void {
    if (receivers.length > 0) writeLog("ERROR", lostReports(state, receivers, this.ports.clock.now()));
  }

  /**
   * Nothing happens in the run for now: a large one is released from memory until the next request, for the platform
   * keeps an object long after that.
   */
  rest(): void {
    const { driver } = this;
    if (driver === null || driver.state === null || this.isHandling || this.texts > 0) return;
    const { state } = driver;
    const isEnded = isTerminal(state.status);
    const isPending = this.outbox?.isPending === true;
    // A first report takes a moment, for which an ended run's memory may already be used by the next one.
    if (isEnded && this.outbox?.isRefused === true) driver.stays();
    else if (isPending && !isEnded && driver.isAtRest && this.ports.memory?.isLarge === true)
      this.outbox?.retryNow();
    // Pending timers and callers would continue with this driver in parallel to the next one.
    if (isPending || !driver.isAtRest || driver.watcherCount > this.ownWatchers) return;
    if (this.presence !== null && !isEnded) return;
    if (this.ports.memory?.isLarge === true) this.release(state);
    else this.ports.memory?.rest();
  }

  /** The current execution, after its pending batches are written. @throws the fault that broke the driver */
  shown(driver: ExecutionDriver): ExecutionText {
    driver.flush();
    const state = working(driver).state as ExecutionState;
    return { status: state.status, started_at: state.started_at, json: this.textOf(executionPieces(state)) };
  }

  /** A text that is read from the run while it goes out: until then the run stays in memory. */
  textOf(pieces: Iterator<string>): Text {
    const text = textOf(pieces, () => {
      this.texts -= 1;
      this.rest();
    });
    if (typeof text !== "string") this.texts += 1;
    return text;
  }

  /** Deletes everything, so that the object is as one that never was. */
  async wipe(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.ports.memory?.free();
    this.driver = null;
    this.presence = null;
    this.outbox = null;
    this.lastKnown = null;
    this.isPersisted = true;
    this.ports = this.portsOf();
    for (const feed of this.feeds) feed.close();
  }

  /**
   * Releases a run that has ended and been reported: the platform keeps an object long after that, and what the log
   * holds need not stay in memory. The next caller reads the log.
   */
  private release({ spec }: ExecutionState): void {
    if (spec.storage !== "durable_object") return;
    this.ports.memory?.free();
    this.driver = null;
    this.presence = null;
    this.outbox = null;
    this.lastKnown = null;
  }
}

/** The id of the execution that an object holds; its name is `tenant/id`. */
export function executionIdOf(ctx: DurableObjectState): string {
  return (ctx.id.name ?? "").split("/").at(-1) ?? "";
}

/** The driver, where it works. @throws what broke it */
function working(driver: ExecutionDriver): ExecutionDriver {
  if (driver.fault !== null) throw driver.fault.cause;
  return driver;
}

/** The name of the fault and the first words of its message, which name no data. */
function faultFields(cause: unknown): Record<string, string> {
  return cause instanceof Error ? { cause: cause.name, detail: cause.message } : { cause: String(cause) };
}

/** Of the wait after a fault: 5 s, doubled up to 85 minutes. */
const MOST_DOUBLINGS = 10;
