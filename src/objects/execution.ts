// The Durable Object of one execution: a thin shell that hands requests and alarms to the engine. Owns the way in
// (fetch for streams and waiting callers, RPC for verbs, the alarm) and nothing of what is decided.
//
// I15: the alarm's handler joins the running loop and re-arms before it returns; it never throws, since the platform
// gives up on an alarm after six failures.
import { DurableObject } from "cloudflare:workers";
import {
  type ControlCommand,
  type ExecutionRpc,
  type ExecutionText,
  REFUSAL_TYPE,
  type RunMessage,
  STATUS_HEADER,
} from "../adapters/objects/execution-api.ts";
import { composePorts, type Env } from "../compose.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import { wireJson } from "../core/execution/log-event.ts";
import { type ExecutionState, isTerminal } from "../core/execution/state.ts";
import { viewExecution } from "../core/execution/view.ts";
import { PACE } from "../core/pace.ts";
import { ExecutionDriver } from "../engine/drive.ts";
import { EventFeed } from "../engine/feed.ts";
import { LogCorrupted, type Ports } from "../engine/ports.ts";
import { Presence } from "../engine/presence.ts";
import { SSE_HEADERS, sseStream } from "../engine/sse.ts";
import { waitForCaller } from "../engine/wait.ts";

export class ExecutionObject extends DurableObject<Env> implements ExecutionRpc {
  private ports: Ports;
  private driver: ExecutionDriver | null = null;
  private presence: Presence | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.ports = composePorts(env, ctx.storage, true);
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.method === "POST") return this.run((await request.json()), request.signal);
    return this.stream(Number(url.searchParams.get("after")), request.signal);
  }

  override async alarm(): Promise<void> {
    try {
      const driver = this.open();
      const held = Promise.withResolvers<void>();
      const stop = this.ports.clock.after(PACE.ALARM_HOLD_MS, held.resolve);
      await Promise.race([driver.drive(), held.promise]);
      stop();
      const at = driver.alarmAt() ?? this.retentionEnd(driver.state);
      if (at === null) return;
      if (driver.state?.ended_at !== null && at <= this.ports.clock.now()) await this.ctx.storage.deleteAll();
      else await this.ctx.storage.setAlarm(at);
    } catch (cause) {
      // A log that cannot be read stays as it is, for whoever asks; there is nothing to go on with.
      if (!(cause instanceof LogCorrupted))
        await this.ctx.storage.setAlarm(this.ports.clock.now() + PACE.ALARM_RETRY_MS);
    }
  }

  async read(stream_url: string): Promise<Result<ExecutionText>> {
    return this.answer(stream_url, () => null);
  }

  async control(command: ControlCommand, stream_url: string): Promise<Result<ExecutionText>> {
    return this.answer(stream_url, (driver) => {
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
    await this.ports.log.synced();
    const events = Array.from(opened.value.eventsAfter(after), wireJson);
    return ok(`{"data":[${events.join(",")}]}`);
  }

  private async run(message: RunMessage, signal: AbortSignal): Promise<Response> {
    const started = this.startOrAttach(message);
    if (!started.ok) return refuse(started.error);
    const driver = started.value;
    if (message.answer === "stream") return this.openStream(driver, message.after, signal);
    const stay = this.presence?.enter();
    const leave = () => stay?.();
    signal.addEventListener("abort", leave);
    await waitForCaller(driver, this.ports.clock, message.answer.wait_ms);
    leave();
    const state = driver.state as ExecutionState;
    return new Response(textOf(state, message.stream_url), {
      headers: { "content-type": "application/json", [STATUS_HEADER]: state.status },
    });
  }

  private startOrAttach(message: RunMessage): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    if (!opened.ok) return opened;
    const { state } = opened.value;
    if (state !== null) {
      if (state.spec.digest !== message.digest) return err({ code: "IDEMPOTENCY_MISMATCH" });
      return opened;
    }
    if (message.spec === null) return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
    if (message.spec.storage === "memory") {
      this.ports = composePorts(this.env, this.ctx.storage, false);
      this.driver = ExecutionDriver.open(this.ports);
    }
    const driver = this.driver as ExecutionDriver;
    driver.submit({ type: "start", spec: message.spec });
    this.presence = Presence.of(driver, this.ports.clock, false);
    return ok(driver);
  }

  private async stream(after: number, signal: AbortSignal): Promise<Response> {
    const opened = this.existing();
    if (!opened.ok) return refuse(opened.error);
    const state = opened.value.state as ExecutionState;
    if (isTerminal(state.status) && after >= state.seq) return new Response(null, { status: 204 });
    return this.openStream(opened.value, after, signal);
  }

  private openStream(driver: ExecutionDriver, after: number, signal: AbortSignal): Response {
    const feed = new EventFeed(driver, after);
    const leave = this.presence?.enter();
    const gone = () => feed.close();
    signal.addEventListener("abort", gone);
    const watched = driver.state?.spec.on_disconnect === "cancel";
    const beat = watched ? PACE.HEARTBEAT_WATCHED_MS : PACE.HEARTBEAT_MS;
    const stream = sseStream(feed, this.ports.clock, beat, () => {
      signal.removeEventListener("abort", gone);
      leave?.();
    });
    return new Response(stream, { headers: SSE_HEADERS });
  }

  private async answer(
    stream_url: string,
    act: (driver: ExecutionDriver) => CoordinatorError | null,
  ): Promise<Result<ExecutionText>> {
    const opened = this.existing();
    if (!opened.ok) return opened;
    const refusal = act(opened.value);
    if (refusal !== null) return err(refusal);
    const state = opened.value.state as ExecutionState;
    return ok({ status: state.status, json: textOf(state, stream_url) });
  }

  /** The driver of an execution that is there. */
  private existing(): Result<ExecutionDriver> {
    const opened = this.tryOpen();
    if (!opened.ok || opened.value.state !== null) return opened;
    return err({ code: "EXECUTION_NOT_FOUND", execution_id: this.executionId() });
  }

  private tryOpen(): Result<ExecutionDriver> {
    try {
      return ok(this.open());
    } catch (cause) {
      if (!(cause instanceof LogCorrupted)) throw cause;
      return err({ code: "CONTEXT_CORRUPTED", execution_id: this.executionId(), evidence: cause.evidence });
    }
  }

  /** Whoever comes first finds the log and takes up what it holds. @throws LogCorrupted */
  private open(): ExecutionDriver {
    if (this.driver !== null) return this.driver;
    const driver = ExecutionDriver.open(this.ports);
    this.driver = driver;
    this.presence = Presence.of(driver, this.ports.clock, true);
    driver.wakeUp();
    return driver;
  }

  private retentionEnd(state: ExecutionState | null): number | null {
    if (state === null || state.ended_at === null) return null;
    return state.ended_at + state.spec.config.retention_seconds * 1_000;
  }

  private executionId(): string {
    return (this.ctx.id.name ?? "").split("/").at(-1) ?? "";
  }
}

function textOf(state: ExecutionState, stream_url: string): string {
  const view = viewExecution(state);
  return JSON.stringify(isTerminal(state.status) ? view : { ...view, stream_url });
}

function refuse(error: CoordinatorError): Response {
  return new Response(JSON.stringify(error), { headers: { "content-type": REFUSAL_TYPE } });
}
