// driveExecution: the one loop of a run. It batches commands into events in the log, and performs the effects that the
// state then needs: calls started and aborted, timers set, readers woken. Decides nothing itself.
//
// Invariants it keeps: I4 and I5 (a call is begun once for each stage.started, and its answer is taken only while
// that call is the state's), I9 (the first batch is written before its calls, a later one after them: a verb's and the
// last at once, a watched one within WATCHED_COMMIT_MS, others within GROUP_COMMIT_MS), I11 (a call that
// the state does not want is aborted), I15 (while any call is in flight the object's alarm is being handled or is set).
//
// A driver whose log refuses a record is broken for good: its state is ahead of the log. It aborts its calls, releases
// all waiters, and its owner opens another one from the log.
import pLimit from "p-limit";
import { LIMITS } from "../../contract/limits.ts";
import type { CallOutcome, Command, Refusal } from "../../core/execution/command.ts";
import { decide } from "../../core/execution/decide.ts";
import type { LogEvent } from "../../core/execution/log-event.ts";
import { type Invocation, nextActions } from "../../core/execution/next-actions.ts";
import { type ExecutionState, isTerminal } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import { GroupCommit } from "./group-commit.ts";
import { HealthRefresh } from "../call/health-refresh.ts";
import { LiveText } from "./live-text.ts";
import type { Ports } from "../ports.ts";
import { restore } from "./restore.ts";
import { RunMemory } from "./run-memory.ts";
import { RunCache } from "../call/run-cache.ts";
import { runStage } from "../call/run-stage.ts";
import { TextPacing } from "./text-pacing.ts";
import { LONGEST_TIMER_MS } from "../../contract/timer.ts";

interface CallInFlight {
  abort: AbortController;
  live: LiveText;
}

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

export class ExecutionDriver {
  private readonly ports: Ports;
  private current: ExecutionState | null;
  private readonly commit: GroupCommit;
  private readonly calls = new Map<number, CallInFlight>();
  private readonly slots = pLimit(LIMITS.CONCURRENT_STAGES);
  private readonly watchers = new Set<Watcher>();
  private readonly healthRefresh: HealthRefresh;
  private readonly memory: RunMemory;
  private readonly texts: TextPacing;
  readonly cache: RunCache;
  private stopTimer: () => void = () => {};
  /** What the timer is set to, ms since the epoch. */
  private timerAt: number | null = null;
  private sleeping = false;
  private handlers = 0;
  private idle: PromiseWithResolvers<void> | null = null;
  private broken: { cause: unknown } | null = null;
  /** The work of an earlier instance has been resumed, or there was none. */
  private isResumed = false;
  private readonly onFault: (cause: unknown) => void;

  private constructor(ports: Ports, state: ExecutionState | null, onFault: (cause: unknown) => void) {
    this.ports = ports;
    this.onFault = onFault;
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
    this.commit = new GroupCommit(ports.log, ports.clock, state?.seq ?? 0, {
      written: () => {
        this.settle();
        this.wake(false);
      },
      durable: () => this.wake(true),
      failed: (cause) => this.fail(cause),
      isFollowed: () => this.isFollowed(),
    });
  }

  /**
   * The driver of the execution in the log. Starts nothing: see `recover`.
   * @param onFault called once, when the driver breaks: its owner is to open another one
   * @throws LogCorrupted
   */
  static open(ports: Ports, onFault: (cause: unknown) => void = () => {}): ExecutionDriver {
    return new ExecutionDriver(ports, restore(ports.log), onFault);
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
    if (this.isResumed || this.current === null || isTerminal(this.current.status)) return;
    this.submit({ type: "recover", crashes, cut });
  }

