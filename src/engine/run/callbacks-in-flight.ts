// The callbacks of a run's agents as they are read: their texts, shown as a call's text is, and the commands that come of
// them. A callback that is not what an agent may send, or breaks off, changes nothing: its text so far is void, and the
// agent can send it again (src/contract/README.md section 10).
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import type { Usage } from "../../contract/stage.ts";
import type { CallEnding, Command, Refusal } from "../../core/execution/command.ts";
import { awaitsCallback, type ExecutionState, stageOf } from "../../core/execution/state.ts";
import { unitPlace } from "../../core/execution/units/unit-name.ts";
import { calledUnit } from "../../core/execution/units/units.ts";
import { TIMINGS } from "../../core/timings.ts";
import { withUsage } from "../call/reported-usage.ts";
import { callbackToken, calledAgent } from "../call/callback.ts";
import { NO_ROOM } from "../memory/isolate-budget.ts";
import type { RunMemory } from "../memory/run-memory.ts";
import type { CallbackReceipt, CallbackTarget, Sent } from "../object-protocol.ts";
import type { CallbackRead, CallHooks, Ports } from "../ports.ts";
import { LiveText } from "./live-text.ts";

/** The run whose callbacks they are. */
export interface CallbackOwner {
  state(): ExecutionState | null;
  /** Decides a command and writes what follows from it. @throws what broke the run */
  submit(command: Command): Refusal | null;
  /** A text begins, begins again or goes on; it will grow. */
  began(live: LiveText): void;
  /** Text or progress has arrived. */
  arrived(): void;
}

/** A callback that is being read. */
interface Reading {
  /** Rises from one to the next. */
  number: number;
  target: CallbackTarget;
  abort: AbortController;
  /** What it has reported to have used. */
  usage: Usage | null;
}

/** The text of a call, and whose callback it is. */
interface CallText {
  live: LiveText;
  reading: Reading;
}

export class CallbacksInFlight {
  private readonly ports: Pick<Ports, "callbacks" | "callbackToken" | "clock">;
  private readonly memory: RunMemory;
  private readonly owner: CallbackOwner;
  private readonly readings = new Set<Reading>();
  private count = 0;
  /** By call. */
  private readonly shown = new Map<number, CallText>();

  constructor(
    ports: Pick<Ports, "callbacks" | "callbackToken" | "clock">,
    memory: RunMemory,
    owner: CallbackOwner,
  ) {
    this.ports = ports;
    this.memory = memory;
    this.owner = owner;
  }

  /** How many are being read. */
  get size(): number {
    return this.readings.size;
  }

  *texts(): Generator<LiveText> {
    for (const { live } of this.shown.values()) yield live;
  }

  /** Drops the texts of calls that the state does not await, and stops reading what can end no call any more. */
  match(state: ExecutionState): void {
    for (const [call, { live }] of this.shown) {
      if (awaits(state, { stage: live.unit, call })) continue;
      this.shown.delete(call);
      this.memory.ended(call);
    }
    for (const { target, abort } of this.readings) {
      // Of a call that was answered, it may be the same answer again.
      if (!awaits(state, target) && !isAnswered(state, target)) abort.abort();
    }
  }

  abortAll(): void {
    for (const { abort } of this.readings) abort.abort();
  }

  /** Reads a callback, and does what follows from it. @throws what broke the run */
  async receive(target: CallbackTarget, sent: Sent): Promise<Result<CallbackReceipt>> {
    const state = this.owner.state();
    const { callbacks } = this.ports;
    const of = unitPlace(target.stage).stage;
    const stage = state?.spec.stages.find(({ name }) => name === of);
    if (state === null || callbacks === undefined || stage?.agent_type === undefined) {
      return err({ code: "NOT_FOUND" });
    }
    this.count += 1;
    const reading: Reading = { number: this.count, target, abort: new AbortController(), usage: null };
    this.readings.add(reading);
    try {
      const token = await callbackToken(this.ports, state, target);
      const agent = calledAgent(state, calledUnit(state, target.stage));
      const aborted = untilAborted(reading.abort.signal);
      const read = await Promise.race([callbacks.read(agent, token, sent, this.hooks(reading)), aborted]);
      return this.take(reading, read);
    } finally {
      this.readings.delete(reading);
      // A reader that was shown its text may rest again.
      this.owner.arrived();
    }
  }

