// Observer: judges a run by its events alone, with a model of its own that shares nothing with the core. Every check
// names the invariant of src/README.md section 4 that it holds. After a crash a new observer reads what was committed.
import type { JsonObject } from "../../../src/contract/json.ts";
import type { LogEvent, LogEventOf } from "../../../src/core/execution/log-event.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { callEndOf, cutCall, hasCallback, unsentBy } from "./observed/calls.ts";
import { hold, Violation } from "./observed/hold.ts";
import {
  couldNotMap,
  failsUncalled,
  hasRoom,
  itemMoved,
  itemOf,
  mapBegan,
  mapEnded,
} from "./observed/items.ts";
import { holdIteration, iterated } from "./observed/iterations.ts";
import { answeredBy, asked, endedFromOutside, signalled } from "./observed/outside.ts";
import { holdOrder, holdPlace } from "./observed/places.ts";
import { leftQueue, queued } from "./observed/queue.ts";
import { isAtWork, nameOf, type Observed, type Sight, unitOf, unseen } from "./observed/stage.ts";

const TERMINAL = new Set(["execution.completed", "execution.failed", "execution.cancelled"]);

export class Observer implements Sight {
  readonly stages = new Map<string, Observed>();
  status = "none";
  seq = 0;
  time = 0;
  deadline = 0;
  pausedAt: number | null = null;
  stillSince: number | null = null;
  terminal: LogEvent | null = null;
  recoveriesWithoutProgress = 0;
  recoveries = 0;
  /** UTF-8 bytes held: the context and what answers added. */
  bytes = 0;
  /** The context as answers have changed it. */
  context: JsonObject;
  /** Time in which the clock stood still. */
  stood = 0;
  readonly spec: RunSpec;

  constructor(spec: RunSpec) {
    this.spec = spec;
    this.bytes = Buffer.byteLength(JSON.stringify(spec.context));
    this.context = { ...spec.context };
    for (const [at, stage] of spec.stages.entries()) {
      const exclusive =
        stage.wait === undefined && (!stage.parallel || !spec.config.enable_parallel_execution);
      this.stages.set(stage.name, unseen(stage, at, exclusive, null));
    }
  }

  /** The bytes with an answer that weighs so much and lays `patch` over the context: a key counts once. */
  bytesWith(bytes: number, patch: Record<string, unknown> = {}): number {
    const gone = Object.entries(this.context).filter(([key]) => key in patch);
    const members = gone.map((member) => JSON.stringify(Object.fromEntries([member])));
    // Without the braces, with a comma.
    return this.bytes + bytes - members.reduce((sum, json) => sum + Buffer.byteLength(json) - 1, 0);
  }

  of(name: string): Observed {
    const [, stage = "", item] = /^(.*)\[(\d+)\]$/.exec(name) ?? [];
    const items = this.stages.get(stage)?.items ?? null;
    return (items === null ? this.stages.get(name) : items.begun[Number(item)]) as Observed;
  }

  /** The unit of this name, or its stage where it is not known. */
  called(name: string): Observed {
    const [stage = ""] = name.split("[");
    return this.of(name) ?? this.of(stage);
  }

  /** The stage of an item; any other unit is its own. */
  stageOf(unit: Observed): Observed {
    return unit.item === null ? unit : this.of(unit.spec.name);
  }

  /** Those that have a place among the concurrent stages. */
  active(): Observed[] {
    return [...this.stages.values()].filter((stage) => isAtWork(stage) && !stage.outside.displaced);
  }

  /** All units that may have a call: each stage, or in its place its items. */
  units(): Observed[] {
    return [...this.stages.values()].flatMap((stage) =>
      stage.phase === "mapping" ? (stage.items?.begun ?? []) : [stage],
    );
  }

  private busy(): Observed[] {
    return this.units().filter(isAtWork);
  }

  /** Those that may begin. */
  ready(): Observed[] {
    return [...this.stages.values()].filter((s) => s.phase === "pending" && s.readySeq !== null);
  }

  /** Those whose wait for the outside is over at this time. */
  expiring(now: number): Observed[] {
    return this.busy().filter(({ phase, outside }) => phase === "waiting" && now >= outside.expires);
  }

  /** The deadline, were the clock to go on at this time. */
  deadlineAt(at: number): number {
    return this.deadline + (this.stillSince === null ? 0 : at - this.stillSince);
  }