  /**
   * Decides a command and does what follows from it. The refusal, or null where it was obeyed; a caller must look at
   * `fault` before it acknowledges anything.
   */
  submit(command: Command): Refusal | null {
    if (this.broken !== null) return null;
    this.isResumed = true;
    if (command.type === "start" && this.current === null) this.cache.begins(command.spec);
    const decision = decide(this.current, command, this.ports.clock.now());
    this.current = decision.state;
    if (command.type === "start" && decision.refusal === null) this.memory.started(command.spec);
    if (this.current?.ended_at !== null && decision.events.length > 0) this.memory.over();
    if (decision.events.length > 0) {
      this.commit.add(decision.events);
      // A first batch and a recovery are on disk before their calls go out: no agent is called for what never was, and
      // a run that crashes its object comes to an end. Later calls are sent first: a commit would delay them.
      if (command.type === "start" || command.type === "recover") this.commit.write();
      if (this.isBroken()) return null;
      this.act();
      if (this.isUrgent(command) || decision.events.some(isRetry)) this.commit.write();
      else this.commit.writeWithin(this.commitDelay());
    } else if (command.type === "tick" || command.type === "recover") {
      this.act();
    }
    if (this.isBroken()) return null;
    this.settle();
    if (decision.events.length > 0) this.moveAlarm();
    return decision.refusal;
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
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const { abort } of calls) abort.abort();
    this.onFault(cause);
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
    const leave = this.attend();
    try {
      // A long wait has no timer here: the alarm's reason is decided now.
      if (!this.isBusy()) this.proceed({ type: "tick" });
      this.settle();
      await this.idle?.promise;
    } finally {
      leave();
    }
  }

  /**
   * The alarm is being handled until the function given back is called: meanwhile it is not set again, which would make
   * the platform forget how often its handler has crashed.
   */
  attend(): () => void {
    this.handlers += 1;
    return () => {
      this.handlers -= 1;
    };
  }

  /** Called when the run has ended and stays in memory, for the memory accounting. */
  stays(): void {
    this.memory.stays();
  }

  /** True where nothing is in flight and no timer is set: only the alarm, or a caller, makes it go on. */
  get isAtRest(): boolean {
    return this.handlers === 0 && !this.isBusy();
  }

  /** When the alarm must fire next, ms since the epoch; null if the run has ended. */
  alarmAt(): number | null {
    if (this.current === null) return null;
    return this.isBusy() ? this.ports.clock.now() : nextActions(this.current).wake_at;
  }

  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    for (const { live } of this.calls.values()) watcher.callBegan(live);
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

  private isUrgent(command: Command): boolean {
    if (command.type === "pause" || command.type === "resume" || command.type === "cancel") return true;
    return this.current !== null && isTerminal(this.current.status);
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
    const { invoke, wake_at } = nextActions(this.current);
    const wanted = new Set(invoke.map((invocation) => invocation.call));
    for (const [call, { abort }] of this.calls) {
      if (wanted.has(call)) continue;
      this.memory.ended(call);
      this.calls.delete(call);
      abort.abort();
    }
    for (const invocation of invoke) if (!this.calls.has(invocation.call)) this.begin(invocation);
    if (this.calls.size > 0) this.healthRefresh.beat();
    else this.healthRefresh.rest();
    this.setTimer(wake_at);
  }

  private begin(invocation: Invocation): void {
    const state = this.current as ExecutionState;
    const { stage, attempt, call } = invocation;
    const live = new LiveText(state.spec.execution_id, stage, attempt, call);
    const abort = new AbortController();
    this.calls.set(call, { abort, live });
    for (const watcher of this.watchers) watcher.callBegan(live);
    const wanted = () => this.calls.get(call)?.abort === abort;
    const hooks = {
      signal: abort.signal,
      another: (task: () => Promise<void>) => void this.slots(task),
      delta: (text: string) => {
        if (!wanted()) return;
        const failure = this.memory.addText(call, text);
        if (failure !== null) {
          end({ ok: false, failure });
          abort.abort();
          return;
        }
        live.append(text);
        this.texts.arrived();
      },
      progress: (progress: NonNullable<LiveText["progress"]>) => {
        if (!wanted()) return;
        live.progress = progress;
        live.progressCount += 1;
        this.texts.arrived();
      },
    };
    let began_at = this.ports.clock.now();
    const end = (ended: CallOutcome) => {
      if (!wanted()) return;
      const withText = ended.ok && live.length > 0 ? { ...ended, text: live.text } : ended;
      const outcome = this.memory.answered(call, withText);
      this.calls.delete(call);
      this.proceed({ type: "answer", stage, call, outcome, began_at, chance: this.ports.chance() });
    };
    void this.slots(async () => {
      // It may have been cancelled while it waited for a slot.
      if (!wanted()) return;
      began_at = this.ports.clock.now();
      end(await runStage(this.cache.ports, state, invocation, hooks));
    });
  }

  private setTimer(wake_at: number | null): void {
    const ms = wake_at === null ? Number.POSITIVE_INFINITY : Math.max(0, wake_at - this.ports.clock.now());
    // With a call in flight the object stays anyway; without, only a short sleep is worth staying for.
    const wanted = this.calls.size > 0 || ms <= TIMINGS.SLEEP_MS ? wake_at : null;
    this.sleeping = wanted !== null && this.calls.size === 0;
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

  private isBusy(): boolean {
    return this.calls.size > 0 || this.commit.isWaiting || this.sleeping;
  }

  /** I15: code that makes a run busy outside the alarm's handler sets the alarm, which then joins. */
  private settle(): void {
    if (this.broken !== null) return;
    if (this.isBusy()) {
      if (this.idle !== null) return;
      this.idle = Promise.withResolvers<void>();
      if (this.handlers === 0) this.setAlarm();
      return;
    }
    this.cache.rests(this.current !== null && isTerminal(this.current.status));
    this.idle?.resolve();
    this.idle = null;
  }

  private setAlarm(): void {
    const soon = this.ports.clock.now() + TIMINGS.ALARM_JOIN_MS;
    const wake_at = this.current === null ? null : nextActions(this.current).wake_at;
    this.ports.alarm.set(Math.min(soon, wake_at ?? soon));
  }

  /** I15: a batch that started nothing may still have changed when the run must wake: a resume before a long wait. */
  private moveAlarm(): void {
    if (this.current === null || this.idle !== null || this.handlers > 0) return;
    const { wake_at } = nextActions(this.current);
    if (wake_at !== null) this.ports.alarm.set(wake_at);
  }

  private wake(sees_batches: boolean): void {
    for (const watcher of this.watchers) if (watcher.sees_batches === sees_batches) watcher.wake();
  }
}

/** I5: a try's failure is written before the next try begins, or a crash could repeat both. */
function isRetry(event: LogEvent): boolean {
  return event.type === "stage.retrying";
}
