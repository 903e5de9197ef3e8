// Play: a run of the pure core told step by step, for rules that are best shown by a short story. Time moves only
// where the story says so.
import type { CoordinatorConfig } from "../../../src/contract/config.ts";
import type { PipelineExecution } from "../../../src/contract/execution.ts";
import type { AgentStage, ResolvedStage, StageResult, WaitStage } from "../../../src/contract/stage.ts";
import type { WaitSpec } from "../../../src/contract/wait.ts";
import type { CallEnding, CallOutcome, Command, Refusal } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent, LogEventOf } from "../../../src/core/execution/log-event.ts";
import { type Gates, OPEN_GATES } from "../../../src/core/execution/gates/gates.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { type ExecutionState, type OutsideAnswer, stageOf } from "../../../src/core/execution/state.ts";
import { viewExecution } from "../../../src/core/execution/view/view.ts";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

export class Play {
  readonly began = 1_764_000_000_000;
  now = this.began;
  log: LogEvent[] = [];
  state: ExecutionState;
  refusal: Refusal | null = null;
  /** What calls may have to wait for. */
  gates: Gates;
  /** Units for which a place is to be asked. */
  blocked: string[] = [];

  constructor(
    stages: ResolvedStage[],
    config: Partial<CoordinatorConfig> = {},
    fields: Partial<RunSpec> = {},
    gates: Partial<Gates> = {},
  ) {
    this.gates = { ...OPEN_GATES, ...gates };
    const spec = makeSpec(stages, config, fields);
    const { events, state, blocked } = decide(null, { type: "start", spec }, this.now, this.gates);
    this.log.push(...events);
    this.state = state as ExecutionState;
    this.blocked = [...(blocked ?? [])];
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  submit(command: Command): this {
    const { events, state, refusal, blocked } = decide(this.state, command, this.now, this.gates);
    this.log.push(...events);
    this.state = state as ExecutionState;
    this.refusal = refusal;
    if (blocked !== null) this.blocked = [...blocked];
    return this;
  }

  answer(stage: string, outcome: CallOutcome = ok(), chance = 0.5): this {
    const { call, call_at } = stageOf(this.state, stage);
    return this.submit({ type: "answer", stage, call, outcome, began_at: call_at, chance });
  }

  fail(stage: string, failure: CallFailure, chance = 0.5): this {
    return this.answer(stage, { ok: false, failure }, chance);
  }

  /** Somebody answers a question. @param wait the `seq` that a token is bound to */
  say(stage: string, answer: OutsideAnswer = YES, wait: number | null = null, by = "key:1"): this {
    return this.submit({ type: "signal", stage, wait, answer, by });
  }

  /** The agent answers 202. */
  accept(stage: string, location?: string): this {
    return this.answer(stage, { ok: "later", ...(location === undefined ? {} : { location }) });
  }

  /** The agent calls back, for its present call unless another is named. */
  callback(
    stage: string,
    outcome: CallEnding = ok() as CallEnding,
    call = stageOf(this.state, stage).call,
  ): this {
    return this.submit({ type: "callback", stage, call, outcome });
  }

  heartbeat(stage: string): this {
    return this.submit({ type: "heartbeat", stage, call: stageOf(this.state, stage).call });
  }

  tick(): this {
    return this.submit({ type: "tick" });
  }

  pause(mode: "drain" | "abort"): this {
    return this.submit({ type: "pause", mode });
  }

  resume(): this {
    return this.submit({ type: "resume" });
  }

  cancel(): this {
    return this.submit({ type: "cancel", reason: "by its caller" });
  }

  /** The coordinator dies; what was committed comes back, read from JSON. @param platform what it has counted */
  crash(platform: { crashes: number; cut?: number } = { crashes: Number.MAX_SAFE_INTEGER }): this {
    this.state = replay(JSON.parse(JSON.stringify(this.log)) as LogEvent[]) as ExecutionState;
    return this.submit({ type: "recover", ...platform });
  }

  get status(): string {
    return this.state.status;
  }

  get view(): PipelineExecution {
    return viewExecution(this.state);
  }

  /** Names of the stages that have a call in flight. */
  get calls(): string[] {
    return nextActions(this.state).invoke.map((invocation) => invocation.stage);
  }

  get wakesIn(): number | null {
    const { wake_at } = nextActions(this.state, new Set(this.blocked));
    return wake_at === null ? null : wake_at - this.now;
  }

  get types(): string[] {
    return this.log.map((event) => event.type);
  }

  get last(): LogEvent {
    return this.log.at(-1) as LogEvent;
  }

  of<Type extends LogEvent["type"]>(type: Type): LogEventOf<Type>[] {
    return this.log.filter((event): event is LogEventOf<Type> => event.type === type);
  }

  result(stage: string): StageResult {
    return this.view.stage_results[stage] as StageResult;
  }

  /** How long the stage waits for the outside, in ms from now. */
  waitsFor(stage: string): number | null {
    const { wait } = stageOf(this.state, stage);
    return wait === null ? null : wait.expires_at - this.now;
  }

  /** What is left of the execution's time, in ms. */
  get left(): number {
    return this.state.deadline_at - (this.state.drained_at ?? this.now);
  }

  /** The delay that the last retry was given, in ms. */
  get delay(): number {
    return this.of("stage.retrying").at(-1)?.data.delay_ms ?? Number.NaN;
  }
}

export const stage = makeStage;

/** A stage that may overlap others. */
export function side(name: string, fields: Partial<AgentStage> = {}): AgentStage {
  return makeStage(name, { parallel: true, ...fields });
}

/** A stage that asks. */
export function asks(name: string, wait: Partial<WaitSpec> = {}, fields: Partial<WaitStage> = {}): WaitStage {
  return {
    name,
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
    wait: { timeout_seconds: 60, on_timeout: "fail", ...wait },
    ...fields,
  };
}

/** A stage whose agent may answer later. */
export function later(name: string, fields: Partial<AgentStage> = {}): AgentStage {
  return makeStage(name, { callback_timeout_seconds: 600, ...fields });
}

export const YES: OutsideAnswer = { ok: true, data: { approved: true } };
export const NO: OutsideAnswer = { ok: false, message: "not like this" };

export function ok(data: Record<string, unknown> = { said: "yes" }, more: object = {}): CallOutcome {
  return { ok: true, answer: { data, ...more }, bytes: JSON.stringify(data).length };
}

export function status(
  code: number,
  more: Partial<Extract<CallFailure, { kind: "status" }>> = {},
): CallFailure {
  return { kind: "status", status: code, detail: null, retryable: null, retry_after_ms: null, ...more };
}

export const REJECTED: CallFailure = { kind: "rejected" };
export const TIMEOUT: CallFailure = { kind: "timeout", timeout_ms: 60_000, idle: false };
export const TRUNCATED: CallFailure = { kind: "truncated", detail: "the stream ended without a result" };
export const BROKEN: CallFailure = { kind: "contract", detail: "data is missing", status: 200 };
