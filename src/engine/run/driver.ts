// driveExecution: the one loop of a run. It batches commands into events in the log, and performs the effects that the
// state then needs: calls started and aborted, timers set, readers woken. Decides nothing itself.
//
// Invariants it keeps: I5 (a try's failure is written before the next try), I9 (the first batch is written before its
// calls, a later one after them: a verb's and the last at once, a watched one within WATCHED_COMMIT_MS, others within
// GROUP_COMMIT_MS), I15 (the alarm's keeper is called after every command). Its calls are in calls-in-flight.ts.
//
// A driver whose log refuses a record is broken for good: its state is ahead of the log. It aborts its calls, releases
// all waiters, and its owner opens another one from the log.
import { abandonedWork } from "../../core/execution/abandoned.ts";
import type { Command, Refusal } from "../../core/execution/command.ts";
import { decide } from "../../core/execution/decide.ts";
import { replay } from "../../core/execution/evolve.ts";
import type { LogEvent } from "../../core/execution/log-event.ts";
import { nextActions } from "../../core/execution/next-actions.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { type ExecutionState, isTerminal } from "../../core/execution/state.ts";
import { ownCost } from "../../core/spending/own-cost.ts";
import { TIMINGS } from "../../core/timings.ts";
import { CallbacksInFlight } from "./callbacks-in-flight.ts";
import { CallsInFlight } from "./calls-in-flight.ts";
import { GroupCommit, isWrittenAtOnce } from "./group-commit.ts";
import { CallGates } from "../call/call-gates.ts";
import { calledAgent } from "../call/callback.ts";
import { HealthRefresh } from "../call/health-refresh.ts";
import { RunCache } from "../call/run-cache.ts";
import type { LiveText } from "./live-text.ts";
import { type Log, LogCorrupted, type Ports } from "../ports.ts";
import { RunMemory } from "../memory/run-memory.ts";
import { TextPacing } from "./text-pacing.ts";
import { LONGEST_TIMER_MS } from "../../contract/timer.ts";

/** Who wants to hear of a run while it runs: feeds and waiting callers. */
export interface Watcher {
  /**
   * True if a watcher is about to see every batch: its commit waits only for its calls to be sent, and
   * he is woken once it is durable. Who answers or calls is woken when it is written: the platform holds answers and
   * calls back until it is durable, but not the chunks of an answer that has begun (see `confirm`).
   */
  readonly sees_batches: boolean;
  /** A call has begun; its text will grow. */
  callBegan(live: LiveText): void;
  /** Something new is there: events, or text. */
  wake(): void;
}

/** Who opened a driver. */
export interface DriverOwner {
  /** Called once, when the driver breaks: another one is to be opened. */
  fault?(cause: unknown): void;
  /** A command was decided, or a batch written: the run may need its alarm at another time (I15). */
  settled?(): void;
}

export class ExecutionDriver {
  private readonly ports: Ports;
  private current: ExecutionState | null;
  private readonly commit: GroupCommit;
  /** The run at the result cache. */
  readonly cache: RunCache;
  private readonly calls: CallsInFlight;
  readonly callbacks: CallbacksInFlight;
  private readonly gates: CallGates;
  private readonly watchers = new Set<Watcher>();
  private readonly healthRefresh: HealthRefresh;
  private readonly memory: RunMemory;
  private readonly texts: TextPacing;
  private stopTimer: () => void = () => {};
  /** What the timer is set to, ms since the epoch. */
  private timerAt: number | null = null;
  private idle: PromiseWithResolvers<void> | null = null;
  private broken: { cause: unknown } | null = null;
  /** The work of an earlier instance has been resumed, or there was none. */
  private isResumed = false;
  private readonly owner: DriverOwner;

  private constructor(ports: Ports, state: ExecutionState | null, owner: DriverOwner) {
    this.ports = ports;
    this.owner = owner;
    this.healthRefresh = new HealthRefresh(ports, () => (this.calls.size > 0 ? this.current : null));
    this.current = state;
    this.memory = new RunMemory(ports.memory, state);
    this.texts = new TextPacing(
      ports.clock,
      () => this.watchers.size,
      () => this.wake(true),
    );
    this.cache = new RunCache(
      ports,
      () => this.current,
      (bytes) => this.memory.caches(bytes),
    );
    const shown = {
      began: (live: LiveText) => {
        for (const watcher of this.watchers) watcher.callBegan(live);
      },
      arrived: () => this.texts.arrived(),
      used: () => {
        if (this.current?.spec.budget !== undefined) this.proceed({ type: "usage" });
      },
    };
    this.gates = new CallGates(
      ports,
      {
        granted: () => this.proceed({ type: "tick" }),
        isKept: (state, unit) => this.cache.answers(state, unit),
        refused: (stage, reason, until) => this.proceed({ type: "no_place", stage, reason, until }),
      },
      () => this.calls.reported(),
    );
    const placeOf = (unit: UnitName) => this.gates.places.take(unit);
    this.calls = new CallsInFlight(this.cache.ports, this.memory, placeOf, {
      ...shown,
      ended: ({ stage, call }, outcome, began_at) =>
        this.proceed({ type: "answer", stage, call, outcome, began_at, chance: ports.chance() }),
    });
    this.callbacks = new CallbacksInFlight(ports, this.memory, {
      ...shown,
      state: () => this.current,
      submit: (command) => this.obey(command),
    });
    this.commit = new GroupCommit(ports.log, ports.clock, state?.seq ?? 0, {
      written: () => {
        // Watchers first: the alarm follows from what the outbox has noticed.
        this.wake(false);
        this.settle();
      },
      durable: () => this.wake(true),
      failed: (cause) => this.fail(cause),
      isFollowed: () => this.isFollowed(),
    });
  }

