// The part of an agent's object that has its places (I10): requests of isolates, the polls of those that wait, the one
// timer of what becomes free by itself, and the row of what a restart must not forget. The row is written with each
// grant, before it is answered: the platform holds the answer until the row is on disk. What is given back is written
// with the next grant: were it lost, its lease would end by itself. The queue is in memory alone: its polls end with the
// object, and ask again.
import { PlaceTable, type StoredPlaces } from "../../core/resilience/places/place-table.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Clock } from "../../engine/ports.ts";
import type { AgentLoad, PlacesReply, PlacesRequest } from "../../engine/agent-protocol.ts";

const PLACES = "places";

export interface PlacesStorage {
  get(key: string): unknown;
  put(key: string, value: unknown): void;
}

/** An object is evicted 70 s after its last request at the earliest: a lease that ends sooner is not resurrected. */
const REMEMBERED_MS = 60_000;

interface Poll {
  arrived: number;
  gather_ms: number;
  /** Calls that it waits for. */
  calls: number;
  granted: PlacesReply["granted"];
  isOver: boolean;
  /** It is to be answered. */
  end(): void;
}

export class AgentPlacesRoom {
  private readonly storage: PlacesStorage;
  private readonly clock: Clock;
  private readonly table: PlaceTable;
  private readonly polls = new Map<number, Poll>();
  private poll = 0;
  /** Cancels the timer of what becomes free by itself. */
  private stop: () => void = () => {};
  /** Cancels the timer of a write. */
  private stopWrite: (() => void) | null = null;

  constructor(storage: PlacesStorage, clock: Clock) {
    this.storage = storage;
    this.clock = clock;
    this.table = new PlaceTable(storage.get(PLACES) as StoredPlaces | undefined);
  }

  async exchange(request: PlacesRequest): Promise<PlacesReply> {
    const now = this.observe();
    const { table } = this;
    table.adopt(request.limits, request.generation);
    for (const id of request.released) this.release(id, now);
    for (const [id, ms] of request.used) table.used(id, ms);
    const number = (this.poll += 1);
    const full: string[] = [];
    const stale: string[] = [];
    for (const ask of request.asks) {
      const before = this.polls.get(table.pollOf(ask.holder) ?? 0);
      const entered = table.enter(ask, { stamp: request.stamp, isolate: request.isolate, poll: number });
      if (entered !== "waits") (entered === "full" ? full : stale).push(ask.holder);
      else if (before !== undefined) this.drop(before);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const calls = request.asks.length - full.length - stale.length;
    const poll: Poll = {
      arrived: now,
      gather_ms: request.gather_ms,
      calls,
      granted: [],
      isOver: request.wait_ms === 0 || calls === 0,
      end() {
        this.isOver = true;
        resolve();
      },
    };
    this.polls.set(number, poll);
    let extra: number[] = [];
    this.serve(now, () => {
      const [ask] = request.asks;
      if (ask !== undefined) extra = table.extra(request.extra, ask, now);
      return extra.length;
    });
    if (!poll.isOver) {
      const stop = this.clock.after(request.wait_ms, resolve);
      await promise;
      stop();
    }
    return this.answer(number, poll, request, { extra, full, stale });
  }

  leave(holder: string): void {
    const poll = this.polls.get(this.table.pollOf(holder) ?? 0);
    this.table.leave(holder);
    if (poll !== undefined) this.drop(poll);
  }

  load(): AgentLoad {
    return this.table.load(this.observe());
  }

  private answer(
    number: number,
    poll: Poll,
    request: PlacesRequest,
    found: Pick<PlacesReply, "extra" | "full" | "stale">,
  ): PlacesReply {
    const now = this.observe();
    const { table } = this;
    this.polls.delete(number);
    table.pollEnded(number, now);
    const { reason, at } = table.why(now, request.wait_ms === 0 && poll.granted.length < poll.calls);
    if (!request.may_wait) {
      for (const { holder } of request.asks) {
        if (!found.stale.includes(holder)) table.leave(holder);
      }
    }
    return {
      ...found,
      ...table.parts,
      granted: poll.granted,
      reason,
      in_ms: at === null ? null : Math.max(0, at - now),
      stamp: Math.max(request.stamp, table.stampOf(found.stale)),
      queued: table.queued,
    };
  }

  /** The time; where the clock was set back, all times here are moved by as much. */
  private observe(): number {
    const now = this.clock.now();
    const back = this.table.observe(now);
    if (back > 0) for (const poll of this.polls.values()) poll.arrived -= back;
    return now;
  }

  private release(id: number, now: number): void {
    const left = this.table.release(id) - now;
    if (left > REMEMBERED_MS) this.stopWrite ??= this.clock.after(TIMINGS.PLACE_WRITE_MS, () => this.write());
  }

  private write(): void {
    this.stopWrite?.();
    this.stopWrite = null;
    this.storage.put(PLACES, this.table.stored());
  }

  /** Grants what is free. @param more gives out more, and says how much */
  private serve(now: number, more: () => number = () => 0): void {
    const grants = this.table.serve(now);
    if (more() + grants.length > 0) this.write();
    for (const { holder, id, poll: number } of grants) {
      const poll = this.polls.get(number);
      if (poll === undefined) continue;
      poll.granted.push({ holder, id, after_ms: now - poll.arrived });
      // The first of several: a poll that gathers waits for more of them.
      if (poll.gather_ms > 0 && poll.granted.length === 1) this.clock.after(poll.gather_ms, () => poll.end());
      if (poll.gather_ms === 0 || poll.granted.length >= poll.calls) poll.end();
    }
    this.stop();
    const next = this.table.nextAt(now);
    this.stop =
      next === null
        ? () => {}
        : this.clock.after(Math.max(1, Math.ceil(next - now)), () => this.serve(this.observe()));
  }

  /** One of its calls is not there any more, or in a later poll. */
  private drop(poll: Poll): void {
    poll.calls -= 1;
    if (poll.granted.length >= poll.calls) poll.end();
  }
}
