// Outsiders: the people and agents that answer a simulated run, and what they were answered. They live on when the
// coordinator dies: what they mean to say, they say.
import type { AgentStage } from "../../../../src/contract/stage.ts";
import type { CallEnding, Command } from "../../../../src/core/execution/command.ts";
import type { LogEvent, LogEventOf } from "../../../../src/core/execution/log-event.ts";
import type { OutsideAnswer } from "../../../../src/core/execution/state.ts";
import { unitOf } from "../observed/stage.ts";
import type { Scenario } from "../scenario.ts";
import type { Later, Moment } from "./draw.ts";

export type OutsideCommand = Extract<Command, { type: "signal" | "callback" | "heartbeat" }>;

interface Planned {
  at: number;
  command: OutsideCommand;
}

/** An answer to a question that was acknowledged. */
export interface Acknowledged {
  answer: OutsideAnswer;
  by: string;
}

const FEW = 2;

export class Outsiders {
  /** By stage: the answer that a 200 or a 202 was given for. */
  readonly acknowledged = new Map<string, Acknowledged>();
  /** What was last accepted, as JSON: by stage, or by stage and call. */
  readonly taken = new Map<string, string>();
  private readonly scenario: Scenario;
  private planned: Planned[];
  /** Callbacks for the millisecond at which their call's wait ends. */
  private readonly atExpiry = new Map<number, Later["callbacks"]>();

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.planned = scenario.unasked.map(({ after_ms, stage, answer }) => ({
      at: scenario.started_at + after_ms,
      command: { type: "signal", stage, wait: null, answer, by: "key:early" },
    }));
  }

  get isEmpty(): boolean {
    return this.planned.length === 0;
  }

  /** As if they had lived up to the end of this log: what is open there, they mean to answer. */
  remember(log: readonly LogEvent[]): void {
    const calls = new Map<string, number>();
    const open = new Map<string, LogEventOf<"stage.waiting">>();
    for (const event of log) {
      const unit = unitOf(event);
      if (event.type === "stage.started") calls.set(unit, event.seq);
      if (event.type === "stage.signalled") {
        if (event.internal?.answer) this.taken.set(event.stage, JSON.stringify(event.internal.answer));
      } else if (event.type === "stage.waiting") open.set(unit, event);
      else if (event.type === "stage.completed" && event.internal?.answered?.call === null) {
        this.taken.set(event.stage, JSON.stringify({ ok: true, data: event.data.data }));
        open.delete(unit);
      } else open.delete(unit);
    }
    for (const event of open.values()) {
      const { stage, attempt, timestamp, data } = event;
      const time = Date.parse(timestamp);
      const call = calls.get(unitOf(event)) ?? 0;
      const spec = this.scenario.spec.stages.find(({ name }) => name === stage);
      const later =
        data.reason === "callback"
          ? this.scenario.plan(spec as AgentStage, attempt, "call").later
          : undefined;
      if (later !== undefined) this.called(unitOf(event), call, time, later);
      this.seen(event, call, time, 0);
    }
  }

  /** After the end of a run a few words show that nothing is taken any more. */
  quieten(): void {
    this.planned.length = Math.min(this.planned.length, FEW);
  }

  /** What comes next, and takes it; null where nothing does. */
  next(): { at: number; take: () => OutsideCommand } | null {
    let first: Planned | null = null;
    for (const one of this.planned) if (first === null || one.at < first.at) first = one;
    if (first === null) return null;
    const taken = first;
    return {
      at: taken.at,
      take: () => {
        this.planned = this.planned.filter((other) => other !== taken);
        return taken.command;
      },
    };
  }

  /** An agent is called that may answer later. @param time when, by the true clock */
  called(stage: string, call: number, time: number, { callbacks, heartbeats }: Later): void {
    for (const after_ms of heartbeats) this.plan(time + after_ms, { type: "heartbeat", stage, call });
    for (const { at, outcome } of callbacks)
      if (typeof at === "number") this.plan(time + at, { type: "callback", stage, call, outcome });
    this.atExpiry.set(
      call,
      callbacks.filter(({ at }) => typeof at !== "number"),
    );
  }

  /** Somebody has seen the event. @param ahead how far the true clock is ahead of the coordinator's, in ms */
  seen(event: LogEvent, call: number, time: number, ahead: number): void {
    if (event.type !== "stage.waiting") return;
    const { stage, seq, data } = event;
    const expires = Date.parse(data.expires_at) + ahead;
    const when = (at: Moment) =>
      typeof at === "number" ? time + at : Math.max(time, at === "expiry" ? expires : expires - 1);
    if (data.reason === "callback") {
      const callbacks: { at: Moment; outcome: CallEnding }[] = this.atExpiry.get(call) ?? [];
      for (const { at, outcome } of callbacks)
        this.plan(when(at), { type: "callback", stage: unitOf(event), call, outcome });
      this.atExpiry.delete(call);
      return;
    }
    for (const { at, answer, by, bound } of this.scenario.said(stage)) {
      const wait = bound === "none" ? null : bound === "this" ? seq : seq - 1;
      this.plan(when(at), { type: "signal", stage, wait, answer, by });
    }
  }

  private plan(at: number, command: OutsideCommand): void {
    this.planned.push({ at, command });
  }
}
