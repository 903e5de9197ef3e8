// The Durable Object of one execution: a thin shell that hands requests and alarms to the engine. Owns the way in
// (fetch where a gone client must be noticed, RPC for all else, the alarm) and nothing of what is decided.
//
// I15: the alarm's handler joins the running loop and re-arms before it returns; it never throws, since the platform
// gives up on an alarm after six failures.
import { DurableObject } from "cloudflare:workers";
import {
  type ControlCommand,
  type EventView,
  type ExecutionRpc,
  type ExecutionText,
  type FollowMessage,
  REFUSAL_TYPE,
  type RunMessage,
  STATUS_HEADER,
  streamUrlOf,
  withStreamUrl,
} from "../adapters/objects/execution-api.ts";
import { TERMS_HEADER, termsOf } from "../adapters/objects/stream-terms.ts";
import { RECORD_PREFIX } from "../adapters/log/record.ts";
import { clearMark, markRecovery } from "../adapters/log/recovery-mark.ts";
import { writeLog } from "../adapters/system.ts";
import {
  composeListing,
  composePorts,
  composeReceivers,
  composeServices,
  composeShared,
  type Env,
  forgetExecution,
} from "../compose.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import { parseJson } from "../core/exact-integer.ts";
import { type ExecutionState, isTerminal } from "../core/execution/state.ts";
import { retainedUntil } from "../core/execution/summary.ts";
import { nextActions } from "../core/execution/next-actions.ts";
import { executionPieces } from "../core/execution/view.ts";
import { logLine } from "../core/monitoring/log-line.ts";
import { PACE } from "../core/pace.ts";
import { ExecutionDriver } from "../engine/drive.ts";
import { eventListPieces, tracePieces } from "../engine/event-list.ts";
import { EventFeed } from "../engine/feed.ts";
import { refreshListing } from "../engine/listing-refresh.ts";
import { LogLines } from "../engine/log-lines.ts";
import { Outbox } from "../engine/outbox.ts";
import { LogCorrupted, type Ports } from "../engine/ports.ts";
import { Presence } from "../engine/presence.ts";
import { wakeTurn } from "../engine/wake-turn.ts";
import { sseStream } from "../engine/feed-stream.ts";
import { type Text, textOf } from "../engine/text-stream.ts";
import { brotliDecoder } from "./brotli.ts";
import { answerWatched, waitForCaller } from "../engine/wait.ts";