  see(event: LogEvent): void {
    hold("I6", event.seq === this.seq + 1, () => `seq ${event.seq} after ${this.seq}`);
    hold("I2", this.terminal === null, () => `${event.type} after ${this.terminal?.type}`);
    const at = Date.parse(event.timestamp);
    hold("I6", at >= this.time, () => `${event.type} is older than the event before it`);
    this.seq = event.seq;
    this.time = at;
    if (event.type.startsWith("execution.")) this.ofExecution(event, at);
    else this.ofStage(event, at);
    if (this.terminal === null) this.settle(at);
  }

  /** The clock is stopped while a paused run has no call in flight, and while all that goes on is a wait. */
  private settle(at: number): void {
    const busy = this.busy();
    const waits = busy.length > 0 && busy.every(({ phase }) => phase === "waiting");
    const more = this.ready().length > 0 || [...this.stages.values()].some(hasRoom);
    if (this.pausedAt === null) this.status = waits && !more ? "waiting" : "running";
    const still =
      this.status === "waiting" ||
      (this.status === "paused" && busy.every(({ phase }) => phase !== "calling"));
    if (still) this.stillSince ??= at;
    else if (this.stillSince !== null) {
      this.deadline += at - this.stillSince;
      this.stood += at - this.stillSince;
      this.stillSince = null;
    }
  }

  private ofExecution(event: LogEvent, at: number): void {
    if (TERMINAL.has(event.type)) {
      this.ended(event, at);
      return;
    }
    switch (event.type) {
      case "execution.started":
        hold("I6", event.seq === 1, () => "execution.started is not the first event");
        this.status = "running";
        this.deadline = at + this.spec.config.pipeline_timeout_seconds * 1_000;
        return;
      case "execution.paused":
        // Each call says so that was not made, since a budget is spent.
        hold("I11", this.pausedAt === null || unsentBy(event) !== null, () => `paused while ${this.status}`);
        this.status = "paused";
        this.pausedAt ??= at;
        if (event.data["mode"] === "abort") this.cutCalls(true);
        for (const unit of this.units()) if (nameOf(unit) === unsentBy(event)) cutCall(unit, false);
        return;
      case "execution.resumed":
        hold("I11", this.status === "paused", () => `resumed while ${this.status}`);
        this.pausedAt = null;
        this.recoveriesWithoutProgress = 0;
        return;
      case "execution.recovered": {
        const lost = this.units().filter((stage) => stage.phase === "calling");
        hold("I5", lost.length > 0, () => "recovered where no call was lost");
        const names = JSON.stringify([...new Set(lost.map((stage) => stage.spec.name))]);
        hold("I9", JSON.stringify(event.data["stages"]) === names, () => `recovered does not name ${names}`);
        this.recoveries += 1;
        this.recoveriesWithoutProgress += 1;
        hold("I1", this.recoveriesWithoutProgress <= 5, () => "a sixth recovery without progress");
        this.cutCalls(false);
        return;
      }
      default:
        throw new Violation("I6", `an unknown event ${event.type}`);
    }
  }

  private ended(event: LogEvent, at: number): void {
    this.terminal = event;
    this.status = event.status;
    hold("I8", event.type === `execution.${event.status}`, () => `${event.type} says ${event.status}`);
    const busy = [...this.stages.values()].some(isAtWork) || this.busy().length > 0;
    hold("I12", !busy, () => `${event.type} with stages in flight`);
    const required = [...this.stages.values()].find((s) => s.outcome === "failed" && s.spec.required);
    if (event.type === "execution.completed") {
      const open = [...this.stages.values()].find((stage) => stage.phase !== "ended");
      hold("I1", open === undefined, () => `completed although ${open?.spec.name} has not ended`);
      hold("I12", required === undefined, () => `completed although ${required?.spec.name} failed`);
      hold("I11", at < this.deadline, () => "completed after the deadline");
    }
    if (required !== undefined)
      hold("I12", event.type === "execution.failed", () => `${event.type} although a required stage failed`);
  }

  private ofStage(event: LogEvent, at: number): void {
    const stage = this.of(event.stage as string);
    const unit = event.item === undefined ? stage : itemOf(this, stage, at, event.item);
    hold("I4", unit.phase !== "ended", () => `${event.type} of ${unitOf(event)}, which has ended`);
    this.ofUnit(unit, event, at);
    if (event.item !== undefined) itemMoved(stage, unit);
  }

