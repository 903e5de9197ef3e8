// The Durable Object of one execution: a thin shell that hands requests and alarms to the engine. Owns the way in
// (fetch where a gone client must be noticed, RPC for all else, the alarm) and nothing of what is decided.
//
// I15: the alarm's handler joins the running loop and re-arms before it returns; it never throws, since the platform
// gives up on an alarm after six failures.
import { DurableObject } from "cloudflare:workers";
import {
  type ControlCommand,
  type ExecutionRpc,
  type ExecutionText,
  type FollowMessage,
  REFUSAL_TYPE,
  type RunMessage,
  STATUS_HEADER,
  withStreamUrl,
} from "../adapters/objects/execution-api.ts";
import { hasEnded } from "../adapters/log/last-event.ts";
import { TERMS_HEADER, termsOf } from "../adapters/objects/stream-terms.ts";
import { writeLog } from "../adapters/system.ts";
import { composePorts, composeReceivers, composeShared, type Env, forgetExecution } from "../compose.ts";
import { LIMITS } from "../contract/limits.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import { wireJson } from "../core/execution/log-event.ts";
import { type ExecutionState, isTerminal } from "../core/execution/state.ts";
import { executionJson } from "../core/execution/view.ts";
import { nextReportAt, retainedUntil, wasReported } from "../core/execution/report-times.ts";
import { lostReports } from "../core/monitoring/log-line.ts";
import { PACE } from "../core/pace.ts";
import { ExecutionDriver } from "../engine/drive.ts";
import { EventFeed } from "../engine/feed.ts";
import { isolateBudget } from "../engine/isolate-budget.ts";
import { LogLines } from "../engine/log-lines.ts";
import { Outbox } from "../engine/outbox.ts";
import { LogCorrupted, type Ports } from "../engine/ports.ts";
import { Presence } from "../engine/presence.ts";
import { specWeight } from "../engine/run-memory.ts";
import { wakeTurn } from "../engine/wake-turn.ts";
import { sseStream } from "../engine/feed-stream.ts";
import { answerWatched, waitForCaller } from "../engine/wait.ts";

