// The run of an execution's object in memory: its driver, its outbox, its watchers, its share of the isolate's memory.
// Owns when a run is opened and when it is released. Its alarm is src/objects/execution/alarm-handler.ts.
import type { ExecutionText } from "../../engine/object-protocol.ts";
import { writeLog } from "../../adapters/platform/system.ts";
import { composeListing, composePorts, composeReceivers, composeStanding } from "../../compose.ts";
import type { Env } from "../../settings.ts";
import { LIMITS } from "../../contract/limits.ts";
import { endWasReported, needsAlarm, wasReported } from "../../core/execution/alarm/report-times.ts";
import { isDeletedByIndex, retainedUntil } from "../../core/execution/alarm/retention.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { type ExecutionState, isAtRest, isTerminal } from "../../core/execution/state.ts";
import { executionPieces } from "../../core/execution/view/view.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { QuietCall } from "../../engine/call/run-cache.ts";
import type { QueuePlace } from "../../core/execution/command.ts";
import { AlarmKeeper } from "../../engine/run/alarm-keeper.ts";
import { ExecutionDriver } from "../../engine/run/driver.ts";
import type { EventFeed } from "../../engine/watch/feed.ts";
import { IsolateFull, isolateBudget } from "../../engine/memory/isolate-budget.ts";
import { refreshListing } from "../../engine/watch/listing-refresh.ts";
import { LogLines } from "../../engine/watch/log-lines.ts";
import { Outbox } from "../../engine/watch/outbox.ts";
import type { Ports } from "../../engine/ports.ts";
import { QueuedRun } from "../../engine/watch/queued-run.ts";
import { restWatch } from "../../engine/run/rest-watch.ts";
import { Presence } from "../../engine/watch/presence.ts";
import {
  type ReaderKind,
  type ReaderSockets,
  restsAfter,
  RestingReaders,
} from "../../engine/watch/resting-readers.ts";
import { specWeight } from "../../engine/memory/run-memory.ts";
import type { Text } from "../../engine/watch/text-stream.ts";
import { brotliDecoder } from "../brotli.ts";
import { OpenTexts } from "./open-texts.ts";
import { noteRejected } from "./run-lines.ts";

export class RunKeeper {
  /** Readers of its events. */
  readonly feeds = new Set<EventFeed>();
  presence: Presence | null = null;
  outbox: Outbox | null = null;
  /** Of the driver, where there is one. */
  queued: QueuedRun | null = null;
  driver: ExecutionDriver | null = null;
  readonly alarm = new AlarmKeeper(() => this.ports);
  private readonly ctx: DurableObjectState;
  private readonly env: Env;
  /** They change with the run's storage. */
  ports: Ports;
  /** The run has ended, and this instance has seen that every receiver has its end: no alarm has anything to do. */
  private hasReportedEnd = false;
  /** False for a run without storage, whose alarm is a timer. */
  private isPersisted = true;
  private readonly texts = new OpenTexts(() => this.rest());
  readonly resting: RestingReaders;
  /** Of a run that was released at rest: nothing happens in it before it is opened again. */
  private released: Released | null = null;
  /** Watchers of the driver that belong to the object and not to a caller. */
  private ownWatchers = 0;
  private readonly onTimer: () => void;

