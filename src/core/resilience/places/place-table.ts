// The places at one agent with `limits`: who has one, who waits, and who is next (I10). Pure: the time is passed in, ms
// since the epoch. Where the clock was set back, all times go back with it, so that nothing lasts longer and
// nothing is given twice.
import type { AgentLimits } from "../../../contract/agent.ts";
import { LIMITS } from "../../../contract/limits.ts";
import { TIMINGS } from "../../timings.ts";
import { type Lease, Leases, type StoredLease } from "./leases.ts";
import { type CallAsk, PlaceQueue, type Waiting } from "./place-queue.ts";
import { RateWindow } from "./rate-window.ts";

export type Limited = "concurrency" | "rate";

/** A place, as it is granted. */
export interface Grant {
  holder: string;
  id: number;
  /** The poll that waits for it. */
  poll: number;
  at: number;
}

/** A request about places, as far as it concerns each of its calls. */
export interface AskTerms {
  /** Of two requests of one isolate about the same call the higher is the later one. */
  stamp: number;
  isolate: string;
  /** The poll that waits for the grants. */
  poll: number;
}

/** What a restart of the object must not forget. */
export interface StoredPlaces {
  limits: AgentLimits;
  generation: number;
  /** The last number that was given. */
  id: number;
  /** The clock when this was written. */
  seen: number;
  leases: readonly StoredLease[];
  counted: readonly number[];
}

/** A fraction of what is free may be given to an isolate for calls to come. */
const EXTRA_SHARE = 4;

export class PlaceTable {
  private readonly leases = new Leases();
  private readonly window = new RateWindow();
  private readonly queue = new PlaceQueue();
  private limits: AgentLimits = {};
  private generation = -1;
  private id = 0;
  private seen = 0;

  constructor(stored?: StoredPlaces) {
    if (stored === undefined) return;
    this.limits = stored.limits;
    this.generation = stored.generation;
    this.id = stored.id;
    this.seen = stored.seen;
    this.leases.restore(stored.leases);
    this.window.restore(stored.counted);
  }

  get queued(): number {
    return this.queue.size;
  }

  /** What a place consists of, at present. */
  get parts(): { leased: boolean; rated: boolean } {
    return { leased: this.limits.concurrency !== undefined, rated: this.limits.rate !== undefined };
  }

  /**
   * The time. To be called with each request and each timer, first.
   * @returns how far the clock was set back
   */
  observe(now: number): number {
    const back = Math.max(0, this.seen - now);
    this.seen = now;
    if (back > 0) for (const part of [this.leases, this.window, this.queue]) part.shift(back);
    this.queue.dropDead(now);
    return back;
  }

  /** The limits of the latest registration hold; calls that have a place keep it. */
  adopt(limits: AgentLimits, generation: number): void {
    if (generation <= this.generation) return;
    this.generation = generation;
    this.limits = limits;
    if (limits.rate === undefined) this.window.clear();
  }

  /** @returns until when it would have been in use; 0 where there is none */
  release(id: number): number {
    return this.leases.release(id);
  }

  /** A pass was used, so many ms after its grant at most. */
  used(id: number, ms: number): void {
    this.window.used(id, ms);
  }

  /**
   * A call asks for a place, for the first time or again; `serve` grants it.
   * @returns `full` where it is not in the queue; `stale` where a later request of the same call was here before
   */
  enter(ask: CallAsk, { stamp, isolate, poll }: AskTerms): "waits" | "full" | "stale" {
    const { holder, lease_ms, valid_ms } = ask;
    const lease = this.leases.of(holder);
    const waiting = this.queue.of(holder);
    const known = [lease, waiting].filter((each) => each?.isolate === isolate);
    if (known.some((each) => each !== undefined && each.stamp > stamp)) return "stale";
    if (waiting === undefined && this.queue.size >= LIMITS.AGENT_QUEUE) return "full";
    const isOver = lease !== undefined && this.isOver(lease, isolate);
    if (isOver) this.leases.release(lease.id);
    else this.leases.detach(holder);
    const has_lease = isOver || waiting?.has_lease === true;
    if (waiting === undefined) this.queue.add({ ...ask, stamp, isolate, poll, has_lease, alive_until: 0 });
    else Object.assign(waiting, { stamp, isolate, poll, has_lease, lease_ms, valid_ms });
    return "waits";
  }

