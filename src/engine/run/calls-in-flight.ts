// The calls of a run that are in flight: begun once for each stage.started, aborted where the state does not want them
// any more (I4, I5, I11), and their texts as they arrive.
import pLimit from "p-limit";
import { LIMITS } from "../../contract/limits.ts";
import type { Usage } from "../../contract/stage.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import type { Invocation } from "../../core/execution/next-actions.ts";
import { specOf } from "../../core/execution/schedule.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { withUsage } from "../call/reported-usage.ts";
import { TIMINGS } from "../../core/timings.ts";
import { runStage, type StagePorts } from "../call/run-stage.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import type { Place } from "../ports.ts";
import { LiveText } from "./live-text.ts";
import type { RunMemory } from "../memory/run-memory.ts";

interface CallInFlight {
  abort: AbortController;
  /** At its agent, where that has limits. */
  place: Place | null;
  unit: UnitName;
  /** What it has reported to have used so far. */
  usage: Usage | null;
  live: LiveText;
}

/** The run whose calls they are. */
export interface CallOwner {
  /** A call has begun; its text will grow. */
  began(live: LiveText): void;
  /** Text or progress has arrived. */
  arrived(): void;
  /** A call has reported what it has used. */
  used(): void;
  /** A call that is still wanted has ended. @param began_at when it went out, ms since the epoch */
  ended(invocation: Invocation, outcome: CallOutcome, began_at: number): void;
}

export class CallsInFlight {
  private readonly ports: StagePorts;
  private readonly memory: RunMemory;
  private readonly owner: CallOwner;
  private readonly calls = new Map<number, CallInFlight>();
  private readonly placeOf: (unit: UnitName) => Place | null;
  private readonly slots = pLimit(LIMITS.CONCURRENT_STAGES);

  /** @param placeOf takes the place that the unit's call has at its agent; null where that has no limits */
  constructor(
    ports: StagePorts,
    memory: RunMemory,
    placeOf: (unit: UnitName) => Place | null,
    owner: CallOwner,
  ) {
    this.ports = ports;
    this.placeOf = placeOf;
    this.memory = memory;
    this.owner = owner;
  }

  get size(): number {
    return this.calls.size;
  }

  /** Whether the call that began with this `seq` is in flight. */
  has(call: number): boolean {
    return this.calls.has(call);
  }

  *texts(): Generator<LiveText> {
    for (const { live } of this.calls.values()) yield live;
  }

  /** Aborts what the state does not want, and begins what it wants and is not in flight. */
  match(state: ExecutionState, invoke: readonly Invocation[]): void {
    const wanted = new Set(invoke.map((invocation) => invocation.call));
    for (const [call, { abort, place }] of this.calls) {
      if (wanted.has(call)) continue;
      this.memory.ended(call);
      this.calls.delete(call);
      abort.abort();
      place?.release();
    }
    for (const invocation of invoke) if (!this.calls.has(invocation.call)) this.begin(state, invocation);
  }

  /** What the calls in flight have reported to have used so far. */
  reported(): ReadonlyMap<UnitName, Usage> {
    const reported = new Map<UnitName, Usage>();
    for (const { unit, usage } of this.calls.values()) if (usage !== null) reported.set(unit, usage);
    return reported;
  }

  abortAll(): void {
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const { abort, place } of calls) {
      abort.abort();
      place?.release();
    }
  }

  private begin(state: ExecutionState, invocation: Invocation): void {
    const { stage, attempt, call } = invocation;
    const live = new LiveText(state.spec.execution_id, stage, attempt, call);
    const abort = new AbortController();
    const place = this.placeOf(stage);
    const inFlight: CallInFlight = { abort, live, place, unit: stage, usage: null };
    this.calls.set(call, inFlight);
    this.owner.began(live);
    const wanted = () => this.calls.get(call)?.abort === abort;
    const hooks = {
      signal: abort.signal,
      unplaced: place?.isNone === true,
      another: (task: () => Promise<void>) => void this.slots(task),
      delta: (text: string, offset?: number) => {
        if (!wanted()) return;
        const failure = this.memory.addText(call, text);
        if (failure !== null) {
          end({ ok: false, failure });
          abort.abort();
          return;
        }
        live.append(text, offset);
        this.owner.arrived();
      },
      progress: (progress: NonNullable<LiveText["progress"]>) => {
        if (!wanted()) return;
        live.progresses(progress);
        this.owner.arrived();
      },
      usage: (usage: Usage) => {
        if (!wanted()) return;
        inFlight.usage = usage;
        this.owner.used();
      },
    };
    let began_at = this.ports.clock.now();
    const end = (ended: CallOutcome) => {
      if (!wanted()) return;
      const withText = ended.ok === true && live.length > 0 ? { ...ended, text: live.text } : ended;
      const outcome = withUsage(this.memory.answered(call, withText), inFlight.usage);
      this.calls.delete(call);
      place?.release();
      this.owner.ended(invocation, outcome, began_at);
    };
    // An execution has connections of its own, and may take longer than any agent.
    const isNested = specOf(state, stage).pipeline !== undefined;
    const begun = (task: () => Promise<void>) => (isNested ? Promise.resolve().then(task) : this.slots(task));
    // The task begins after this stretch: what is written in it is written before the call.
    void begun(async () => {
      // It may have been cancelled while it waited for a slot.
      if (!wanted()) return;
      const placed_at = began_at;
      began_at = this.ports.clock.now();
      // Its place is its own for the time of a call and little more: it is to have another.
      if (place !== null && began_at - placed_at > TIMINGS.PLACE_GRACE_MS)
        end({ ok: "queued", reason: "concurrency", until: null });
      else end(await runStage(this.ports, state, invocation, hooks));
    });
  }
}