  private take(reading: Reading, read: CallbackRead | "aborted"): Result<CallbackReceipt> {
    const { stage, call } = reading.target;
    if (read === "aborted") {
      this.forget(reading);
      // A sign of life of a call that nothing awaits is refused with the reason.
      const refusal = this.owner.submit({ type: "heartbeat", stage, call });
      return err(refusal === null ? NO_ROOM : this.refused(refusal));
    }
    if (read.kind === "refused") {
      this.forget(reading);
      return err(read.error);
    }
    if (read.kind === "alive") {
      if (read.progress !== null) this.show(reading, (live) => live.progresses(read.progress));
      const refusal = this.owner.submit({ type: "heartbeat", stage, call });
      return refusal === null ? ok("alive") : err(this.refused(refusal));
    }
    const outcome = this.withText(reading, withUsage(read.outcome, reading.usage));
    if (outcome === null) {
      this.forget(reading);
      return err(NO_ROOM);
    }
    const refusal = this.owner.submit({ type: "callback", stage, call, outcome });
    if (refusal === null) return ok("accepted");
    return refusal.reason === "repeated" ? ok("repeated") : err(this.refused(refusal));
  }

  /** The outcome with the text that was streamed; null where there is no room for it. */
  private withText(reading: Reading, outcome: CallEnding): CallEnding | null {
    const state = this.owner.state();
    const { target } = reading;
    const { call } = target;
    if (state === null || !awaits(state, target)) return outcome;
    const own = this.shown.get(call);
    const hasText = outcome.ok && own?.reading === reading && own.live.length > 0;
    const kept = this.memory.answered(
      call,
      hasText ? { ...outcome, text: own.live.text } : outcome,
    ) as CallEnding;
    return outcome.ok && !kept.ok ? null : kept;
  }

  private hooks(reading: Reading): CallHooks {
    const { target, abort } = reading;
    const { clock } = this.ports;
    let alive_at = clock.now();
    return {
      signal: abort.signal,
      hears_silence: true,
      alive: () => {
        if (clock.now() - alive_at < TIMINGS.CALLBACK_ALIVE_MS || abort.signal.aborted) return;
        alive_at = clock.now();
        try {
          this.owner.submit({ type: "heartbeat", stage: target.stage, call: target.call });
        } catch {
          // The run is broken: what reads the callback says so.
          abort.abort();
        }
      },
      delta: (text, offset) =>
        this.show(reading, (live) => {
          if (this.memory.addText(target.call, text) === null) live.append(text, offset);
          else abort.abort();
        }),
      progress: (progress) => this.show(reading, (live) => live.progresses(progress)),
      usage: (usage) => {
        reading.usage = usage;
      },
    };
  }

  /** What a callback shows; the last one that begins to is shown. */
  private show(reading: Reading, change: (live: LiveText) => void): void {
    const state = this.owner.state();
    const { target, abort } = reading;
    if (abort.signal.aborted || state === null || !awaits(state, target)) return;
    const known = this.shown.get(target.call);
    // Of two at once the later one is shown: an agent that sends its answer again has given the first one up.
    if (known !== undefined && known.reading.number > reading.number) return;
    if (known === undefined || (known.reading !== reading && known.live.length > 0))
      this.begin(state, reading);
    else if (known.reading !== reading) {
      known.reading = reading;
      // Readers at rest come back for it.
      this.owner.began(known.live);
    }
    change((this.shown.get(target.call) as CallText).live);
    this.owner.arrived();
  }

  /** A text of this call begins; readers of an earlier one begin again. */
  private begin(state: ExecutionState, reading: Reading): void {
    const { stage, call } = reading.target;
    const unit = calledUnit(state, stage);
    this.memory.ended(call);
    const live = new LiveText(state.spec.execution_id, unit, stageOf(state, unit).attempt, call);
    this.shown.set(call, { live, reading });
    this.owner.began(live);
  }

  /** A callback has come to nothing: the text that it has shown is void. */
  private forget(reading: Reading): void {
    const state = this.owner.state();
    const known = this.shown.get(reading.target.call);
    if (state === null || known?.reading !== reading || known.live.length === 0) return;
    this.begin(state, reading);
  }

  private refused(refusal: Refusal): CoordinatorError {
    const execution_id = this.owner.state()?.spec.execution_id ?? "";
    if (refusal.reason !== "unanswerable") return { code: "NOT_FOUND" };
    return { code: "EXECUTION_CONFLICT", execution_id, stage: refusal.stage, why: refusal.why };
  }
}

type CallOf = Pick<CallbackTarget, "stage" | "call">;

function awaits(state: ExecutionState, { stage, call }: CallOf): boolean {
  return (
    state.index.has(unitPlace(stage).stage) &&
    awaitsCallback(state, stageOf(state, calledUnit(state, stage)), call)
  );
}

function isAnswered(state: ExecutionState, { stage, call }: CallOf): boolean {
  if (!state.index.has(unitPlace(stage).stage)) return false;
  const { answers } = stageOf(state, calledUnit(state, stage));
  return answers.some((answer) => answer.call === call);
}

function untilAborted(signal: AbortSignal): Promise<"aborted"> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve("aborted"));
  });
}