  /** @param onTimer handles the alarm of a run without storage */
  constructor(ctx: DurableObjectState, env: Env, onTimer: () => void) {
    this.ctx = ctx;
    this.env = env;
    this.onTimer = onTimer;
    this.ports = this.portsOf();
    const sockets: ReaderSockets = {
      accept: (socket, kind) => ctx.acceptWebSocket(socket, [kind]),
      all: (kind) => ctx.getWebSockets(kind),
    };
    this.resting = new RestingReaders(sockets, () => this.presence?.left());
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

  /** Resolves once a run that has ended in this instance has reported its end, or was refused. */
  async reportEnd(): Promise<void> {
    const state = this.driver?.state ?? null;
    if (state !== null && isTerminal(state.status)) await this.outbox?.settle();
  }

  /**
   * Starts a run in the object, which has none.
   * @throws IsolateFull, and what broke the driver in its first batch
   */
  start(spec: RunSpec, queued?: QueuePlace): ExecutionDriver {
    this.hasReportedEnd = false;
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
    driver.submit({ type: "start", spec, ...(queued === undefined ? {} : { queued }) });
    // The one before it may have ended since it was given its place.
    void this.queued?.ask();
    this.presence = this.presenceOf(driver, false);
    return working(driver);
  }

  /** There is no run: it uses no memory. */
  leave(): void {
    this.ports.memory?.free();
  }

  /**
   * The first caller reads the log and resumes its run. A run that has recovered in vain too often is resumed
   * by its alarm alone, which knows what the platform has counted: else each reader of it would call its agents again.
   * @param alarm the state of the alarm's handler; absent for other callers
   * @throws LogCorrupted, IsolateFull, and what broke a driver in its first batch
   */
  open(alarm?: { crashes: number; cut: number }): ExecutionDriver {
    const driver = this.driver ?? this.openDriver();
    const isSuspect = (driver.state?.recoveriesWithoutProgress ?? 0) >= TIMINGS.RECOVERIES_WITHOUT_PROGRESS;
    if (alarm !== undefined || !isSuspect) driver.recover(alarm?.crashes, alarm?.cut);
    // Kept once it has started: a driver that failed to start is not reused.
    working(driver);
    if (this.driver !== driver) {
      this.driver = driver;
      this.presence = this.presenceOf(driver, true);
      // It waits for its alarm, which the platform may have dropped.
      if (isSuspect) void this.ctx.storage.getAlarm().then((at) => at ?? this.alarm.dropped());
    }
    return driver;
  }

  /** Nothing is stored here. */
  get isEmpty(): boolean {
    return Array.from(this.ctx.storage.kv.list({ limit: 1 })).length === 0;
  }

  /**
   * Takes the room for a run that is not in memory yet.
   * @param isBrief a caller asks, and not the alarm, with which the run goes on
   * @throws IsolateFull
   */
  reserveMemory(isBrief: boolean): void {
    // What storage has is about what memory will have; a run of the largest size must always find room. An object that
    // holds nothing is not asked for its size: that costs as much as a request to another object does in JavaScript.
    const { sql } = this.ctx.storage;
    const stored = this.isEmpty ? 0 : Math.min(sql.databaseSize, LIMITS.CONTEXT_MB * 1024 * 1024);
    if (this.ports.memory?.take(stored, isBrief) === false) throw new IsolateFull();
  }

  /** A driver of what the log holds, with an outbox that watches it. @throws LogCorrupted, IsolateFull */
  private openDriver(): ExecutionDriver {
    this.reserveMemory(true);
    this.released = null;
    const driver = ExecutionDriver.open(this.ports, {
      fault: (cause) => this.faulted(driver, cause),
      settled: () => {
        this.alarm.renew();
        if (this.driver === driver) this.presence?.settled();
      },
    });
    driver.watch(new LogLines(driver, this.ports.clock, writeLog));
    const outbox = new Outbox(driver, this.ports, composeReceivers(this.env, this.ports.log), {
      pending: () => this.alarm.renew(),
      // A run that has ended before its alarm fired never needs the handler.
      delivered: () => {
        if (this.alarm.isHandled || this.driver !== driver) return;
        this.alarm.renew();
        if (driver.state !== null && isTerminal(driver.state.status)) {
          this.noteReported(driver.state);
          this.release(driver.state);
        }
        this.rest();
      },
    });
    this.outbox = outbox;
    this.queued = new QueuedRun(driver, this.ports.clock, composeStanding(this.env));
    this.alarm.follow(driver, outbox);
    const onRest = () => {
      if (this.driver === driver) this.rest();
    };
    driver.watch(restWatch(driver, this.ports, onRest));
    driver.watch(this.resting);
    this.ownWatchers = driver.watcherCount;
    return driver;
  }

  private presenceOf(driver: ExecutionDriver, restarted: boolean): Presence | null {
    return Presence.of(driver, this.ports.clock, restarted, () => this.resting.watchers);
  }

  /** Keeps the socket of a reader that has the events up to `seq`, in a run that is open. */
  keepReader(socket: WebSocket, seq: number, driver: ExecutionDriver): void {
    const rests = restsAfter(driver, seq);
    this.resting.accept(socket, kindOf(driver.state as ExecutionState), rests);
    if (rests) this.presence?.rested();
    this.rest();
  }

  /**
   * The same in a run that was released at rest, which is not read from the log for each of many readers; false where
   * it is not so, or is another one.
   * @param started_at of the reader's run, ms since the epoch; null where that is not known
   */
  keepReaderOfReleased(socket: WebSocket, seq: number, started_at: number | null): boolean {
    const { released } = this;
    if (released === null || (started_at !== null && started_at !== released.started_at)) return false;
    this.resting.accept(socket, released.kind, seq >= released.seq);
    return true;
  }

  /** The log has rejected a record: this driver's state is invalid. The next caller opens a new driver. */
  private faulted(driver: ExecutionDriver, cause: unknown): void {
    noteRejected(executionIdOf(this.ctx), cause, this.ports.clock.now());
    if (this.driver !== driver && this.driver !== null) return;
    this.drop();
    this.alarm.broke();
  }

  private portsOf(): Ports {
    const ports = composePorts(this.env, this.ctx.storage, this.isPersisted, this.onTimer, brotliDecoder());
    const tenant = (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
    const memory = isolateBudget.share(this.ctx.id.toString(), tenant, this, ports.clock);
    return { ...ports, memory };
  }

  /** A pause or question that an earlier instance wrote and may not have reported is reported also where it is over now. */
  async noticePause(): Promise<void> {
    let driver: ExecutionDriver;
    try {
      driver = this.open();
    } catch {
      // The caller gets the same fault, and reports it.
      return;
    }
    const { state } = driver;
    if (state === null || isTerminal(state.status) || !needsAlarm(state)) return;
    const { outbox } = this;
    if (!wasReported(state, await this.ctx.storage.getAlarm())) outbox?.notice();
  }

  /**
   * Nothing happens in the run for now: a large one is released from memory until the next request, for the platform
   * keeps an object long after that.
   */
  rest(): void {
    const { driver } = this;
    if (driver === null || driver.state === null || this.alarm.isHandled || !this.texts.isEmpty) return;
    const { state } = driver;
    const isEnded = isTerminal(state.status);
    const isPending = this.outbox?.isPending === true;
    // A first report takes a moment, for which an ended run's memory may already be used by the next one.
    if (isEnded && this.outbox?.isRefused === true) driver.stays();
    else if (isPending && !isEnded && !driver.isBusy && this.ports.memory?.isLarge === true)
      this.outbox?.retryNow();
    // Pending timers and callers would continue with this driver in parallel to the next one.
    if (isPending || driver.isBusy || driver.callbacks.size > 0 || driver.watcherCount > this.ownWatchers)
      return;
    if (this.queued?.isAsking === true) return;
    if (this.presence !== null && !isEnded && !this.presence.isResting) return;
    if (this.ports.memory?.isLarge === true) this.release(state);
    else this.ports.memory?.rest();
  }

  /** The driver, after its pending batches are written. @throws the fault that broke the driver */
  flush(driver: ExecutionDriver): ExecutionDriver {
    driver.flush();
    return working(driver);
  }

  /** The current execution, after its pending batches are written. @throws the fault that broke the driver */
  shown(driver: ExecutionDriver): ExecutionText {
    const state = this.flush(driver).state as ExecutionState;
    return { status: state.status, started_at: state.started_at, json: this.textOf(executionPieces(state)) };
  }

  /** A text that is read from the run while it goes out: until then the run stays in memory. */
  textOf(pieces: Iterator<string>): Text {
    return this.texts.textOf(pieces);
  }

  /** Whether every receiver has the end of this run, which may have been reported by an earlier instance. */
  async isReported(state: ExecutionState): Promise<boolean> {
    if (this.hasReportedEnd) return true;
    // While an alarm is handled there is none.
    return !this.alarm.isHandled && endWasReported(state, await this.ctx.storage.getAlarm());
  }

  /** The alarm that was set at the start of a run that is over and reported. */
  get needsNoAlarm(): boolean {
    return this.hasReportedEnd;
  }

  /** Every receiver has the end of this run, as this instance knows. */
  noteReported(state: ExecutionState): void {
    this.hasReportedEnd = isTerminal(state.status) && isDeletedByIndex(state);
  }

  /** Whether the run's retention is over, though the index has not had it deleted yet. */
  isExpired(state: ExecutionState): boolean {
    return (
      state.ended_at !== null && isDeletedByIndex(state) && retainedUntil(state) <= this.ports.clock.now()
    );
  }

  /** Makes room for another run where this one has expired, unless an alarm may be on its way to report it. */
  async dropExpired(): Promise<void> {
    const state = this.driver?.state ?? null;
    if (state === null || !this.isExpired(state)) return;
    const isLate = retainedUntil(state) + TIMINGS.RETENTION_GRACE_MS <= this.ports.clock.now();
    if (this.hasReportedEnd || (isLate && (await this.isReported(state)))) await this.wipe();
  }

  /** Deletes everything, so that the object is as one that never was. */
  async wipe(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.ports.memory?.free();
    this.drop();
    this.alarm.forget();
    this.hasReportedEnd = false;
    this.isPersisted = true;
    this.released = null;
    this.ports = this.portsOf();
    for (const feed of this.feeds) feed.close();
    this.resting.wake();
  }

  /** Releases a run in which nothing happens for now: what the log holds need not stay in memory. */
  release(state: ExecutionState): void {
    if (state.spec.storage !== "durable_object") return;
    const { seq, started_at } = state;
    this.released = isAtRest(state) ? { seq, started_at, kind: kindOf(state) } : null;
    this.ports.memory?.free();
    this.drop();
    this.alarm.release();
  }

  private drop(): void {
    this.driver = null;
    this.presence = null;
    this.outbox = null;
    this.queued = null;
  }
}

/** The id of the execution that an object holds; its name is `tenant/id`. */
export function executionIdOf(ctx: DurableObjectState): string {
  return (ctx.id.name ?? "").split("/").at(-1) ?? "";
}

interface Released {
  seq: number;
  /** Ms since the epoch. */
  started_at: number;
  kind: ReaderKind;
}

function kindOf({ spec }: ExecutionState): ReaderKind {
  return spec.on_disconnect === "cancel" ? "watcher" : "reader";
}

/** The driver, where it works. @throws what broke it */
function working(driver: ExecutionDriver): ExecutionDriver {
  if (driver.fault !== null) throw driver.fault.cause;
  return driver;
}