  /** Grants what is free to those that wait. */
  serve(now: number): Grant[] {
    const grants: Grant[] = [];
    while (this.free(now) > 0) {
      const next = this.queue.next();
      if (next === null) break;
      grants.push(this.grant(next, now));
    }
    return grants;
  }

  /** Places for calls to come of one isolate, while no call waits. */
  extra(wanted: number, terms: Pick<CallAsk, "lease_ms" | "valid_ms">, now: number): number[] {
    if (this.queue.size > 0) return [];
    const count = Math.min(wanted, Math.floor(this.free(now) / EXTRA_SHARE));
    const given = { ...terms, holder: "", stamp: 0, isolate: "" };
    return Array.from({ length: Math.max(0, count) }, () => this.give(given, now));
  }

  /** The poll that waits for a call. */
  pollOf(holder: string): number | null {
    return this.queue.of(holder)?.poll ?? null;
  }

  leave(holder: string): void {
    this.queue.remove(holder);
  }

  /** The highest stamp of what these calls have, or wait for. */
  stampOf(holders: readonly string[]): number {
    const stamps = holders.map((holder) =>
      Math.max(this.leases.of(holder)?.stamp ?? 0, this.queue.of(holder)?.stamp ?? 0),
    );
    return Math.max(0, ...stamps);
  }

  /** A poll has ended; its calls are out of the queue unless one asks again for them soon. */
  pollEnded(poll: number, now: number): void {
    this.queue.ended(poll, now + TIMINGS.PLACE_POSITION_MS);
  }

  /** Why a call waits; if wanted also when the last in the queue has its turn, where that is known. */
  why(now: number, isTimeWanted: boolean): { reason: Limited; at: number | null } {
    const { concurrency, rate } = this.limits;
    if (rate === undefined || (concurrency !== undefined && this.leases.inUse(now) >= concurrency))
      return { reason: "concurrency", at: null };
    if (concurrency !== undefined || !isTimeWanted) return { reason: "rate", at: null };
    return { reason: "rate", at: this.window.freeAt(rate.calls, rate.per_seconds * 1_000, this.queue.size) };
  }

  /** When something may become free for one that waits; null where nothing waits. */
  nextAt(now: number): number | null {
    if (this.queue.next() === null) return null;
    const { concurrency, rate } = this.limits;
    if (concurrency !== undefined && this.leases.inUse(now) >= concurrency) return this.leases.nextAt();
    return rate === undefined ? null : this.window.nextAt(rate.per_seconds * 1_000);
  }

  load(now: number): { in_use: number; queued: number } {
    return { in_use: this.leases.inUse(now), queued: this.queue.size };
  }

  stored(): StoredPlaces {
    return {
      limits: this.limits,
      generation: this.generation,
      id: this.id,
      seen: this.seen,
      leases: this.leases.stored(),
      counted: this.window.stored((this.limits.rate?.per_seconds ?? 1) * 1_000),
    };
  }

  /**
   * Whether a lease is that of an earlier call, which is over, since the same holder asks again. Requests of two isolates
   * have no order: this one may have been sent before the lease was granted, unless that was long ago. Such a lease is
   * left to end by itself.
   */
  private isOver(lease: Lease, isolate: string): boolean {
    return lease.isolate === isolate || this.seen - lease.granted >= TIMINGS.PLACE_LATE_MS;
  }

  private free(now: number): number {
    const { concurrency, rate } = this.limits;
    return Math.min(
      concurrency === undefined ? Number.POSITIVE_INFINITY : concurrency - this.leases.inUse(now),
      rate === undefined
        ? Number.POSITIVE_INFINITY
        : this.window.free(rate.calls, rate.per_seconds * 1_000, now),
    );
  }

  private grant(call: Waiting, now: number): Grant {
    this.queue.served(call);
    return { holder: call.holder, id: this.give(call, now), poll: call.poll ?? 0, at: now };
  }

  private give(
    {
      holder,
      stamp,
      isolate,
      lease_ms,
      valid_ms,
    }: Omit<Waiting, "conversation_id" | "priority" | "poll" | "alive_until" | "has_lease" | "arrival">,
    now: number,
  ): number {
    this.id += 1;
    const { leased, rated } = this.parts;
    if (leased) this.leases.add({ id: this.id, holder, granted: now, until: now + lease_ms, stamp, isolate });
    if (rated) this.window.add(this.id, 1, now, now + valid_ms);
    return this.id;
  }
}
