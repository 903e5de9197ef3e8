// A run of the pure core whose agents answer from the bytes of their calls alone: equal bytes give equal answers, others
// give others. It records those bytes, and of a question to a person what it shows.
import type { AgentStage, ResolvedStage } from "../../../src/contract/stage.ts";
import type { JsonObject } from "../../../src/contract/json.ts";
import type { Command } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { dataOf, replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { type ExecutionState, isTerminal } from "../../../src/core/execution/state.ts";
import { forkSource, type ForkSource } from "../../../src/core/forks/fork-source.ts";
import { fnv1a } from "../../../src/core/hash.ts";
import { canonicalJson } from "../../../src/core/json/json.ts";
import { jsonBytes } from "../../../src/core/json/weight.ts";

export class ForkRun {
  readonly log: LogEvent[] = [];
  state: ExecutionState;
  /** Of each stage's last call, or question. */
  readonly bytes = new Map<string, string>();
  /** Every call and question, by stage. */
  readonly asked: string[] = [];
  private now: number;
  private readonly rank: (stage: string) => number;
  private readonly made = new Set<number>();

  /** @param rank of two calls in flight the one of the lower rank is answered first */
  constructor(spec: RunSpec, rank: (stage: string) => number = () => 0, now = 1_764_000_000_000) {
    this.rank = rank;
    this.now = now;
    const { events, state } = decide(null, { type: "start", spec }, now);
    this.log.push(...events);
    this.state = state as ExecutionState;
  }

  /** Answers what is asked until the run ends, or so many times. */
  run(most = Number.POSITIVE_INFINITY): this {
    for (let answered = 0; answered < most && !isTerminal(this.state.status); answered += 1) this.step();
    return this;
  }

  submit(command: Command): this {
    this.now += 1;
    const { events, state } = decide(this.state, command, this.now);
    this.log.push(...events);
    this.state = state as ExecutionState;
    return this;
  }

  /** As a fork of it gets it, by way of the log's and the message's JSON. */
  get source(): ForkSource {
    const log = JSON.parse(JSON.stringify(this.log)) as LogEvent[];
    const state = replay(log) as ExecutionState;
    return JSON.parse(JSON.stringify(forkSource(state, log))) as ForkSource;
  }

  data(stage: string): JsonObject | null {
    return dataOf(this.state, stage);
  }

  private step(): void {
    const { invoke, wake_at } = nextActions(this.state);
    for (const { stage, call } of invoke) {
      if (this.made.has(call)) continue;
      this.made.add(call);
      this.asked.push(stage);
      this.bytes.set(stage, this.callOf(stage));
    }
    for (const { result, wait } of this.state.stages) {
      if (wait?.reason !== "wait" || this.bytes.has(result.stage)) continue;
      this.asked.push(result.stage);
      this.bytes.set(result.stage, this.questionOf(result.stage, wait.prompt));
    }
    const next = invoke.toSorted((a, b) => this.rank(a.stage) - this.rank(b.stage))[0];
    const open = this.state.stages.find((stage) => stage.wait?.reason === "wait");
    if (next !== undefined) {
      const { stage, call, attempt } = next;
      const definition = this.stageOf(stage) as AgentStage;
      const fails = attempt <= Number(definition.config.fails ?? 0);
      const outcome = fails ? AWAY : answerTo(definition, this.bytes.get(stage) ?? "");
      this.submit({ type: "answer", stage, call, outcome, began_at: this.now, chance: 0.5 });
    } else if (open !== undefined) {
      const { stage } = open.result;
      const answer = { ok: true as const, data: { said: fnv1a(this.bytes.get(stage) ?? "") } };
      this.submit({ type: "signal", stage, wait: null, answer, by: "key:k1" });
    } else {
      this.now = Math.max(this.now, wake_at ?? Number.NaN);
      if (Number.isNaN(this.now)) throw new Error("the run waits for nothing");
      this.submit({ type: "tick" });
    }
  }

  /** What a person is shown, and what an agent would be given in its place. */
  private questionOf(name: string, prompt: JsonObject | null): string {
    const { query, history } = this.state.spec;
    const schema = this.stageOf(name).wait?.schema ?? null;
    return canonicalJson([prompt, schema, query, history, this.state.context]);
  }

  private stageOf(name: string): ResolvedStage {
    return this.state.spec.stages.find((stage) => stage.name === name) as ResolvedStage;
  }

  /** All that an agent is given, but the execution's id, the try and what is left of the deadline. */
  private callOf(name: string): string {
    const { spec, context } = this.state;
    const { agent_type, config, depends_on, timeout_seconds } = this.stageOf(name) as AgentStage;
    const inputs = Object.fromEntries(
      depends_on.map((dependency) => [dependency, dataOf(this.state, dependency)]),
    );
    const { query, history } = spec;
    const registration = spec.agents[agent_type] ?? null;
    return canonicalJson({
      name,
      agent_type,
      registration,
      config,
      timeout_seconds,
      inputs: { ...spec.inputs, ...inputs },
      query,
      history,
      context,
    });
  }
}

const AWAY = {
  ok: false as const,
  failure: { kind: "status" as const, status: 503, detail: null, retryable: null, retry_after_ms: null },
};

/** A stage whose config says so adds to the context. */
function answerTo({ name, config }: AgentStage, bytes: string) {
  const hash = fnv1a(bytes);
  const text = `${name} says ${hash}`;
  const data = { answer: text, n: hash % 6 };
  const context = typeof config.adds === "string" ? { [config.adds]: hash } : undefined;
  const usage = { input_tokens: 1 };
  return {
    ok: true as const,
    answer: { data, usage, ...(context === undefined ? {} : { context }) },
    text,
    bytes: jsonBytes(data) + jsonBytes(context),
  };
}
