// Executions and those that their stages run, at random: several cores, each with its log, and what they say to each other
// by the real receivers, which comes late, fails and is said again. Verbs at any moment, answers of people, crashes of any
// of them. Whatever comes: each unit has one execution, all of them end, and a stage has its execution's result.
import { assert as assertProperty, asyncProperty, integer } from "fast-check";
import { expect, test } from "vitest";
import {
  MapSpec,
  type PipelineRunStage,
  type ResolvedStage,
  RepeatSpec,
} from "../../../src/contract/stage.ts";
import {
  type Change,
  changeSince,
  leftReported,
  reported,
} from "../../../src/core/execution/alarm/report-change.ts";
import type { Command } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { type Invocation, nextActions } from "../../../src/core/execution/next-actions.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { specOf } from "../../../src/core/execution/schedule.ts";
import { type ExecutionState, isAtRest, isTerminal } from "../../../src/core/execution/state.ts";
import { childOf, childSpec, everyChild } from "../../../src/core/execution/units/child.ts";
import { wholeResult } from "../../../src/core/execution/view/view.ts";
import { openWaits } from "../../../src/core/execution/view/waits.ts";
import { childrenReceiver, commandFor, parentReceiver } from "../../../src/engine/call/child-news.ts";
import type { Receiver } from "../../../src/engine/watch/outbox.ts";
import { makeRun, makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { sizeOf } from "../../support/sizes.ts";
import { type Chance, seeded } from "../../support/values/chance.ts";

const RUNS = sizeOf("FAMILY_RUNS");
/** Steps with verbs and crashes; then everything is answered until nothing is left. */
const WILD = 60;
const CALM = 3_000;

const called = (pipeline: string, name = pipeline, fields: Partial<PipelineRunStage> = {}) =>
  makeRun(name, pipeline, { parallel: true, ...fields });

const asks: ResolvedStage = {
  name: "ask",
  required: true,
  parallel: false,
  depends_on: [],
  config: {},
  wait: { timeout_seconds: 3_600, on_timeout: "fail" },
};

const repeat = RepeatSpec.parse({ until: "iteration >= 2.0", max: 3 });
const map = (on_error: "fail" | "collect") => MapSpec.parse({ over: "[1, 2, 3]", concurrency: 2, on_error });

const PIPELINES: NonNullable<RunSpec["pipelines"]> = {
  leaf: { version: 1, stages: [makeStage("work", { retry_attempts: 1 })] },
  asking: { version: 1, stages: [asks] },
  middle: { version: 1, stages: [called("leaf"), called("asking", "question", { required: false })] },
};

const ROOTS: readonly ResolvedStage[][] = [
  [called("leaf"), called("asking")],
  [called("middle"), makeStage("own", { parallel: true, retry_attempts: 1 })],
  [called("leaf", "again", { repeat })],
  [called("leaf", "each", { map: map("collect") }), called("asking")],
  [
    called("middle", "each", { map: map("fail"), required: false }),
    called("leaf", "last", { depends_on: ["each"] }),
  ],
];

interface Pending {
  receiver: Receiver;
  state: ExecutionState;
  change: Change;
}

class Member {
  state: ExecutionState;
  log: LogEvent[] = [];
  /** What is in flight, by call. */
  calls = new Map<number, Invocation>();
  noticed: ReturnType<typeof leftReported> = null;
  pending: Pending[] = [];

  constructor(spec: RunSpec, now: number) {
    const { events, state } = decide(null, { type: "start", spec }, now);
    this.log.push(...events);
    this.state = state as ExecutionState;
  }

  get id(): string {
    return this.state.spec.execution_id;
  }
}

class Family {
  readonly members = new Map<string, Member>();
  readonly unwanted = new Set<string>();
  readonly counts = new Map<string, number>();
  private readonly chance: Chance;
  private readonly receivers: readonly Receiver[];
  private now = 1_764_000_000_000;
  private isWild = true;

  constructor(seed: number) {
    this.chance = seeded(seed);
    const rpcOf = (_: string, id: string) => ({
      steer: async (command: Parameters<ReturnType<typeof this.rpc>["steer"]>[0]) =>
        this.rpc(id).steer(command),
      childMoved: async (unit: string, child: string, seq: number | null) =>
        this.rpc(id).childMoved(unit, child, seq),
    });
    this.receivers = [parentReceiver(rpcOf), childrenReceiver(rpcOf)];
    this.add(makeSpec(this.chance.pick(ROOTS), {}, { execution_id: "root", pipelines: PIPELINES }));
  }

  get root(): Member {
    return this.members.get("root") as Member;
  }

  async live(): Promise<void> {
    for (let step = 0; step < WILD && !isTerminal(this.root.state.status); step += 1) await this.step();
    this.isWild = false;
    for (let step = 0; step < CALM; step += 1) {
      if (this.root.state.status === "paused") this.submit(this.root, { type: "resume" });
      if (this.isOver()) return;
      await this.step();
    }
    const left = [...this.members.values()].map(({ id, state }) => `${id} ${state.status}`);
    throw new Error(`the family does not end: ${left.join(", ")}`);
  }

  private isOver(): boolean {
    const all = [...this.members.values()];
    return all.every(({ state, pending }) => isTerminal(state.status) && pending.length === 0);
  }

  private add(spec: RunSpec): void {
    const member = new Member(spec, this.now);
    this.counts.set(member.id, (this.counts.get(member.id) ?? 0) + 1);
    this.members.set(member.id, member);
    this.after(member);
  }

  /** What the object of an execution does for others: see Kin. */
  private rpc(id: string) {
    if (this.isWild && this.chance.draw() < 0.2) throw new Error("unreachable");
    const member = this.members.get(id);
    return {
      steer: (command: Extract<Command, { type: "pause" | "resume" | "cancel" }>): void => {
        if (member !== undefined) this.submit(member, command);
        else if (command.type === "cancel") this.unwanted.add(id);
      },
      childMoved: (unit: string, child: string, seq: number | null) => {
        if (member === undefined) throw new Error("no parent");
        const command = commandFor(member.state, unit, child);
        if (seq === null || command?.type === "cancel") return command;
        const refusal = this.submit(member, { type: "child", stage: unit, child, seq });
        if (refusal?.reason === "in_flight") throw new Error("in flight");
        return command;
      },
    };
  }

  private submit(member: Member, command: Command) {
    const { events, state, refusal } = decide(member.state, command, this.now);
    member.log.push(...events);
    member.state = state as ExecutionState;
    this.after(member);
    return refusal;
  }

  private after(member: Member): void {
    const wanted = new Map(
      nextActions(member.state).invoke.map((invocation) => [invocation.call, invocation]),
    );
    member.calls = wanted;
    const change = changeSince(member.noticed, member.state);
    if (change === null) return;
    member.noticed = reported(member.state);
    const { state } = member;
    member.pending = this.receivers.map((receiver) => ({ receiver, state, change }));
  }

  private async step(): Promise<void> {
    const member = this.chance.pick([...this.members.values()]);
    const { state } = member;
    const [report] = member.pending;
    if (report !== undefined && this.chance.draw() < 0.6) {
      await report.receiver.receive(report.state, report.change).then(
        () => {
          member.pending = member.pending.filter((other) => other !== report);
        },
        () => {},
      );
      return;
    }
    this.now += this.chance.below(200);
    if (this.isWild && this.chance.draw() < 0.25) {
      this.disturb(member);
      return;
    }
    const call = this.chance.pick([...member.calls.values(), null]);
    const question = openWaits(state)[0];
    if (call !== null && call !== undefined) this.call(member, call);
    else if (question !== undefined && this.chance.draw() < 0.5) {
      const answer = { ok: true as const, data: { yes: true } };
      this.submit(member, { type: "signal", stage: question.stage, wait: null, answer, by: "key:1" });
    } else this.submit(member, { type: "tick" });
  }

  private disturb(member: Member): void {
    switch (this.chance.below(5)) {
      case 0:
        return void this.submit(this.root, { type: "pause", mode: this.chance.pick(["drain", "abort"]) });
      case 1:
        return void this.submit(this.root, { type: "resume" });
      case 2:
        if (this.chance.draw() < 0.3) this.submit(this.root, { type: "cancel", reason: "by its caller" });
        return;
      default: {
        // It dies: what it was about to say is said by its next instance.
        member.state = replay(JSON.parse(JSON.stringify(member.log)) as LogEvent[]) as ExecutionState;
        member.noticed = member.pending.length > 0 ? null : leftReported(member.state);
        member.pending = [];
        this.submit(member, { type: "recover", crashes: 1 });
      }
    }
  }

  /** A call ends, or the execution that it follows is followed as far as it is. */
  private call(member: Member, { stage: unit, call }: Invocation): void {
    const answer = (outcome: Extract<Command, { type: "answer" }>["outcome"]) =>
      this.submit(member, { type: "answer", stage: unit, call, outcome, began_at: this.now, chance: 0.5 });
    if (specOf(member.state, unit).pipeline === undefined) {
      if (this.chance.draw() < 0.1) answer({ ok: false, failure: { kind: "rejected" } });
      else answer({ ok: true, answer: { data: { of: member.id } }, bytes: 40 });
      return;
    }
    const spec = childSpec(member.state, unit, call, this.now);
    if (!spec.ok) throw new Error(spec.error);
    const { execution_id } = spec.value;
    const child = this.members.get(execution_id);
    if (child === undefined) {
      // Cancelled before it was there: its stage has ended.
      if (!this.unwanted.has(execution_id)) this.add(spec.value);
    } else if (isTerminal(child.state.status)) {
      const { status, error_info } = child.state;
      if (status === "completed") {
        const data = wholeResult(child.state) as Record<string, unknown>;
        answer({ ok: true, answer: { data }, bytes: 40 });
      } else {
        const failure = {
          kind: "execution" as const,
          code: error_info?.code ?? "AGENT_PROCESSING_ERROR",
          message: status,
        };
        answer({ ok: false, failure });
      }
    } else if (isAtRest(child.state)) answer({ ok: "rests", seen: { seq: child.state.seq, asking: [] } });
  }
}

/** A stage has the result of its execution, of as many as it has had iterations of. */
function judgeResults({ members }: Family, { id, state }: Member): void {
  const resultOf = (child: string) => {
    const of = members.get(child)?.state;
    return of === undefined ? null : wholeResult(of);
  };
  for (const { result } of state.stages) {
    const { stage, status, data, iterations } = result;
    const { pipeline, map: list } = specOf(state, stage);
    if (pipeline === undefined || status !== "completed") continue;
    const mine = [...members.values()].filter(({ state: { spec } }) => spec.parent?.execution_id === id);
    if (list === undefined) {
      const own = mine.filter(({ state: { spec } }) => spec.parent?.unit === stage);
      expect(own.length, stage).toBe(iterations ?? 1);
      expect(data, stage).toEqual(resultOf(childOf(state, stage) ?? ""));
      continue;
    }
    const items = (data as { items: { index: number; status: string; data: unknown }[] }).items;
    for (const item of items) {
      if (item.status !== "completed") continue;
      const [child, ...others] = mine.filter(
        ({ state: { spec } }) => spec.parent?.unit === `${stage}[${item.index}]`,
      );
      expect(others).toEqual([]);
      expect(item.data).toEqual(resultOf(child?.id ?? ""));
    }
  }
}

test(`${RUNS} families: each unit has one execution, and all of them end`, {
  timeout: 60_000 + RUNS * 50,
}, async () => {
  const ends = new Map<string, number>();
  let children = 0;
  await assertProperty(
    asyncProperty(integer(), async (seed) => {
      const family = new Family(seed);
      await family.live();
      for (const member of family.members.values()) {
        expect(family.counts.get(member.id), member.id).toBe(1);
        const { parent } = member.state.spec;
        if (parent === undefined) continue;
        children += 1;
        const of = family.members.get(parent.execution_id) as Member;
        expect(everyChild(of.state)).toContain(member.id);
      }
      for (const member of family.members.values()) judgeResults(family, member);
      const { status } = family.root.state;
      ends.set(status, (ends.get(status) ?? 0) + 1);
    }),
    { numRuns: RUNS, seed: 20_261_128 },
  );
  expect(children).toBeGreaterThan(RUNS);
  for (const end of ["completed", "failed", "cancelled"])
    expect(ends.get(end) ?? 0, end).toBeGreaterThan(RUNS / 50);
});
