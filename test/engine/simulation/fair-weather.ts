// A run of the real driver on the simulated platform in fair weather: agents by script, nothing dies by chance.
import type { AgentRequest, CallHooks } from "../../../src/engine/ports.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { unitOf } from "../../core/simulation/observed/stage.ts";
import { type Life, Platform } from "./platform.ts";
import { drained, VirtualTime } from "./virtual-time.ts";

export type Script = (request: AgentRequest, hooks: CallHooks, bench: Bench) => Promise<CallOutcome>;

export class Bench {
  readonly time = new VirtualTime(1_764_000_000_000);
  readonly began = this.time.now;
  readonly platform: Platform;
  readonly requests: AgentRequest[] = [];
  /** How many records each commit brought to the disk. */
  commits = 0;

  /**
   * @param refuses whether storage refuses a record; asked at each
   * @param receive takes a report, or rejects
   */
  constructor(
    script: Script,
    refuses: (bench: Bench) => boolean = () => false,
    receive: (state: ExecutionState, bench: Bench) => Promise<void> = async () => {},
  ) {
    const weather = {
      refuses: () => refuses(this),
      commit_ms: () => 1,
      alarm_ms: () => 0,
      downtime_ms: () => 0,
      dies: () => false,
      chance: () => 0.999_999,
      receivers: () => [{ name: "index", receive: (state: ExecutionState) => receive(state, this) }],
    };
    const agents = (life: () => Life) => ({
      call: async (request: AgentRequest, hooks: CallHooks) => {
        if (life().dead) return new Promise<never>(() => {});
        this.requests.push(request);
        return script(request, hooks, this);
      },
    });
    this.platform = new Platform(this.time, weather, agents, (events) => {
      if (events.length > 0) this.commits += 1;
    });
  }

  get driver() {
    const life = this.platform.object();
    if (life === null) throw new Error("the object is down");
    return life.driver;
  }

  get log(): LogEvent[] {
    return this.platform.durable;
  }

  get types(): string[] {
    return this.log.map((event) =>
      event.stage === undefined ? event.type : `${event.type} ${unitOf(event)}`,
    );
  }

  /** Milliseconds since the run began. */
  get ms(): number {
    return this.time.now - this.began;
  }

  async start(spec: RunSpec): Promise<this> {
    this.driver.submit({ type: "start", spec });
    await drained();
    return this;
  }

  /** Lets time pass, to the end of the run or to this many ms since it began. */
  async until(ms = Number.POSITIVE_INFINITY): Promise<this> {
    const over = () => ENDED.has(this.log.at(-1)?.type ?? "") && ms === Number.POSITIVE_INFINITY;
    const end = this.began + ms;
    if (ms < Number.POSITIVE_INFINITY) this.time.after(end - this.time.now, () => {});
    while (!over() && this.time.now < end && (await this.time.step()));
    return this;
  }
}

const ENDED = new Set(["execution.completed", "execution.failed", "execution.cancelled"]);

/** Resolves with the outcome after so many ms of virtual time. */
export function later(bench: Bench, ms: number, outcome: CallOutcome): Promise<CallOutcome> {
  return new Promise((resolve) => {
    bench.time.after(ms, () => resolve(outcome));
  });
}

export function said(data: Record<string, unknown> = {}): CallOutcome {
  return { ok: true, answer: { data }, bytes: JSON.stringify(data).length };
}

export const BUSY: CallOutcome = {
  ok: false,
  failure: { kind: "status", status: 503, detail: null, retryable: null, retry_after_ms: null },
};
