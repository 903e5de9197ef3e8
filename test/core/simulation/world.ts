// World: one simulated run of the pure core. Stands where the engine's loop stands: submits commands, holds calls,
// commits turns, and dies where the scenario says so, losing all that was not committed. The clock is a number.
import type { Command, Refusal } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { type Invocation, nextActions } from "../../../src/core/execution/next-actions.ts";
import type { Usage } from "../../../src/contract/stage.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { auditEnd, auditTurn, same } from "./audit.ts";
import { judgeAnswer, judgeVerb } from "./judge.ts";
import { Observer } from "./observer.ts";
import { hold, Violation } from "./observed/hold.ts";
import { unitOf } from "./observed/stage.ts";
import { befell, interrupted } from "./mapped/befell.ts";
import { missedBy } from "./observed/outside.ts";
import { auditAnswers, judgeOutside } from "./outside/judge.ts";
import { type OutsideCommand, Outsiders } from "./outside/outsiders.ts";
import type { CallPlan, Scenario, Verb } from "./scenario.ts";
import type { Tally } from "./tally.ts";

/** Where in the handling of a command the coordinator may die. */
export type Point = "decided" | "written" | "acted";

export interface Call {
  /** Its unit. */
  stage: string;
  attempt: number;
  call: number;
  began_at: number;
  ends_at: number;
  plan: CallPlan;
}

/** A stack each time would cost more than the runs. */
const CRASH = new Error("the coordinator died");

/** All that a crash at this point would leave: the log on the disk, and the time. */
export interface Left {
  disk: readonly string[];
  time: number;
  /** What the log must give back. */
  state: ExecutionState | null;
}

export interface WorldOptions {
  /** A run that nothing befalls is meant. */
  mayBeSpared?: boolean;
  /** Begins with the restart after a crash that left this. */
  from?: Left;
  /** Filled with what a crash at each point passed would leave. */
  points?: Left[];
}

const GROUP_MS = 50;
const STEPS = 20_000;
/** Written before they are answered. */
const URGENT: ReadonlySet<Command["type"]> = new Set([
  "start",
  "recover",
  "pause",
  "resume",
  "cancel",
  "signal",
  "callback",
  "heartbeat",
]);

export class World {
  readonly scenario: Scenario;
  readonly tally: Tally;
  state: ExecutionState | null = null;
  observer: Observer;
  readonly outsiders: Outsiders;
  private readonly options: WorldOptions;
  /** Points passed so far, over all lives. */
  points = 0;
  crashes = 0;
  /** True while nothing has kept the run from being handled to the millisecond. */
  exact = true;
  /** Real time; the clock shows it less `setBack`. */
  private time: number;
  private setBack = 0;
  private restartedAt = 0;
  /** The log as it is on the disk, and what of it has been read back. */
  private readonly disk: string[] = [];
  private readonly readBack: LogEvent[] = [];
  private committedState: ExecutionState | null = null;
  private unwritten: LogEvent[] = [];
  private commitAt: number | null = null;
  private calls = new Map<number, Call>();
  /** Aborted calls whose answers come all the same. */
  private late: Call[] = [];
  private wakeAt: number | null = null;
  private verbs: { at: number; command: Verb }[];
  /** Disruptions (crashes, aborting pauses) that had been when a try was last begun. */
  private readonly begun = new Map<string, number>();
  private disruptions = 0;
  private readonly done = new Set<string>();
  /** What the answers that were taken had used, by the `seq` of the event that took each. */
  readonly used = new Map<number, Usage>();
  private command: Command["type"] = "start";
  private readonly faultsBefore: number;

  constructor(scenario: Scenario, tally: Tally, options: WorldOptions = {}) {
    this.scenario = scenario;
    this.options = options;
    this.tally = tally;
    this.faultsBefore = options.mayBeSpared === true ? -1 : tally.total;
    this.observer = new Observer(scenario.spec);
    this.outsiders = new Outsiders(scenario);
    this.time = scenario.started_at;
    this.verbs = [...scenario.verbs];
  }

  /** Runs to the end and past it. @throws Violation */
  run(): this {
    const { from } = this.options;
    if (from !== undefined) this.leave(from);
    this.live(() => {
      if (from !== undefined) this.restart();
      else if (this.state === null) this.submit({ type: "start", spec: this.scenario.spec });
    });
    for (let step = 0; this.busy(); step += 1) {
      hold("I1", step < STEPS, () => "the run does not end");
      this.live(() => this.step());
    }
    auditEnd(this, this.state as ExecutionState, this.log(), this.restartedAt);
    auditAnswers(this, this.state as ExecutionState);
    return this;
  }

  clock(): number {
    return this.time - this.setBack;
  }