export class ExecutionObject extends DurableObject<Env> implements ExecutionRpc {
  private ports: Ports;
  private driver: ExecutionDriver | null = null;
  private presence: Presence | null = null;
  private outbox: Outbox | null = null;
  private readonly feeds = new Set<EventFeed>();
  /** An alarm is being handled. */
  private isHandling = false;
  /** One is, or was set by this instance to come soon. */
  private alarmIsDue = false;
  /** Alarms in a row whose handling went wrong. */
  private faults = 0;
  /** Watchers of the driver that belong to this object and not to a caller. */
  private ownWatchers = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.ports = this.portsOf(true);
  }

  override async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    if (request.method === "POST") return this.follow(await request.json(), request.signal);
    return this.stream(Number(searchParams.get("after")), searchParams.has("resumes"), request.signal);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.alarmIsDue = true;
    this.isHandling = true;
    const again = await this.conductUntilIdle(info);
    this.isHandling = false;
    this.rest();
    this.alarmIsDue = again !== null && again <= this.ports.clock.now() + PACE.ALARM_JOIN_MS;
    if (again !== null) await this.ctx.storage.setAlarm(again);
  }

  /** The alarm's work. When it must come again, ms since the epoch, or null. */
  private async conductUntilIdle(info: AlarmInvocationInfo | undefined): Promise<number | null> {
    // How often in a row the platform has seen the handler of this alarm crash.
    const crashes = info?.retryCount ?? 0;
    // Whether a retry has the time of its first try is not documented: it proves nothing.
    const scheduled = info === undefined || info.isRetry ? null : info.scheduledTime;
    try {
      if (this.driver === null) {
        const mayMove = crashes === 0;
        const later = await wakeTurn(this.ports.clock, {
          scheduled,
          mayMove,
          hasEnded: () => hasEnded(this.ctx.storage),
        });
        // A request may have taken it up meanwhile.
        if (later !== null && this.driver === null) return later;
      }
      const driver = this.open(Math.max(crashes, this.faults));
      const held = Promise.withResolvers<void>();
      const stop = this.ports.clock.after(PACE.ALARM_HOLD_MS, held.resolve);
      await Promise.race([driver.drive(), held.promise]);
      stop();
      this.faults = 0;
      const next = await this.afterWork(driver, scheduled);
      if (next !== "forget") return next;
      await this.wipe();
      return null;
    } catch (cause) {
      // A log that cannot be read stays as it is, for whoever asks; there is nothing to go on with.
      if (cause instanceof LogCorrupted) return null;
      if (cause instanceof IsolateFull) {
        return this.ports.clock.now() + Math.round(PACE.ISOLATE_RETRY_MS * (1 + this.ports.chance()));
      }
      this.faults += 1;
      // Where not even the run's end could be written, nothing is gained by going round for ever.
      return this.faults > PACE.FRUITLESS_RECOVERIES ? null : this.ports.clock.now() + PACE.ALARM_RETRY_MS;
    }
  }

  async run(message: string): Promise<Result<ExecutionText>> {
    const asked = JSON.parse(message) as RunMessage;
    const started = this.startOrAttach(asked);
    if (!started.ok) return started;
    await waitForCaller(started.value, this.ports.clock, asked.wait_ms);
    const text = textOf(started.value);
    this.rest();
    return ok(text);
  }

  async read(): Promise<Result<ExecutionText>> {
    return this.answer(() => null);
  }

  async control(command: ControlCommand): Promise<Result<ExecutionText>> {
    await this.noticePause();
    return this.answer((driver) => {
      const refusal = driver.submit(command);
      if (refusal?.reason !== "conflict") return null;
      return {
        code: "EXECUTION_CONFLICT",
        execution_id: this.executionId(),
        verb: refusal.verb,
        status: refusal.status,
      };
    });
  }

  async events(after: number): Promise<Result<string>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    await opened.value.confirm();
    const events = Array.from(opened.value.eventsAfter(after), wireJson);
    this.rest();
    return ok(`{"data":[${events.join(",")}]}`);
  }

  async forget(): Promise<Result<null>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const state = opened.value.state as ExecutionState;
    if (!isTerminal(state.status)) {
      const execution_id = this.executionId();
      return err({ code: "EXECUTION_CONFLICT", execution_id, verb: "delete", status: state.status });
    }
    // A report in flight must not come after this and put the execution back into the index. Where the alarm is
    // retention's, every receiver has the end, if from an instance that is gone.
    const { outbox } = this;
    if (!wasReported(state, await this.ctx.storage.getAlarm())) {
      const refused = (await outbox?.settleWithin(PACE.REPORT_WAIT_MS)) ?? [];
      if (refused.length > 0) this.lost(state, refused);
    }
    await forgetExecution(this.env, state);
    await this.wipe();
    return ok(null);
  }

  private async follow(message: FollowMessage, signal: AbortSignal): Promise<Response> {
    const started = this.startOrAttach(message);
    if (!started.ok) return refuse(started.error);
    const driver = started.value;
    const { answer, after } = message;
    if (answer === "stream") return this.openStream(driver, after, after > 0, signal);
    const stay = this.presence?.enter() ?? (() => {});
    const over = waitForCaller(driver, this.ports.clock, answer.wait_ms);
    const text = () => withStreamUrl(textOf(driver), answer.stream_url);
    const patient = await answerWatched(driver, over, text, this.ports.clock, stay);
    if (patient !== null) return new Response(patient, { headers: { "content-type": "application/json" } });
    const { status } = driver.state as ExecutionState;
    this.rest();
    return new Response(text(), { headers: { "content-type": "application/json", [STATUS_HEADER]: status } });
  }

  private startOrAttach(message: RunMessage | FollowMessage): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    if (!opened.ok) return opened;
    const { state } = opened.value;
    if (state !== null) {
      if (state.spec.digest !== message.digest) return err({ code: "IDEMPOTENCY_MISMATCH" });
      return opened;
    }
    if (message.spec === null) return this.absent();
    if (this.ports.memory?.take(specWeight(message.spec)) === false) {
      this.ports.memory.free();
      return err(NO_ROOM);
    }
    if (message.spec.storage === "memory") {
      this.ports = this.portsOf(false);
      this.driver = this.conduct();
    }
    const driver = this.driver as ExecutionDriver;
    if (message.health !== null) composeShared(this.env).health.learn(message.spec.tenant, message.health);
    driver.submit({ type: "start", spec: message.spec });
    this.presence = Presence.of(driver, this.ports.clock, false);
    return ok(driver);
  }

  private async stream(after: number, resumes: boolean, signal: AbortSignal): Promise<Response> {
    const opened = this.existing();
    if (!opened.ok) return refuse(opened.error);
    const state = opened.value.state as ExecutionState;
    if (isTerminal(state.status) && after >= state.seq) return new Response(null, { status: 204 });
    return this.openStream(opened.value, after, resumes, signal);
  }

  private openStream(
    driver: ExecutionDriver,
    after: number,
    resumes: boolean,
    signal: AbortSignal,
  ): Response {
    const feed = new EventFeed(driver, after, resumes);
    this.feeds.add(feed);
    const leave = this.presence?.enter();
    const gone = () => feed.close();
    signal.addEventListener("abort", gone);
    const stream = sseStream(feed, () => {
      this.feeds.delete(feed);
      signal.removeEventListener("abort", gone);
      leave?.();
      this.rest();
    });
    const terms = termsOf((driver.state as ExecutionState).spec);
    return new Response(stream, { headers: { [TERMS_HEADER]: JSON.stringify(terms) } });
  }

  private async answer(
    act: (driver: ExecutionDriver) => CoordinatorError | null,
  ): Promise<Result<ExecutionText>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const refusal = act(opened.value);
    const answer = refusal === null ? ok(textOf(opened.value)) : err(refusal);
    this.rest();
    return answer;
  }

  /** The driver of an execution that is there. */
  private existing(): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    return !opened.ok || opened.value.state !== null ? opened : this.absent();
  }

  private absent(): Result<never> {
    this.ports.memory?.free();
    return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
  }

  private tryOpen(): Result<ExecutionDriver> {
    try {
      return ok(this.open());
    } catch (cause) {
      if (cause instanceof IsolateFull) return err(NO_ROOM);
      if (!(cause instanceof LogCorrupted)) throw cause;
      return err({ code: "CONTEXT_CORRUPTED", execution_id: this.executionId(), evidence: cause.evidence });
    }
  }

  /** Whoever comes first finds the log and takes up what it holds. @throws LogCorrupted, IsolateFull */
  private open(crashes = 0): ExecutionDriver {
    if (this.driver !== null) return this.driver;
    // What storage has is about what memory will have; a run of the largest size must always find room.
    const stored = Math.min(this.ctx.storage.sql.databaseSize, LIMITS.CONTEXT_MB * 1024 * 1024);
    if (this.ports.memory?.take(stored) === false) throw new IsolateFull();
    const driver = this.conduct();
    // Kept once it has come up: one that could not is no driver for the next who asks.
    driver.wakeUp(crashes);
    this.driver = driver;
    this.presence = Presence.of(driver, this.ports.clock, true);
    return driver;
  }

  /** A driver of what the log holds, with an outbox that watches it. @throws LogCorrupted */
  private conduct(): ExecutionDriver {
    const driver = ExecutionDriver.open(this.ports);
    driver.watch(new LogLines(driver, this.ports.clock, writeLog));
    const { alarm, clock, log } = this.ports;
    this.outbox = new Outbox(driver, this.ports, composeReceivers(this.env, log), {
      // An end without an alarm near (a cancelled pause) needs one that sees the outbox and retention through.
      pending: () => {
        if (!this.alarmIsDue) alarm.set(clock.now() + PACE.ALARM_JOIN_MS);
      },
      // A run that has ended before its alarm came never needs the handler.
      delivered: () => {
        if (this.isHandling || this.driver !== driver || driver.state === null) return;
        const { state } = driver;
        if (isTerminal(state.status)) {
          alarm.set(retainedUntil(state));
          this.release(state);
        } else if (state.status === "paused") {
          // With a call in flight the alarm must come soon all the same.
          const until = driver.alarmAt() ?? 0;
          if (until > clock.now()) alarm.set(until);
        }
      },
      lost: (receivers) => {
        if (driver.state !== null) this.lost(driver.state, receivers);
      },
    });
    this.ownWatchers = driver.watcherCount;
    return driver;
  }

  private portsOf(persist: boolean): Ports {
    const ports = composePorts(this.env, this.ctx.storage, persist);
    const set = (at: number) => {
      const soon = ports.clock.now() + PACE.ALARM_JOIN_MS;
      // What a pause reports must come through, too.
      const due = this.outbox?.needsAlarm === true ? Math.min(at, soon) : at;
      this.alarmIsDue = due <= soon;
      ports.alarm.set(due);
    };
    const tenant = (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
    const memory = isolateBudget.share(this.ctx.id.toString(), tenant, this, ports.clock);
    return { ...ports, alarm: { set }, memory };
  }

  /**
   * What the alarm is for when a run needs nothing in memory: its reports, what it waits for, and retention.
   * @param scheduled what the alarm that has come was set to, ms since the epoch; null where that is not known
   */
  private async afterWork(
    driver: ExecutionDriver,
    scheduled: number | null,
  ): Promise<number | "forget" | null> {
    if (driver.state === null) return null;
    const reported = wasReported(driver.state, scheduled);
    const refused = reported ? [] : ((await this.outbox?.settleWithin(PACE.REPORT_WAIT_MS)) ?? []);
    // What came meanwhile may have changed it.
    const { state } = driver;
    const now = this.ports.clock.now();
    const again = refused.length === 0 ? null : nextReportAt(state, now, this.ports.chance());
    const next = driver.alarmAt();
    if (next !== null) return again === null ? next : Math.min(next, again);
    if (again !== null) return again;
    if (refused.length > 0) this.lost(state, refused);
    else if (retainedUntil(state) > now) {
      this.release(state);
      return retainedUntil(state);
    }
    return "forget";
  }

  /** A pause that an earlier instance wrote and may not have reported is reported also where it is over now. */
  private async noticePause(): Promise<void> {
    const opened = this.tryOpen();
    if (!opened.ok || opened.value.state?.status !== "paused") return;
    const { outbox } = this;
    if (!wasReported(opened.value.state, await this.ctx.storage.getAlarm())) outbox?.notice();
  }

  private lost(state: ExecutionState, receivers: readonly string[]): void {
    writeLog("ERROR", lostReports(state, receivers, this.ports.clock.now()));
  }

  /**
   * Nothing may happen in the run for now: a large one is let go of until somebody asks, for the platform keeps an
   * object long after that.
   */
  private rest(): void {
    const { driver, outbox, presence } = this;
    if (driver === null || driver.state === null || this.isHandling) return;
    const { state } = driver;
    // Whatever still has a timer, or a caller, would go on with this driver beside the next one.
    if (!driver.isAtRest || driver.watcherCount > this.ownWatchers || outbox?.isPending === true) return;
    if (presence !== null && !isTerminal(state.status)) return;
    if (this.ports.memory?.isLarge === true) this.release(state);
    else this.ports.memory?.rest();
  }

  /** Forgets everything, so that the object is as one that never was. */
  private async wipe(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.ports.memory?.free();
    this.driver = null;
    this.presence = null;
    this.outbox = null;
    this.ports = this.portsOf(true);
    for (const feed of this.feeds) feed.close();
  }

  /**
   * Lets go of a run that has ended and been told of: the platform keeps an object long after that, and what the log
   * holds need not be held beside it. Whoever comes next reads the log.
   */
  private release({ spec }: ExecutionState): void {
    if (spec.storage !== "durable_object") return;
    this.ports.memory?.free();
    this.driver = null;
    this.presence = null;
    this.outbox = null;
  }

  private executionId(): string {
    return (this.ctx.id.name ?? "").split("/").at(-1) ?? "";
  }
}

/** A run is not brought into memory: see engine/isolate-budget.ts. */
class IsolateFull extends Error {}

const NO_ROOM: CoordinatorError = {
  code: "RESOURCE_EXHAUSTED",
  what: "memory",
  retry_after_seconds: PACE.ISOLATE_RETRY_MS / 1_000,
};

/** The execution as it stands, and as it is written before anybody is told of it. */
function textOf(driver: ExecutionDriver): ExecutionText {
  driver.flush();
  const state = driver.state as ExecutionState;
  return { status: state.status, json: executionJson(state) };
}

function refuse(error: CoordinatorError): Response {
  return new Response(JSON.stringify(error), { headers: { "content-type": REFUSAL_TYPE } });
}