  private ofUnit(stage: Observed, event: LogEvent, at: number): void {
    const name = nameOf(stage);
    if (stage.phase === "mapping") {
      mapEnded(stage, event);
      stage.result = event.type === "stage.completed" || event.type === "stage.failed" ? event.data : null;
      this.endStage(stage, event.status as NonNullable<Observed["outcome"]>, event.seq);
      return;
    }
    if (event.type === "stage.waiting") {
      asked(this, stage, event, at);
      return;
    }
    if (event.type === "stage.queued") {
      queued(this, stage, event, at);
      return;
    }
    if (event.type === "stage.signalled") {
      this.bytes += signalled(stage, event, at);
      return;
    }
    const call =
      stage.phase === "calling" || (stage.phase === "waiting" && stage.outside.reason === "callback");
    const asks = stage.phase === "waiting" && stage.outside.reason === "wait";
    // A callback may come for a call that a crash has interrupted.
    const called = call || (stage.phase === "cut" && hasCallback(event));
    if (event.type !== "stage.started") endedFromOutside(stage, event, at);
    const { began_at: began, uncalled } = callEndOf(event);
    // A cancelled call's sending is not in the log: it counts from its stage.started.
    if (call) stage.calls += 1;
    if (call && uncalled !== true) stage.worked += at - Math.min(at, Math.max(began ?? 0, stage.callAt));
    switch (event.type) {
      case "stage.started":
        this.begun(stage, event, at);
        return;
      case "stage.iterated":
        hold("I5", called, () => `${name} is repeated without a call`);
        iterated(this, stage, event);
        this.context = { ...this.context, ...event.internal?.context };
        return;
      case "stage.retrying": {
        const delay = event.data.delay_ms;
        hold("I5", called, () => `${name} is tried again without a call`);
        hold("I5", event.attempt === stage.attempt, () => `retrying names try ${event.attempt}`);
        hold("I5", event.data.next_attempt === stage.attempt + 1, () => "next_attempt is not the next");
        hold("I5", stage.attempt < stage.spec.retry_attempts, () => `${name} has no try left`);
        hold("I1", at + delay < this.deadlineAt(at), () => `${name} would wait past the deadline`);
        stage.phase = "delayed";
        stage.shown = true;
        stage.tries = stage.attempt;
        stage.due = at + delay;
        if (event.internal?.contract === true) stage.broken += 1;
        this.recoveriesWithoutProgress = 0;
        return;
      }
      case "stage.fallback":
        this.rescue(stage, event);
        return;
      case "stage.completed":
        hold("I4", called || asks || stage.rescued !== null, () => `${name} completed without a call`);
        if (asks) answeredBy(stage, event, at);
        if (called) this.tried(stage, event);
        this.bytes += event.internal?.bytes ?? 0;
        this.context = { ...this.context, ...event.internal?.context };
        stage.result = event.data;
        this.endStage(stage, "completed", event.seq);
        return;
      case "stage.failed":
        hold("I4", called || asks || stage.phase === "lookup" || failsUncalled(this, stage), () => {
          return `${name} failed while ${stage.phase}`;
        });
        if (asks) answeredBy(stage, event, at);
        if (called) this.tried(stage, event);
        if (stage.phase === "pending") couldNotMap(this, stage, event);
        stage.result = event.data;
        this.endStage(stage, "failed", event.seq);
        return;
      case "stage.skipped":
        hold("I3", asks || (stage.phase === "pending" && stage.readySeq !== null), () => {
          return `${name} skipped too early`;
        });
        if (asks) {
          hold(
            "I17",
            stage.question?.on_timeout === "skip",
            () => `${name} is not skipped when its time is over`,
          );
          hold("I17", at >= stage.outside.expires, () => `${name} was skipped before its time was over`);
        }
        this.endStage(stage, "skipped", event.seq);
        return;
      case "stage.cancelled":
        hold("I12", stage.phase !== "pending", () => `${name} cancelled, which had not begun`);
        if (call) this.tried(stage, event);
        this.endStage(stage, "cancelled", event.seq);
        return;
      default:
        throw new Violation("I6", `an unknown event ${event.type}`);
    }
  }

