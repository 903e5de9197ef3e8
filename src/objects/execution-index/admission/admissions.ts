// Who may run in the conversations of a shard (I18): decides by core/conversations/admission.ts, keeps the places, and
// speaks with the objects of the executions: the next one is woken, those that a question interrupts are cancelled, and
// those that may never have begun are asked. Each decision is made and written in one stretch, without a wait in it.
import {
  type Admission,
  claim,
  enter,
  type Entrant,
  leave,
  nextOf,
  ownPlace,
  type Place,
  type Places,
  unproved,
} from "../../../core/conversations/admission.ts";
import type { ConversationEntrant } from "../../../core/conversations/entrant.ts";
import { TIMINGS } from "../../../core/timings.ts";
import type { RunPresence } from "../../../engine/object-protocol.ts";
import type { Clock } from "../../../engine/ports.ts";
import { withTimeLimit } from "../../../engine/time-limit.ts";
import type { PlaceRows } from "./places.ts";

export interface AdmissionPorts {
  places: PlaceRows;
  clock: Clock;
  /** The conversation's runs that have not ended and do not wait in its queue, as far as they are known. */
  open(conversation_id: string, now: number): string[];
  /** Asks an execution's object; one that waits asks for its place then. */
  wake(execution_id: string): Promise<RunPresence>;
  /** Has it cancel its run; `ended` once its end is reported. */
  supersede(execution_id: string, by: string): Promise<RunPresence>;
}

/** Who asks, and in which conversation. */
export interface Asked extends ConversationEntrant {
  conversation_id: string;
  execution_id: string;
  /** Of the request or the run, ms since the epoch. */
  start: number;
}

/** What a report says of its run. */
interface Reported {
  execution_id: string;
  conversation_id: string;
  end: number | null;
  expires: number;
}

export class Admissions {
  private readonly ports: AdmissionPorts;
  private readonly superseding = new Map<string, Promise<RunPresence>>();
  private readonly waking = new Set<string>();

  constructor(ports: AdmissionPorts) {
    this.ports = ports;
  }

  /**
   * A run is about to start.
   * @param elsewhere what runs or waits in former shards of its conversation
   */
  async enter(asked: Asked, elsewhere: Places): Promise<Exclude<Admission, { kind: "interrupts" }>> {
    const { conversation_id, execution_id } = asked;
    await this.prove(conversation_id);
    const known = this.placesOf(conversation_id);
    const more = elsewhere.filter(
      (place) => place.execution_id !== execution_id && ownPlace(known, place.execution_id) === undefined,
    );
    const places = more.length === 0 ? known : [...more, ...known];
    const entered = enter(places, this.others(conversation_id, places), this.entrant(asked));
    const { admission } = entered;
    if (admission.kind === "busy") return admission;
    this.ports.places.put(conversation_id, entered.places);
    return admission.kind === "interrupts" ? this.interrupt(asked) : admission;
  }

  /** A run that waits asks for its place. */
  async standing(asked: Asked): Promise<Admission> {
    const { conversation_id } = asked;
    await this.prove(conversation_id);
    const places = this.placesOf(conversation_id);
    const claimed = claim(places, this.others(conversation_id, places), this.entrant(asked));
    this.ports.places.put(conversation_id, claimed.places);
    // The one before it may have missed that it is the next.
    if (claimed.admission.kind !== "admitted") this.wakeNext(conversation_id);
    return claimed.admission;
  }

  /** The request that took this place could not start its run; another one may have. */
  async withdraw({
    conversation_id,
    execution_id,
    start,
  }: Omit<Asked, keyof ConversationEntrant>): Promise<void> {
    const isOwn = () => ownPlace(this.placesOf(conversation_id), execution_id)?.start === start;
    if (!isOwn()) return;
    const presence = await this.presenceOf(execution_id);
    if (presence === null || presence === "going" || !isOwn()) return;
    this.leave(conversation_id, execution_id);
  }

  /** Part of the report's transaction: an end frees the place, all else says until when it is taken. */
  reported({ execution_id, conversation_id, end, expires }: Reported): void {
    if (!this.ports.places.has(conversation_id)) return;
    const places = this.placesOf(conversation_id);
    const own = ownPlace(places, execution_id);
    if (own === undefined) return;
    const changed: Place = { ...own, isThere: true, expires };
    this.ports.places.put(
      conversation_id,
      end === null ? places.map((place) => (place === own ? changed : place)) : leave(places, execution_id),
    );
  }

  /** The execution is deleted, or was never started. */
  leave(conversation_id: string, execution_id: string): void {
    this.ports.places.put(conversation_id, leave(this.placesOf(conversation_id), execution_id));
    this.wakeNext(conversation_id);
  }

  /** Wakes the run that waits and may run now, if there is one. It asks for its place. */
  wakeNext(conversation_id: string): void {
    if (!this.ports.places.has(conversation_id)) return;
    const places = this.placesOf(conversation_id);
    const next = nextOf(places, this.others(conversation_id, places));
    // The request of one that interrupts is waiting here.
    if (next === null || ownPlace(places, next)?.state !== "queued" || this.waking.has(next)) return;
    this.waking.add(next);
    void this.presenceOf(next).then((presence) => {
      this.waking.delete(next);
      if (presence !== null && this.settle(conversation_id, next, presence)) this.wakeNext(conversation_id);
    });
  }