  /** Whether one stage depends on another, through however many. */
  depends(name: string, on: string): boolean {
    const seen = new Set<string>();
    const open = [name];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const before of this.observer.of(at).spec.depends_on) {
        if (before === on) return true;
        if (!seen.has(before)) open.push(before);
        seen.add(before);
      }
    }
    return false;
  }

  private busy(): boolean {
    const isOver = this.observer.terminal !== null && this.commitAt === null;
    if (isOver) this.outsiders.quieten();
    return !isOver || this.late.length > 0 || !this.outsiders.isEmpty;
  }

  /** One stretch of life; a crash in it is followed by as many restarts as it takes. */
  private live(act: () => void): void {
    for (let task: (() => void) | null = act; task !== null; ) {
      try {
        task();
        task = null;
      } catch (cause) {
        if (cause !== CRASH) throw cause;
        this.die();
        task = () => this.restart();
      }
    }
  }

  private step(): void {
    const { at, run } = this.next();
    this.time = Math.max(this.time, at);
    run();
    const back = this.scenario.setBack_ms();
    if (back === 0) return;
    this.setBack += back;
    this.exact = false;
    this.tally.fault("clock set back");
  }

  private next(): { at: number; run: () => void } {
    let first: { at: number; run: () => void } | null = null;
    const offer = (at: number, run: () => void) => {
      if (first === null || at < first.at) first = { at, run };
    };
    const verb = this.verbs[0];
    if (verb !== undefined) offer(verb.at, () => this.verb(this.verbs.shift()?.command as Verb));
    for (const call of this.calls.values()) offer(call.ends_at, () => this.answer(call));
    for (const call of this.late) offer(call.ends_at, () => this.answer(call));
    const outside = this.outsiders.next();
    if (outside !== null) offer(outside.at, () => this.fromOutside(outside.take()));
    if (this.commitAt !== null) offer(this.commitAt, () => this.write());
    if (this.wakeAt !== null) offer(this.wakeAt, () => this.submit({ type: "tick" }));
    if (first === null) throw new Violation("I15", "nothing will ever come: no call, no timer");
    return first;
  }

  private answer(call: Call): void {
    this.calls.delete(call.call);
    this.late = this.late.filter((other) => other !== call);
    const chance = this.scenario.chance();
    const { stage, call: id, plan, began_at } = call;
    const judge = judgeAnswer(this, call, chance);
    const outcome = plan.later === undefined ? plan.outcome : ({ ok: "later" } as const);
    const { events, refusal } = this.submit(
      { type: "answer", stage, call: id, outcome, began_at, chance },
      (events, refusal) => judge(events, refusal),
    );
    if (refusal === null && events.length > 0 && outcome.ok === false) this.tally.fault(outcome.failure.kind);
  }

  private fromOutside(command: OutsideCommand): void {
    const { refusal } = this.submit(command, judgeOutside(this, command));
    if (refusal !== null || command.type !== "signal") return;
    const { stage, answer, by } = command;
    this.outsiders.acknowledged.set(stage, { answer, by });
  }

  private verb(command: Verb): void {
    const judge = judgeVerb(this, command);
    const { refusal } = this.submit(command, judge);
    if (refusal === null) this.tally.verb(command.type === "pause" ? `pause ${command.mode}` : command.type);
  }

  private submit(
    command: Command,
    judge: (events: LogEvent[], refusal: Refusal | null) => void = () => {},
  ): { events: LogEvent[]; refusal: Refusal | null } {
    this.command = command.type;
    const before = this.state;
    const { events, state, refusal } = decide(before, command, this.clock());
    this.state = state;
    for (const event of events) this.see(event);
    if (before !== null && before.ended_at !== null) {
      hold("I2", state === before && events.length === 0, () => `${command.type} changed a terminal state`);
    }
    judge(events, refusal);
    if (refusal === null) this.takeUsage(command, events);
    if (events.length > 0) {
      this.unwritten.push(...events);
      const urgent = URGENT.has(command.type);
      this.point("decided");
      if (command.type === "start" || command.type === "recover") {
        this.write();
        this.act();
      } else {
        this.act();
        if (urgent || state?.ended_at !== null || !this.scenario.groups()) this.write();
        else this.commitAt ??= this.time + GROUP_MS;
      }
    } else if (command.type === "tick" || command.type === "recover") this.act();
    auditTurn(this, this.state as ExecutionState, command, refusal !== null);
    return { events, refusal };
  }

  /** What a call has used counts once, whether its answer was taken or not. */
  private takeUsage(command: Command, events: readonly LogEvent[]): void {
    if (command.type !== "answer" && command.type !== "callback") return;
    const { outcome } = command;
    if (outcome.ok !== true && outcome.ok !== false) return;
    const isOf = ({ internal }: LogEvent) =>
      command.type === "answer" || (internal !== undefined && "answered" in internal);
    const unit = command.type === "answer" ? command.stage : null;
    const first = events.find((event) => (unit === null || unitOf(event) === unit) && isOf(event));
    const isTaken = first?.type === "stage.completed" || first?.type === "stage.iterated";
    if (first === undefined || (!isTaken && !/^stage.(retrying|fallback|failed)$/.test(first.type))) return;
    const isUncalled = outcome.ok ? outcome.cached === true : outcome.failure.kind === "refused";
    if (!isTaken && isUncalled) return;
    const usage = outcome.ok ? outcome.answer.usage : outcome.usage;
    if (!isTaken && usage !== undefined) this.tally.fault("used for nothing");
    this.used.set(first.seq, usage ?? {});
  }

  private see(event: LogEvent): void {
    const missed = missedBy(this.observer, event);
    if (missed !== null) this.tally.fault(missed);
    this.observer.see(event);
    const fault = befell(this.observer, event);
    if (fault !== null) this.tally.unit(fault);
    // A pause in mode abort interrupts what an agent does that has answered 202, too.
    if (event.type === "execution.paused" && event.data.mode === "abort") this.disruptions += 1;
    if (event.type !== "stage.waiting") return;
    const { reason } = event.data;
    this.tally.verb(`wait for ${reason === "wait" ? "an answer" : "a callback"}`);
    this.outsiders.seen(event, this.observer.of(unitOf(event)).call, this.time, this.setBack);
  }

  private write(): void {
    this.commitAt = null;
    for (const event of this.unwritten) {
      this.committed(event);
      this.disk.push(JSON.stringify(event));
    }
    this.unwritten = [];
    this.committedState = this.state;
    this.point("written");
  }

  private committed(event: LogEvent): void {
    if (event.type === "stage.completed") this.done.add(unitOf(event));
    if (event.type === "stage.iterated") this.done.add(`${unitOf(event)} ${event.data.iteration}`);
  }

  private act(): void {
    const { invoke, wake_at } = nextActions(this.state as ExecutionState);
    const wanted = new Set(invoke.map((invocation) => invocation.call));
    for (const call of this.calls.values()) if (!wanted.has(call.call)) this.abort(call);
    for (const invocation of invoke) if (!this.calls.has(invocation.call)) this.begin(invocation);
    const late = this.scenario.lateness_ms();
    if (late > 0) this.exact = false;
    this.wakeAt = wake_at === null ? null : Math.max(this.time, wake_at + this.setBack) + late;
    this.point("acted");
  }

  private begin({ stage, attempt, call, kind }: Invocation): void {
    const { spec, iteration } = this.observer.of(stage);
    for (const end of [spec.name, stage, `${stage} ${iteration}`]) {
      hold("I4", !this.done.has(end), () => `${end} is called again although its completion was committed`);
    }
    const key = `${stage} ${iteration} ${kind === "call" ? attempt : kind}`;
    const last = this.begun.get(key);
    hold(
      "I5",
      last === undefined || last < this.disruptions,
      () => `try ${attempt} of ${stage} is called twice`,
    );
    this.begun.set(key, this.disruptions);
    const plan = this.scenario.plan(spec, attempt, kind);
    // Whoever is not called takes the coordinator's own time.
    if (kind === "lookup") this.exact = false;
    const began_at = this.clock();
    this.calls.set(call, { stage, attempt, call, began_at, ends_at: this.time + plan.duration_ms, plan });
    if (plan.later !== undefined) this.outsiders.called(stage, call, this.time, plan.later);
  }

  private abort(call: Call): void {
    this.calls.delete(call.call);
    this.disruptions += 1;
    this.tally.fault("call aborted");
    if (call.plan.late_ms === null) return;
    this.late.push({ ...call, ends_at: this.time + call.plan.late_ms });
    this.tally.fault("late answer");
  }

  /** As if the coordinator had lived up to there. */
  private leave({ disk, time, state }: Left): void {
    this.disk.push(...disk);
    this.time = time;
    this.committedState = state;
    for (const event of this.log()) this.committed(event);
    this.outsiders.remember(this.log());
    this.die();
  }

  private point(kind: Point): void {
    this.points += 1;
    const { points } = this.options;
    points?.push({ disk: [...this.disk], time: this.time, state: this.committedState });
    // A run that nothing befell proves nothing: it loses its last turn, and must make it again.
    const spared =
      kind === "decided" && this.observer.terminal !== null && this.tally.total === this.faultsBefore;
    if (spared || this.scenario.crashAt(this.points, kind, this.command)) throw CRASH;
  }

  /** Everything that was not committed is lost. */
  private die(): void {
    this.crashes += 1;
    this.disruptions += 1;
    this.exact = false;
    this.tally.crash(this.command);
    for (const fault of interrupted(this.observer)) this.tally.unit(fault);
    for (const seq of this.used.keys()) if (seq > this.disk.length) this.used.delete(seq);
    this.calls.clear();
    this.late = [];
    this.unwritten = [];
    this.commitAt = null;
    this.wakeAt = null;
    this.time += this.scenario.downtime_ms();
    this.restartedAt = this.clock();
  }

  private log(): LogEvent[] {
    for (let at = this.readBack.length; at < this.disk.length; at += 1)
      this.readBack.push(JSON.parse(this.disk[at] as string) as LogEvent);
    return this.readBack;
  }

  /** I9: the log alone brings back the state that was committed. */
  private restart(): void {
    this.observer = new Observer(this.scenario.spec);
    const log = this.log();
    for (const event of log) this.observer.see(event);
    this.state = replay(log);
    const difference = same(this.state, this.committedState);
    hold("I9", difference === null, () => `the log does not give back the state at ${difference}`);
    if (this.state === null) this.submit({ type: "start", spec: this.scenario.spec });
    else this.submit({ type: "recover", crashes: Number.MAX_SAFE_INTEGER });
  }
}