export class ExecutionObject extends DurableObject<Env> implements ExecutionRpc {
  private ports: Ports;
  /** False for a run without storage, whose alarm is a timer. */
  private isPersisted = true;
  private driver: ExecutionDriver | null = null;
  private presence: Presence | null = null;
  private outbox: Outbox | null = null;
  /** What the log held when it was last read. */
  private lastKnown: ExecutionState | null = null;
  private readonly feeds = new Set<EventFeed>();
  /** An alarm is being handled. */
  private isHandling = false;
  /** One is, or was set by this instance to come soon. */
  private alarmIsDue = false;
  /** In a row, without anything written in between: records that were refused, alarms whose handling went wrong. */
  private faults = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.ports = this.portsOf();
  }

  override async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    if (request.method === "POST") {
      return this.follow(parseJson(await request.text()) as FollowMessage, request.signal);
    }
    const reader = {
      after: Number(searchParams.get("after")),
      resumes: searchParams.has("resumes"),
      awaitsEnd: searchParams.has("again"),
    };
    const started_at = searchParams.get("started_at");
    return this.stream(reader, started_at === null ? null : Number(started_at), request.signal);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.alarmIsDue = true;
    this.isHandling = true;
    const again = await this.conductUntilIdle(info?.retryCount ?? 0);
    this.isHandling = false;
    this.alarmIsDue = again !== null && again <= this.ports.clock.now() + PACE.ALARM_JOIN_MS;
    if (again === null) return;
    if (this.isPersisted) await this.ctx.storage.setAlarm(again);
    else this.ports.alarm.set(again);
  }

  /**
   * The alarm's work. When it must come again, ms since the epoch, or null.
   * @param crashes how often in a row the platform has seen the handler of this alarm crash
   */
  private async conductUntilIdle(crashes: number): Promise<number | null> {
    const before = this.faults;
    try {
      if (this.driver === null) await wakeTurn(this.ports.clock);
      const counted = Math.max(crashes, before);
      const driver = await this.takeUp(counted);
      if (driver.fault !== null) return this.retryAt();
      this.faults = 0;
      const { state } = driver;
      const next = driver.alarmAt() ?? (await this.afterEnd(state));
      if (next !== "forget") return next;
      await this.wipe();
      return null;
    } catch (cause) {
      // A log that cannot be read stays as it is, for whoever asks; there is nothing to go on with.
      if (cause instanceof LogCorrupted) return null;
      // A record that was refused has been counted.
      if (this.faults === before) this.faults += 1;
      return this.retryAt();
    }
  }

  /** Takes the run up, its recovery marked where the platform has counted crashes, and stays until it needs nobody. */
  private async takeUp(crashes: number): Promise<ExecutionDriver> {
    const isMarked = this.driver === null && crashes > 0;
    const cut = isMarked ? await markRecovery(this.ctx.storage, RECORD_PREFIX) : 0;
    const driver = this.driver ?? this.conduct();
    const leave = driver.attend();
    try {
      this.open({ crashes, cut }, driver);
      if (isMarked) clearMark(this.ctx.storage);
      // The platform drops an alarm whose handler has crashed six times: a run that goes on in spite of its neighbours'
      // crashes has its alarm handled, and set anew, before that.
      if (crashes < PACE.FRUITLESS_RECOVERIES) await this.held(driver.drive());
      return driver;
    } finally {
      leave();
    }
  }

  /** Resolves with the task, or once the platform would end the handler. */
  private async held(task: Promise<void>): Promise<void> {
    const over = Promise.withResolvers<void>();
    const stop = this.ports.clock.after(PACE.ALARM_HOLD_MS, over.resolve);
    await Promise.race([task, over.promise]);
    stop();
  }

  /** When to try again after a fault, ms since the epoch: later each time, and at the deadline if that is sooner. */
  private retryAt(): number {
    const now = this.ports.clock.now();
    const wait_ms = PACE.ALARM_RETRY_MS * 2 ** Math.min(Math.max(0, this.faults - 1), MOST_DOUBLINGS);
    const due = this.lastKnown === null ? null : nextActions(this.lastKnown).wake_at;
    return due !== null && due > now ? Math.min(due, now + wait_ms) : now + wait_ms;
  }

  async run(message: string): Promise<Result<ExecutionText>> {
    const asked = parseJson(message) as RunMessage;
    const started = this.startOrAttach(asked);
    if (!started.ok) return started;
    await waitForCaller(started.value, this.ports.clock, asked.wait_ms);
    return ok(shown(started.value));
  }

  async read(): Promise<Result<ExecutionText>> {
    return this.answer(() => null);
  }

  async control(command: ControlCommand): Promise<Result<ExecutionText>> {
    return this.answer((driver) => {
      driver.wakeUp();
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

  async events(after: number, view: EventView, started_at: number | null): Promise<Result<Text>> {
    const opened = this.existing(started_at);
    if (!opened.ok) return opened;
    const driver = opened.value;
    await driver.confirm();
    return ok(
      textOf(view === "trace" ? tracePieces(driver, this.executionId()) : eventListPieces(driver, after)),
    );
  }

  async forget(): Promise<Result<null>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const state = opened.value.state as ExecutionState;
    if (!isTerminal(state.status)) {
      const execution_id = this.executionId();
      return err({ code: "EXECUTION_CONFLICT", execution_id, verb: "delete", status: state.status });
    }
    // A report under way must not come behind this and put the execution back into the index. Where the alarm is
    // retention's, everybody has been told, if by an instance that is gone.
    if ((await this.ctx.storage.getAlarm()) !== retainedUntil(state)) await this.outbox?.settle();
    await forgetExecution(this.env, state);
    await this.wipe();
    return ok(null);
  }

  async isCalling(call: number): Promise<boolean> {
    return this.driver?.isCalling(call) ?? false;
  }

  private async follow(message: FollowMessage, signal: AbortSignal): Promise<Response> {
    const started = this.startOrAttach(message);
    if (!started.ok) return refuse(started.error);
    const driver = started.value;
    const { answer, after, again = false } = message;
    if (answer === "stream") {
      return this.openStream(driver, { after, resumes: after > 0, awaitsEnd: again }, signal);
    }
    const stay = this.presence?.enter() ?? (() => {});
    const over = waitForCaller(driver, this.ports.clock, answer.wait_ms);
    const stream_url = await this.streamUrl(driver.state as ExecutionState, answer.key_id);
    const text = () => withStreamUrl(shown(driver), stream_url);
    const patient = await answerWatched(driver, over, text, this.ports.clock, stay);
    if (patient !== null) return new Response(patient, { headers: { "content-type": "application/json" } });
    const { status } = driver.state as ExecutionState;
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
    if (message.spec === null) return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
    if (message.spec.storage === "memory") {
      this.isPersisted = false;
      this.ports = this.portsOf();
      this.driver = this.conduct();
    }
    const driver = this.driver as ExecutionDriver;
    if (!this.isPersisted) refreshListing(driver, this.ports.clock, composeListing(this.env));
    if (message.health !== null) composeShared(this.env).health.learn(message.spec.tenant, message.health);
    driver.submit({ type: "start", spec: message.spec });
    this.presence = Presence.of(driver, this.ports.clock, false);
    return ok(working(driver));
  }

  private async stream(reader: Reader, started_at: number | null, signal: AbortSignal): Promise<Response> {
    const opened = this.existing(started_at);
    if (!opened.ok) return refuse(opened.error);
    const { status, seq } = opened.value.state as ExecutionState;
    const { after, awaitsEnd } = reader;
    const hasAll = after === seq || (after > seq && !awaitsEnd);
    if (isTerminal(status) && hasAll) return new Response(null, { status: 204 });
    return this.openStream(opened.value, reader, signal);
  }

  private openStream(driver: ExecutionDriver, reader: Reader, signal: AbortSignal): Response {
    const feed = new EventFeed(driver, reader.after, reader.resumes, reader.awaitsEnd);
    this.feeds.add(feed);
    const leave = this.presence?.enter();
    const gone = () => feed.close();
    signal.addEventListener("abort", gone);
    const stream = sseStream(feed, () => {
      this.feeds.delete(feed);
      signal.removeEventListener("abort", gone);
      leave?.();
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
    return refusal === null ? ok(shown(opened.value)) : err(refusal);
  }

  /**
   * The driver of an execution that is there.
   * @param started_at what a stream token says of the run's start: of another run of this id it opens nothing
   */
  private existing(started_at: number | null = null): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    if (!opened.ok) return opened;
    const { state } = opened.value;
    if (state === null) return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
    if (started_at === null || state.started_at === started_at) return opened;
    return err({ code: "UNAUTHORIZED", reason: "bad_token" });
  }

  /** Where a browser follows the run; signed here, where its start is known. */
  private async streamUrl({ spec, started_at }: ExecutionState, key_id: string | null): Promise<string> {
    const services = composeServices(this.env);
    // The Worker that asks has them, from the same environment.
    if (!services.ok) throw new Error("the environment is not usable");
    const { tenant, execution_id } = spec;
    const token = await services.value.access.streamToken(tenant, { execution_id, started_at }, key_id);
    return streamUrlOf(execution_id, token);
  }

  private tryOpen(): Result<ExecutionDriver> {
    try {
      return ok(this.open());
    } catch (cause) {
      if (!(cause instanceof LogCorrupted)) throw cause;
      return err({ code: "CONTEXT_CORRUPTED", execution_id: this.executionId(), evidence: cause.evidence });
    }
  }

  /**
   * Whoever comes first finds the log and takes up what it holds. A run that has recovered in vain too often is taken up
   * by its alarm alone, which knows what the platform has counted: else each reader of it would call its agents again.
   * @param alarm what the alarm's handler knows; absent where somebody else asks
   * @throws LogCorrupted, and what broke a driver in its first turn
   */
  private open(
    alarm?: { crashes: number; cut: number },
    driver: ExecutionDriver = this.driver ?? this.conduct(),
  ): ExecutionDriver {
    const isSuspect = (driver.state?.fruitless ?? 0) >= PACE.FRUITLESS_RECOVERIES;
    if (alarm !== undefined || !isSuspect) driver.wakeUp(alarm?.crashes, alarm?.cut);
    // Kept once it has come up: one that could not is no driver for the next who asks.
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
      this.ports.alarm.set(this.ports.clock.now() + PACE.ALARM_JOIN_MS);
    }
  }

  /** A driver of what the log holds, with an outbox that watches it. @throws LogCorrupted */
  private conduct(): ExecutionDriver {
    const driver = ExecutionDriver.open(this.ports, (cause) => this.faulted(driver, cause));
    this.lastKnown = driver.state;
    driver.watch(new LogLines(driver, this.ports.clock, writeLog));
    const { alarm, clock, log } = this.ports;
    this.outbox = new Outbox(driver, clock, composeReceivers(this.env, log), {
      // An end without an alarm near (a cancelled pause) needs one that sees the outbox and retention through.
      owed: () => {
        if (!this.alarmIsDue) alarm.set(clock.now() + PACE.ALARM_JOIN_MS);
      },
      // A run that has ended before its alarm came never needs the handler.
      delivered: () => {
        if (this.isHandling || this.driver !== driver || driver.state === null) return;
        alarm.set(retainedUntil(driver.state));
        this.release(driver.state);
      },
    });
    return driver;
  }

  /** The log has refused a record: what this driver holds is not true. The next who comes opens another one. */
  private faulted(driver: ExecutionDriver, cause: unknown): void {
    this.faults += 1;
    const fields = {
      message: "a record was refused",
      execution_id: this.executionId(),
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
      if (!this.isHandling) void this.alarm();
    };
    const ports = composePorts(this.env, this.ctx.storage, this.isPersisted, onTimer, brotliDecoder());
    const set = (at: number) => {
      this.alarmIsDue = at <= ports.clock.now() + PACE.ALARM_JOIN_MS;
      ports.alarm.set(at);
    };
    return { ...ports, alarm: { set } };
  }

  /** What the alarm is for once a run has ended: the outbox, then retention, which waits for it. */
  private async afterEnd(state: ExecutionState | null): Promise<number | "forget" | null> {
    if (state === null || state.ended_at === null) return null;
    const now = this.ports.clock.now();
    if (!(await this.outbox?.settle())) return now + PACE.ALARM_RETRY_MS;
    const retained = retainedUntil(state);
    if (retained <= now) return "forget";
    this.release(state);
    return retained;
  }

  /** Forgets everything, so that the object is as one that never was. */
  private async wipe(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.driver = null;
    this.presence = null;
    this.outbox = null;
    this.lastKnown = null;
    this.isPersisted = true;
    this.ports = this.portsOf();
    for (const feed of this.feeds) feed.close();
  }

  /**
   * Lets go of a run that has ended and been told of: the platform keeps an object long after that, and what the log
   * holds need not be held beside it. Whoever comes next reads the log.
   */
  private release({ spec }: ExecutionState): void {
    if (spec.storage !== "durable_object") return;
    this.driver = null;
    this.presence = null;
    this.outbox = null;
  }

  private executionId(): string {
    return (this.ctx.id.name ?? "").split("/").at(-1) ?? "";
  }
}

/** Who asks for a stream, as EventFeed takes it. */
interface Reader {
  after: number;
  resumes: boolean;
  awaitsEnd: boolean;
}

/** The execution as it stands, and as it is written before anybody is told of it. @throws what broke the driver */
function shown(driver: ExecutionDriver): ExecutionText {
  driver.flush();
  const state = working(driver).state as ExecutionState;
  return { status: state.status, started_at: state.started_at, json: textOf(executionPieces(state)) };
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

function refuse(error: CoordinatorError): Response {
  return new Response(JSON.stringify(error), { headers: { "content-type": REFUSAL_TYPE } });
}