  /**
   * The driver of the execution in the log. Starts nothing: see `recover`.
   * @throws LogCorrupted
   */
  static open(ports: Ports, owner: DriverOwner = {}): ExecutionDriver {
    return new ExecutionDriver(ports, restore(ports.log), owner);
  }

  get state(): ExecutionState | null {
    return this.current;
  }

  /** What broke this driver; null while it works. What it says after that is not in the log. */
  get fault(): { cause: unknown } | null {
    return this.broken;
  }

  /** The last `seq` that is known to be durable, and so may be seen. */
  get durableSeq(): number {
    return this.commit.durableSeq;
  }

  /** Whether the call that began with this `seq` is in flight. */
  isCalling(call: number): boolean {
    return this.calls.has(call);
  }

  /** What the units in flight have said so far. */
  said(): Record<string, string> {
    const said: Record<string, string> = {};
    for (const { unit, length, text } of this.calls.texts()) if (length > 0) said[unit] = text;
    return said;
  }

  /** Whether any call is in flight, or a callback is being read: there may be text to come. */
  get hasCalls(): boolean {
    return this.calls.size > 0 || this.callbacks.size > 0;
  }

  /** Resolves once everything written so far is durable: for output that the output gate does not hold back. */
  confirm(): Promise<void> {
    return this.commit.confirm();
  }

  /**
   * Takes up what an earlier instance left; once, and before any other command.
   * @param crashes how often in a row an instance has come up to end in a crash, as the platform counts it
   * @param cut how many of those were cut in a recovery at this place of the log, before it had written anything
   */
  recover(crashes = 0, cut = 0): void {
    if (!this.isRecovered) this.submit({ type: "recover", crashes, cut });
  }

  /** False while calls of an earlier instance are lost, and this one has not repeated them yet. */
  get isRecovered(): boolean {
    return this.isResumed || this.current === null || isTerminal(this.current.status);
  }

  /**
   * Decides a command and does what follows from it. The refusal, or null where it was obeyed; a caller must look at
   * `fault` before it acknowledges anything.
   */
  submit(command: Command): Refusal | null {
    if (this.broken !== null) return null;
    this.isResumed = true;
    const before = this.current;
    const started = startedBy(before, command);
    // What is queued asks the cache with the history that it starts with.
    if (started !== null && !isQueued(command)) this.cache.begins(started);
    const decision = decide(before, command, this.ports.clock.now(), this.gates.of(started ?? before?.spec));
    this.current = decision.state;
    const usd = ownCost(decision.state, decision.events);
    if (usd > 0) this.ports.shared?.spending?.spent((decision.state as ExecutionState).spec, usd);
    this.gates.decided(decision);
    if (started !== null) this.memory.started(started);
    if (this.current?.ended_at !== null && decision.events.length > 0) this.memory.over();
    if (decision.events.length > 0) {
      this.commit.add(decision.events);
      // Calls go out after this stretch. Those of a first batch and of a recovery find it on disk: no agent is called
      // for what never was, and a run that crashes its object comes to an end. A later commit would delay them.
      this.act();
      if (isWrittenAtOnce(command, decision)) this.commit.write();
      else this.commit.writeWithin(this.commitDelay());
      if (!this.isBroken()) this.abandon(before);
    } else if (command.type === "tick" || command.type === "recover") {
      this.act();
    }
    if (this.isBroken()) return null;
    this.settle();
    return decision.refusal;
  }

  /** As `submit`, for what is acknowledged once it is written. @throws what broke the driver */
  private obey(command: Command): Refusal | null {
    const refusal = this.submit(command);
    this.flush();
    if (this.broken !== null) throw this.broken.cause;
    return refusal;
  }

  /** Work that the agents of the state before need not go on with. */
  private abandon(before: ExecutionState | null): void {
    const { callbacks } = this.ports;
    if (before === null || this.current === null || callbacks === undefined) return;
    for (const { stage, location } of abandonedWork(before, this.current)) {
      void callbacks.abandon(calledAgent(before, stage), location);
    }
  }

  /** As `submit`, for internal commands: there is no caller to report an exception to. */
  private proceed(command: Command): void {
    try {
      this.submit(command);
    } catch (cause) {
      this.fail(cause);
    }
  }

  private isBroken(): boolean {
    return this.broken !== null;
  }

