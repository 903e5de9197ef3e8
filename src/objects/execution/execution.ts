// The Durable Object of one execution: a thin shell that hands requests and alarms to its run. Owns the entry points
// (fetch if a disconnect must be noticed, sockets of readers at rest, RPC for all else, the alarm) and decides nothing.
import { DurableObject } from "cloudflare:workers";
import { hasEnded, startedAt } from "../../adapters/log/last-event.ts";
import { sharedCalls } from "../../adapters/durable/result-cache-client.ts";
import { composeServices, composeShared, forgetExecution } from "../../compose.ts";
import type { Env } from "../../settings.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { type ExecutionState, isTerminal } from "../../core/execution/state.ts";
import { forkSource } from "../../core/forks/fork-source.ts";
import type { StageWait } from "../../core/execution/view/stage-wait.ts";
import { TIMINGS } from "../../core/timings.ts";
import { receivedCallback } from "../../engine/callback-protocol.ts";
import {
  completeResponse,
  type ControlCommand,
  eventsResponse,
  type EventView,
  executionResponse,
  type ExecutionRpc,
  type ExecutionText,
  type FollowMessage,
  forkSourcePieces,
  readRequest,
  readRunText,
  refusalResponse,
  type RestingReader,
  type RunMessage,
  type RunPresence,
  type SharedCall,
  type SignalMessage,
  type SignalReceipt,
  socketResponse,
  type StreamReader,
  streamUrlOf,
  termsOf,
  type WaitToken,
  withStreamUrl,
} from "../../engine/object-protocol.ts";
import type { ExecutionDriver } from "../../engine/run/driver.ts";
import { eventListPieces, tracePieces } from "../../engine/watch/event-list.ts";
import { EventFeed } from "../../engine/watch/feed.ts";
import { sseStream } from "../../engine/watch/feed-stream.ts";
import { LogCorrupted } from "../../engine/ports.ts";
import type { Text } from "../../engine/watch/text-stream.ts";
import type { ReaderKind } from "../../engine/watch/resting-readers.ts";
import { answerWatched, waitForCaller } from "../../engine/watch/wait.ts";
import { IsolateFull, NO_ROOM } from "../../engine/memory/isolate-budget.ts";
import { AlarmHandler } from "./alarm-handler.ts";
import { Kin, ofParent } from "./kin.ts";
import { OutsideDoor } from "./outside-door.ts";
import { executionIdOf, RunKeeper } from "./run-keeper.ts";
import { logLostReports } from "./run-lines.ts";