  private begun(stage: Observed, event: LogEventOf<"stage.started">, at: number): void {
    const { retry_attempts } = stage.spec;
    const name = nameOf(stage);
    hold("I11", this.status === "running", () => `${name} started while ${this.status}`);
    hold("I11", at < this.deadline, () => `${name} started after the deadline`);
    hold("I3", stage.readySeq !== null, () => `${name} started before its dependencies ended`);
    hold(
      "I4",
      stage.phase !== "waiting",
      () => `${name} is called again although its agent has answered 202`,
    );
    hold("I17", stage.question === null, () => `${name} asks, and calls no agent`);
    hold("I5", event.attempt <= retry_attempts, () => `try ${event.attempt} of ${retry_attempts}`);
    if (stage.phase === "pending") {
      hold("I5", event.attempt === 1, () => `${name} began with try ${event.attempt}`);
      if (stage.item === null) {
        holdPlace(this, stage);
        holdOrder(this, stage);
        if (stage.spec.map !== undefined) {
          mapBegan(this, stage, event);
          return;
        }
      } else hold("map", !failsUncalled(this, stage), () => `${name} has no input, and is called`);
    } else if (stage.phase === "delayed") {
      hold("I5", event.attempt === stage.attempt + 1, () => `try ${event.attempt} after ${stage.attempt}`);
      hold("I5", at >= stage.due, () => `${name} started ${stage.due - at} ms before its delay was over`);
    } else if (stage.phase === "queued") leftQueue(stage, event);
    else {
      hold("I5", stage.phase === "cut", () => `${name} started while ${stage.phase}`);
      const again = Math.max(1, stage.attempt);
      hold("I5", event.attempt === again, () => `${name} repeated as try ${event.attempt}`);
      // The first call of an iteration repeats none.
      const repeats = stage.attempt > 0 || stage.rescued !== null ? true : undefined;
      hold("I7", event.internal?.repeated === repeats, () => `${name} repeated and does not say so`);
    }
    holdIteration(stage, event);
    // It has left its place for the outside, and needs one again.
    const holder = this.stageOf(stage);
    if (stage.outside.displaced && holder.outside.displaced) holdPlace(this, holder);
    stage.outside.displaced = false;
    stage.first = stage.phase === "cut" && stage.first > 0 ? stage.first : event.seq;
    stage.phase = "calling";
    stage.attempt = event.attempt;
    stage.shown = true;
    stage.call = event.seq;
    stage.callAt = at;
  }

  /** What a call that has ended was: a try, unless nobody was called or it was the fallback's. */
  private tried(stage: Observed, event: LogEvent): void {
    if (stage.rescued !== null) return;
    stage.tries = callEndOf(event).uncalled === true ? stage.attempt - 1 : stage.attempt;
  }

  private rescue(stage: Observed, event: LogEventOf<"stage.fallback">): void {
    const { fallback } = stage.spec;
    const name = nameOf(stage);
    hold("I12", stage.rescued === null, () => `${name} falls back a second time`);
    const called =
      stage.phase === "calling" || stage.phase === "waiting" || (stage.phase === "cut" && hasCallback(event));
    hold("I12", called || failsUncalled(this, stage), () => `${name} falls back ${stage.phase}`);
    const strategy = typeof fallback === "string" ? fallback : fallback?.strategy;
    hold("I12", event.data.strategy === strategy, () => `${name} has the fallback ${strategy}`);
    if (called && stage.question === null) this.tried(stage, event);
    stage.rescued = event.internal?.rescued?.code ?? "";
    stage.phase = strategy === "use_cached_results" ? "lookup" : "cut";
    if (strategy === "use_cached_results") stage.call = event.seq;
    stage.first = 0;
    stage.shown = true;
    this.recoveriesWithoutProgress = 0;
  }

  private endStage(stage: Observed, outcome: NonNullable<Observed["outcome"]>, seq: number): void {
    stage.phase = "ended";
    stage.shown = false;
    stage.outcome = outcome;
    this.recoveriesWithoutProgress = 0;
    if (stage.item !== null) return;
    for (const other of this.stages.values()) {
      if (other.readySeq !== null || !other.spec.depends_on.includes(stage.spec.name)) continue;
      const before = other.spec.depends_on.map((name) => this.of(name));
      if (before.every((dependency) => dependency.phase === "ended")) other.readySeq = seq;
    }
  }

  private cutCalls(byPause: boolean): void {
    for (const stage of this.units()) cutCall(stage, byPause);
  }
}