  private fail(cause: unknown): void {
    if (this.broken !== null) return;
    this.broken = { cause };
    this.commit.discard();
    this.stopTimer();
    this.healthRefresh.rest();
    this.calls.abortAll();
    this.gates.places.abortAll();
    this.callbacks.abortAll();
    this.owner.fault?.(cause);
    this.idle?.resolve();
    this.idle = null;
    for (const watcher of this.watchers) watcher.wake();
  }

  /** Writes pending batches: a response must not contain state that could still be lost. */
  flush(): void {
    this.commit.write();
  }

  /**
   * Resolves when the run need not stay in memory: it has ended, or waits for something further off than a short
   * sleep. The alarm's handler waits for this, so that a crash meanwhile brings the alarm back.
   */
  async drive(): Promise<void> {
    // A long wait has no timer here: the alarm's reason is decided now.
    if (!this.isBusy) this.proceed({ type: "tick" });
    this.settle();
    await this.idle?.promise;
  }

  /** Called when the run has ended and stays in memory, for the memory accounting. */
  stays(): void {
    this.memory.stays();
  }

  /**
   * True while a call is in flight or waits for its place, a batch is not written, or a timer is set; otherwise only the alarm, or a caller,
   * makes the run go on.
   */
  get isBusy(): boolean {
    return this.isAtWork || this.commit.isWaiting || this.timerAt !== null;
  }

  private get isAtWork(): boolean {
    return this.calls.size > 0 || this.gates.places.size > 0;
  }

  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    for (const live of this.calls.texts()) watcher.callBegan(live);
    for (const live of this.callbacks.texts()) watcher.callBegan(live);
    // Pending batches are about to be read.
    if (watcher.sees_batches) {
      this.commit.writeWithin(TIMINGS.WATCHED_COMMIT_MS);
      void this.commit.confirm();
    }
    return () => this.watchers.delete(watcher);
  }

  get watcherCount(): number {
    return this.watchers.size;
  }

  /** The durable events after `seq`. */
  eventsAfter(seq: number): Generator<LogEvent> {
    return this.commit.eventsAfter(seq);
  }

  /** How long a batch may wait for company, ms. */
  private commitDelay(): number {
    return this.isFollowed() ? TIMINGS.WATCHED_COMMIT_MS : TIMINGS.GROUP_COMMIT_MS;
  }

  private isFollowed(): boolean {
    for (const watcher of this.watchers) if (watcher.sees_batches) return true;
    return false;
  }

  private act(): void {
    if (this.current === null) return;
    const blocked = this.gates.blockedIn(this.current);
    const { invoke, wake_at } = nextActions(this.current, blocked);
    this.calls.match(this.current, invoke);
    this.gates.places.match(this.current, blocked);
    this.callbacks.match(this.current);
    if (this.calls.size > 0) this.healthRefresh.beat();
    else this.healthRefresh.rest();
    this.setTimer(wake_at);
  }

  private setTimer(wake_at: number | null): void {
    const ms = wake_at === null ? Number.POSITIVE_INFINITY : Math.max(0, wake_at - this.ports.clock.now());
    // With a call in flight the object stays anyway; without, only a short sleep is worth staying for.
    const wanted = this.isAtWork || ms <= TIMINGS.SLEEP_MS ? wake_at : null;
    // Most batches leave the deadline where it is: a timer costs the platform more than a batch does.
    if (wanted === this.timerAt) return;
    this.stopTimer();
    this.stopTimer = () => {};
    this.timerAt = wanted;
    if (wanted === null) return;
    this.stopTimer = this.ports.clock.after(Math.min(ms, LONGEST_TIMER_MS), () => {
      this.timerAt = null;
      this.proceed({ type: "tick" });
    });
  }

  private settle(): void {
    if (this.broken !== null) return;
    if (this.isBusy) this.idle ??= Promise.withResolvers<void>();
    else {
      this.cache.rests(this.current !== null && isTerminal(this.current.status));
      if (this.current !== null) this.ports.shared?.spending?.rests(this.current.spec);
      this.idle?.resolve();
      this.idle = null;
    }
    this.owner.settled?.();
  }

  private wake(sees_batches: boolean): void {
    for (const watcher of this.watchers) if (watcher.sees_batches === sees_batches) watcher.wake();
  }
}

/** What a run starts with by this command; null where none does. */
function startedBy(state: ExecutionState | null, command: Command): RunSpec | null {
  if (command.type === "start") return state === null ? command.spec : null;
  if (command.type !== "admit" || state?.status !== "queued") return null;
  return { ...state.spec, history: command.history };
}

function isQueued(command: Command): boolean {
  return command.type === "start" && command.queued !== undefined;
}

function restore(log: Log): ExecutionState | null {
  try {
    return replay(log.read(0));
  } catch (cause) {
    // The bytes are intact, but they are not an execution's log.
    if (cause instanceof RangeError || cause instanceof TypeError) throw new LogCorrupted(cause.message);
    throw cause;
  }
}