  /**
   * The conversation has another shard since a split: what runs or waits here, until its end is reported here.
   * @param by the execution that asks there @param until then requests of before the split may come, ms since the epoch
   */
  moved(conversation_id: string, by: string, until: number): Places {
    const now = this.ports.clock.now();
    const places = this.placesOf(conversation_id).filter(({ state }) => state !== "moved");
    if (now < until) {
      const mark: Place = { execution_id: by, state: "moved", start: now, expires: until };
      this.ports.places.put(conversation_id, [...places, mark]);
    }
    const others = this.others(conversation_id, places).map((execution_id): Place => {
      return { execution_id, state: "running", start: now, expires: now };
    });
    return [...places, ...others];
  }

  /** Those that it supersedes are cancelled; it runs once they have ended, or is refused. */
  private async interrupt(asked: Asked): Promise<Exclude<Admission, { kind: "interrupts" }>> {
    const { conversation_id, execution_id } = asked;
    const { places: rows, clock } = this.ports;
    const until = clock.now() + TIMINGS.INTERRUPT_WAIT_MS;
    const ended = new Set<string>();
    for (;;) {
      const places = this.placesOf(conversation_id);
      const others = this.others(conversation_id, places).filter((id) => !ended.has(id));
      // A later question has taken its place.
      if (ownPlace(places, execution_id) === undefined)
        return { kind: "busy", running: busyWith(places, others) };
      const claimed = claim(places, others, this.entrant(asked));
      const { admission } = claimed;
      const left_ms = until - clock.now();
      if (admission.kind === "interrupts" && left_ms <= 0) {
        rows.put(conversation_id, leave(places, execution_id));
        this.wakeNext(conversation_id);
        return { kind: "busy", running: admission.running };
      }
      rows.put(conversation_id, claimed.places);
      if (admission.kind !== "interrupts") return admission;
      const found = await Promise.all(
        admission.running.map(async (id) => {
          const presence = await this.supersede(id, execution_id, left_ms);
          if (presence !== null) this.settle(conversation_id, id, presence);
          if (presence === "ended") ended.add(id);
          return presence;
        }),
      );
      if (found.some((presence) => presence !== "ended")) await pause(clock, TIMINGS.INTERRUPT_GAP_MS);
    }
  }

  /** Questions that come together cancel a run once. */
  private supersede(id: string, by: string, ms: number): Promise<RunPresence | null> {
    let asked = this.superseding.get(id);
    if (asked === undefined) {
      asked = this.ports.supersede(id, by).finally(() => this.superseding.delete(id));
      this.superseding.set(id, asked);
    }
    return limited(this.ports.clock, ms, asked);
  }

  /** Frees the places of executions that have ended elsewhere, or were never started. */
  private async prove(conversation_id: string): Promise<void> {
    if (!this.ports.places.has(conversation_id)) return;
    const { clock } = this.ports;
    const asked = unproved(this.placesOf(conversation_id), clock.now());
    await Promise.all(
      asked.map(async ({ execution_id }) => {
        const presence = await this.presenceOf(execution_id);
        if (presence !== null) this.settle(conversation_id, execution_id, presence);
      }),
    );
  }

  /** Takes down what an object has said of its run; true where its place is free by that. */
  private settle(conversation_id: string, execution_id: string, presence: RunPresence): boolean {
    const places = this.placesOf(conversation_id);
    const own = ownPlace(places, execution_id);
    if (own === undefined) return false;
    // Its start may be on its way.
    const isLost = presence === "absent" && own.start + TIMINGS.START_LOST_MS <= this.ports.clock.now();
    if (presence === "ended" || isLost) {
      this.ports.places.put(conversation_id, leave(places, execution_id));
      return true;
    }
    if (presence === "going" && own.isThere !== true) {
      const seen = places.map((place): Place => (place === own ? { ...own, isThere: true } : place));
      this.ports.places.put(conversation_id, seen);
    }
    return false;
  }

  private presenceOf(execution_id: string): Promise<RunPresence | null> {
    return limited(this.ports.clock, TIMINGS.PRESENCE_WAIT_MS, this.ports.wake(execution_id));
  }

  private placesOf(conversation_id: string): Places {
    return this.ports.places.of(conversation_id, this.ports.clock.now());
  }

  private others(conversation_id: string, places: Places): string[] {
    const open = this.ports.open(conversation_id, this.ports.clock.now());
    return open.filter((id) => ownPlace(places, id) === undefined);
  }

  private entrant({ execution_id, start, on_busy, run_ms, queue_ms }: Asked): Entrant {
    const now = this.ports.clock.now();
    const wait_ms =
      on_busy === "interrupt" ? 2 * TIMINGS.INTERRUPT_WAIT_MS : queue_ms + TIMINGS.INDEX_GRACE_MS;
    const runs_until = now + run_ms + TIMINGS.INDEX_GRACE_MS;
    return { execution_id, on_busy, start, runs_until, waits_until: now + wait_ms };
  }
}

function busyWith(places: Places, others: readonly string[]): string[] {
  const waiting = places.filter(({ state }) => state !== "queued").map(({ execution_id }) => execution_id);
  return [...new Set([...others, ...waiting])];
}

/** Null where there is no answer. */
function limited<T>(clock: Clock, ms: number, answer: Promise<T>): Promise<T | null> {
  const otherwise = () => null;
  return withTimeLimit<T | null, null>(clock, ms, answer.catch(otherwise), otherwise);
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