export class ExecutionObject extends DurableObject<Env> implements ExecutionRpc {
  private readonly runs: RunKeeper;
  private readonly alarms: AlarmHandler;
  private readonly outside: OutsideDoor;
  private readonly kin: Kin;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.runs = new RunKeeper(ctx, env, () => {
      if (!this.runs.alarm.isHandled) void this.alarms.handle();
    });
    this.kin = new Kin(this.runs);
    this.alarms = new AlarmHandler(ctx.storage, this.runs);
    this.outside = new OutsideDoor(this.runs, (started_at) => this.existing(started_at));
  }

  override async fetch(request: Request): Promise<Response> {
    const callback = receivedCallback(request);
    if (callback !== null) return this.outside.callback(callback.target, callback.sent);
    const asked = await readRequest(request);
    if ("rest" in asked) return this.keep(asked.rest);
    return "run" in asked
      ? this.follow(asked.run, request.signal)
      : this.stream(asked.events, request.signal);
  }

  override webSocketClose(socket: WebSocket): void {
    this.readerLeft(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.readerLeft(socket);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await this.alarms.handle(info);
  }

  async run(message: string): Promise<Result<ExecutionText>> {
    const asked = readRunText(message);
    const started = await this.startOrAttach(asked);
    if (!started.ok) return started;
    await waitForCaller(started.value, this.runs.clock, asked.wait_ms);
    const text = this.runs.shown(started.value);
    this.runs.rest();
    return ok(text);
  }

  async read(): Promise<Result<ExecutionText>> {
    return this.answer(() => null);
  }

  async control(command: ControlCommand): Promise<Result<ExecutionText>> {
    await this.runs.noticePause();
    return this.answer((driver) => {
      const parent = driver.state?.spec.parent;
      if (parent !== undefined && command.type !== "cancel")
        return ofParent(this.executionId(), command, parent);
      driver.recover();
      const refusal = driver.submit(command);
      if (refusal?.reason === "over_budget") {
        return { code: "EXECUTION_CONFLICT", execution_id: this.executionId(), why: refusal.why };
      }
      if (refusal?.reason !== "conflict") return null;
      return {
        code: "EXECUTION_CONFLICT",
        execution_id: this.executionId(),
        verb: refusal.verb,
        status: refusal.status,
      };
    });
  }

  async steer(command: ControlCommand): Promise<void> {
    await this.runs.noticePause();
    this.kin.steer(this.taken(), command);
  }

  async childMoved(unit: string, child: string, seq: number | null): Promise<ControlCommand | null> {
    return this.kin.childMoved(this.taken(), unit, child, seq);
  }

  async ending(): Promise<Result<Text>> {
    const opened = this.existing();
    return opened.ok ? ok(this.kin.ending(opened.value)) : opened;
  }

  async events(after: number, view: EventView, started_at: number | null): Promise<Result<Text>> {
    const opened = this.existing(started_at);
    if (!opened.ok) return opened;
    const driver = opened.value;
    await driver.confirm();
    const pieces =
      view === "trace" ? tracePieces(driver, this.executionId()) : eventListPieces(driver, after);
    const text = this.runs.textOf(pieces);
    this.runs.rest();
    return ok(text);
  }

  async forkSource(): Promise<Result<Text>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const driver = opened.value;
    driver.flush();
    await driver.confirm();
    const source = forkSource(driver.state as ExecutionState, driver.eventsAfter(0));
    const text = this.runs.textOf(forkSourcePieces(source));
    this.runs.rest();
    return ok(text);
  }

  async signal(message: SignalMessage): Promise<Result<SignalReceipt>> {
    await this.runs.noticePause();
    return this.outside.signal(message);
  }

  async waitOf(stage: string, token: WaitToken | null): Promise<Result<StageWait>> {
    return this.outside.waitOf(stage, token);
  }

  async forget(): Promise<Result<null>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const state = opened.value.state as ExecutionState;
    if (!isTerminal(state.status)) {
      const execution_id = this.executionId();
      return err({ code: "EXECUTION_CONFLICT", execution_id, verb: "delete", status: state.status });
    }
    // A report in flight must not come after this and put the execution back into the index.
    const { outbox } = this.runs;
    if (outbox !== null && !(await this.runs.isReported(state))) {
      logLostReports(state, await outbox.settleWithin(TIMINGS.REPORT_WAIT_MS), this.runs.clock.now());
    }
    await forgetExecution(this.env, state);
    await this.runs.wipe();
    return ok(null);
  }

  async expire(started_at: number): Promise<void> {
    try {
      if (startedAt(this.ctx.storage) !== started_at || !hasEnded(this.ctx.storage)) return;
    } catch (cause) {
      // It is kept for inspection.
      if (cause instanceof LogCorrupted) return;
      throw cause;
    }
    if ((await this.ctx.storage.getAlarm()) === null) await this.runs.wipe();
  }

  async isCalling(call: number): Promise<boolean> {
    return this.runs.isCalling(call);
  }

  async shareCalls(): Promise<SharedCall[] | null> {
    const calls = await this.runs.shareCalls();
    return calls === null ? null : sharedCalls(calls, this.runs.clock.now());
  }

  async reportEnd(): Promise<void> {
    await this.runs.reportEnd();
  }

  async admit(): Promise<RunPresence> {
    const driver = this.taken();
    if (driver === null) return "absent";
    void this.runs.queued?.ask();
    this.runs.rest();
    return runPresence(driver);
  }

  async supersede(by: string): Promise<RunPresence> {
    const driver = this.taken();
    if (driver === null) return "absent";
    driver.recover();
    const superseded = { by, texts: driver.said() };
    driver.submit({ type: "cancel", reason: `superseded by ${by}`, superseded });
    const refused = (await this.runs.outbox?.settle()) ?? [];
    this.runs.rest();
    return refused.includes(INDEX) ? "going" : runPresence(driver);
  }

  /** The run, for the index; null where there is none. @throws where it cannot be opened */
  private taken(): ExecutionDriver | null {
    // It needs no memory to say so, of which there may be none.
    if (this.runs.driver === null && this.runs.isEmpty) return null;
    const opened = this.tryOpen();
    if (!opened.ok) throw new Error(opened.error.code);
    if (opened.value.state !== null) return opened.value;
    this.runs.leave();
    return null;
  }

  private async follow(message: FollowMessage, signal: AbortSignal): Promise<Response> {
    const started = await this.startOrAttach(message);
    if (!started.ok) return refusalResponse(started.error);
    const driver = started.value;
    const { answer, after, reattach = false, rests = false } = message;
    if (answer === "stream") {
      return this.openStream(driver, { after, resumes: after > 0, reattach, rests }, signal);
    }
    const leave = this.runs.presence?.enter() ?? (() => {});
    const over = waitForCaller(driver, this.runs.clock, answer.wait_ms);
    const stream_url = await this.streamUrl(driver.state as ExecutionState, answer.key_id);
    const text = () => withStreamUrl(this.runs.shown(driver), stream_url);
    const padded = await answerWatched(driver, over, text, this.runs.clock, leave);
    if (padded !== null) return executionResponse(padded, null);
    const { status } = driver.state as ExecutionState;
    const body = text();
    this.runs.rest();
    return executionResponse(body, status);
  }

  private async startOrAttach(message: RunMessage | FollowMessage): Promise<Result<ExecutionDriver>> {
    const found = this.tryOpen();
    if (!found.ok) return found;
    await this.runs.dropExpired();
    const opened = this.tryOpen();
    if (!opened.ok) return opened;
    const { state } = opened.value;
    if (state !== null) {
      if (state.spec.digest !== message.digest) return err({ code: "IDEMPOTENCY_MISMATCH" });
      return opened;
    }
    if (message.spec === null || this.kin.isUnwanted) return this.absent();
    if (message.health !== null) composeShared(this.env).health.learn(message.spec.tenant, message.health);
    try {
      return ok(this.runs.start(message.spec, message.queued));
    } catch (cause) {
      if (cause instanceof IsolateFull) return err(NO_ROOM);
      throw cause;
    }
  }

  private async stream(reader: StreamReader, signal: AbortSignal): Promise<Response> {
    const opened = this.existing(reader.started_at);
    if (!opened.ok) return refusalResponse(opened.error);
    const { status, seq } = opened.value.state as ExecutionState;
    const { after, reattach } = reader;
    const hasAll = after === seq || (after > seq && !reattach);
    if (isTerminal(status) && hasAll) return completeResponse();
    return this.openStream(opened.value, reader, signal);
  }

  private openStream(
    driver: ExecutionDriver,
    { after, resumes, reattach, rests }: Omit<StreamReader, "started_at">,
    signal: AbortSignal,
  ): Response {
    const feed = new EventFeed(driver, after, resumes, reattach, rests);
    this.runs.feeds.add(feed);
    const leave = this.runs.presence?.enter();
    const gone = () => feed.close();
    signal.addEventListener("abort", gone);
    const terms = termsOf((driver.state as ExecutionState).spec);
    const stream = sseStream(feed, (rests) => {
      this.runs.feeds.delete(feed);
      signal.removeEventListener("abort", gone);
      // The Worker reads that it rests once its reader has taken what is before: a slow one is as patient as ever.
      leave?.(rests ? terms.stall_ms : 0);
      this.runs.rest();
    });
    return eventsResponse(stream, terms);
  }

  /** A socket for a reader that has all events of a run at rest. */
  private keep({ after, started_at }: RestingReader): Response {
    const pair = new WebSocketPair();
    const answer = socketResponse(pair[0]);
    if (this.runs.keepReaderOfReleased(pair[1], after, started_at)) return answer;
    const opened = this.existing(started_at);
    if (!opened.ok) return refusalResponse(opened.error);
    this.runs.keepReader(pair[1], after, opened.value);
    return answer;
  }

  /** The socket of a reader at rest is closed: one that left may be the last that the run goes on for. */
  private readerLeft(socket: WebSocket): void {
    // Most runs are not read from the log because a reader leaves.
    if (this.ctx.getTags(socket).includes(WATCHER)) this.watcherLeft();
  }

  private watcherLeft(): void {
    const opened = this.existing();
    if (opened.ok) this.runs.presence?.left();
    else if (opened.error === NO_ROOM) {
      this.runs.clock.after(TIMINGS.ISOLATE_RETRY_MS, () => this.watcherLeft());
    }
    this.runs.rest();
  }

  private async answer(
    act: (driver: ExecutionDriver) => CoordinatorError | null,
  ): Promise<Result<ExecutionText>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const refusal = act(opened.value);
    const answer = refusal === null ? ok(this.runs.shown(opened.value)) : err(refusal);
    this.runs.rest();
    return answer;
  }

  /**
   * The driver of an execution that is there.
   * @param started_at what a stream token says of the run's start: of another run of this id it opens nothing
   */
  private existing(started_at: number | null = null): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    if (!opened.ok) return opened;
    const { state } = opened.value;
    if (state === null) return this.absent();
    if (this.runs.isExpired(state)) {
      this.runs.rest();
      return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
    }
    if (started_at === null || state.started_at === started_at) return opened;
    return err({ code: "UNAUTHORIZED", reason: "bad_token" });
  }

  private absent(): Result<never> {
    this.runs.leave();
    return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
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
      return ok(this.runs.open());
    } catch (cause) {
      if (cause instanceof IsolateFull) return err(NO_ROOM);
      if (!(cause instanceof LogCorrupted)) throw cause;
      return err({ code: "CONTEXT_CORRUPTED", execution_id: this.executionId(), evidence: cause.evidence });
    }
  }

  private executionId(): string {
    return executionIdOf(this.ctx);
  }
}

const WATCHER: ReaderKind = "watcher";

/** The run is ended only as far as it is written. @throws what broke it */
function runPresence({ state, fault }: ExecutionDriver): RunPresence {
  if (fault !== null) throw fault.cause;
  return isTerminal((state as ExecutionState).status) ? "ended" : "going";
}

/** The receiver that the index is. */
const INDEX = "index";
