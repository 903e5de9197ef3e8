// The places that a run's calls need at agents with limits: asked for when a call is about to begin, waited for in the
// agent's queue, held from the grant to the call's end, and given back where the call is not made.
import { agentStageOf } from "../../core/execution/schedule.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import { retryDelay } from "../../core/resilience/retry.ts";
import { TIMINGS } from "../../core/timings.ts";
import { calledAgent } from "./callback.ts";
import type { AgentPlaces, Place, PlaceAsk, Ports } from "../ports.ts";

/** The run whose calls they are for. */
export interface PlacesOwner {
  /** A place is there: the unit's call may begin. */
  granted(): void;
  /** The result cache is known to answer the unit's call: it needs no place. */
  isKept(state: ExecutionState, unit: UnitName): Promise<boolean>;
  /** There is none now. @param until when there may be one, ms since the epoch; null where that is not known */
  refused(unit: UnitName, reason: "concurrency" | "rate", until: number | null): void;
}

export class PlacesInFlight {
  private readonly ports: Pick<Ports, "clock" | "chance" | "shared">;
  private readonly owner: PlacesOwner;
  private readonly asks = new Map<UnitName, AbortController>();
  private readonly granted = new Map<UnitName, Place>();

  constructor(ports: Pick<Ports, "clock" | "chance" | "shared">, owner: PlacesOwner) {
    this.ports = ports;
    this.owner = owner;
  }

  /** Asks in flight. */
  get size(): number {
    return this.asks.size;
  }

  has(unit: UnitName): boolean {
    return this.granted.has(unit);
  }

  /** The unit's place, which is its call's from now on; null where its agent has no limits. */
  take(unit: UnitName): Place | null {
    const place = this.granted.get(unit) ?? null;
    this.granted.delete(unit);
    return place;
  }

  /** Asks for the places that are wanted, and for no others. */
  match(state: ExecutionState, wanted: ReadonlySet<UnitName>): void {
    for (const [unit, ask] of this.asks) {
      if (wanted.has(unit)) continue;
      this.asks.delete(unit);
      ask.abort();
    }
    // Its call was not made after all: something else has taken the run's own place, or the run is paused.
    for (const [unit, place] of this.granted) {
      this.granted.delete(unit);
      place.release();
    }
    for (const unit of wanted) if (!this.asks.has(unit)) this.ask(state, unit);
  }

  abortAll(): void {
    for (const ask of this.asks.values()) ask.abort();
    this.asks.clear();
    for (const place of this.granted.values()) place.release();
    this.granted.clear();
  }

  private ask(state: ExecutionState, unit: UnitName): void {
    const abort = new AbortController();
    this.asks.set(unit, abort);
    const places = this.ports.shared?.places;
    // Without anything that counts them there are no limits.
    const asking =
      places === undefined ? Promise.resolve(UNCOUNTED) : this.placeOf(places, state, unit, abort);
    void asking.then((place) => {
      if (this.asks.get(unit) !== abort) {
        place?.release();
        return;
      }
      this.asks.delete(unit);
      if (place === null) return;
      this.granted.set(unit, place);
      this.owner.granted();
    });
  }

  /** The unit's place, however long that takes; null once it is not wanted any more. */
  private async placeOf(
    places: AgentPlaces,
    state: ExecutionState,
    unit: UnitName,
    { signal }: AbortController,
  ): Promise<Place | null> {
    // What has waited once was not answered by the cache.
    if (stageOf(state, unit).queue === null && (await this.owner.isKept(state, unit))) return NONE_NEEDED;
    const ask = placeAsk(state, unit, this.ports.clock.now());
    for (let refusals = 1; !signal.aborted; refusals += 1) {
      const answer = await places.take(ask);
      if (answer.kind === "place") return answer.place;
      if (signal.aborted) break;
      if (answer.kind === "queued") {
        this.owner.refused(unit, answer.reason, answer.until);
        const place = await places.turn(ask, signal);
        if (place !== null) return place;
      } else {
        // The stage's own retry rule says when it asks again.
        const wait_ms = Math.max(
          TIMINGS.FULL_QUEUE_MS,
          retryDelay(state.spec.config, refusals, this.ports.chance(), null),
        );
        this.owner.refused(unit, answer.reason, this.ports.clock.now() + wait_ms);
        await this.pause(wait_ms, signal);
      }
    }
    return null;
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.ports.clock.after(ms, resolve);
      signal.addEventListener("abort", () => {
        stop();
        resolve();
      });
    });
  }
}

const UNCOUNTED: Place = { release: () => {} };
const NONE_NEEDED: Place = { isNone: true, release: () => {} };

/** @param now ms since the epoch */
function placeAsk(state: ExecutionState, unit: UnitName, now: number): PlaceAsk {
  const { spec, deadline_at } = state;
  const agent = calledAgent(state, unit);
  const try_ms = agentStageOf(state, unit).timeout_seconds * 1_000;
  return {
    agent,
    limits: agent.registration?.limits ?? {},
    holder: `${spec.execution_id}.${unit}`,
    conversation_id: spec.conversation_id,
    priority: spec.priority ?? 0,
    lease_ms: Math.min(try_ms, Math.max(0, deadline_at - now)) + TIMINGS.PLACE_GRACE_MS,
    may_wait: true,
  };
}
