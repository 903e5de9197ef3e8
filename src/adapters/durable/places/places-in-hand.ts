// What one isolate knows and has of one agent's places: the calls that ask, the grants on their way to them, places for
// any call, and what is to be given back. Data alone, but for the request that a call makes. A grant is counted from the
// earliest moment at which it can have been made, so its lease and its pass end here no later than at the object.
import { LIMITS } from "../../../contract/limits.ts";
import { Demand, type Held, SparePlaces } from "../../../core/resilience/places/spare-places.ts";
import type { Clock, Place, PlaceAsk } from "../../../engine/ports.ts";
import { withTimeLimit } from "../../../engine/time-limit.ts";
import type { AgentPlacesRpc, PlacesReply, PlacesRequest } from "../../../engine/agent-protocol.ts";

/** Time limit of a request beyond its own wait. */
export const ANSWER_MS = 2_000;
/** What an answer says of the queue holds for so long, and a place in hand is kept for so long. */
const FRESH_MS = 250;
/** Greatest difference between the clocks that calls of different objects read: the platform moves each with its own events. */
const SKEW_MS = 100;
/** Where more than fifty calls a second get a place, grants and releases wait for others, at most so long. */
const GATHER_MS = 20;
const GATHERED_CALLS = 5;
/** Within this time of its grant a pass is used; doubled where answers take longer. */
const VALID_MS = 250;
const MOST_VALID_MS = 4_000;
/** A lease is so much longer than its call: the way of its grant, and calls that use it after each other. */
const SPARE_LEASE_MS = 2_000;

/** A call that asks. */
export interface Asking {
  by: "take" | "turn";
  ask: PlaceAsk;
  /** Of the last request that asked for it. */
  stamp: number;
  /** It makes no request of its own: another's is to ask for it. */
  isCarried: boolean;
  /** When it was there last. */
  seen: number;
  grant: Held | null;
  /** The object has no place for it now. */
  refused: { kind: "queued" | "full"; until: number | null } | null;
}

type Terms = Pick<PlacesRequest, "may_wait" | "wait_ms" | "gather_ms" | "extra">;

export class PlacesInHand {
  /** By their holders. */
  readonly asking = new Map<string, Asking>();
  /** Calls that ask. */
  readonly demand = new Demand();
  /** Places that calls get, and give back. */
  private readonly moves = new Demand();
  private readonly spares = new SparePlaces();
  private readonly object: () => AgentPlacesRpc;
  private readonly clock: Clock;
  private readonly onSetBack: () => void;
  /** Why the last call had to wait. */
  reason: PlacesReply["reason"] = "concurrency";
  /** Calls are in the queue, as far as is known, until then. */
  crowded_until = 0;
  /** None is. */
  private free_until = 0;
  /** Sent with the next request. */
  private released: number[] = [];
  private used: PlacesRequest["used"] = [];
  private flush_at = 0;
  private registered: Pick<PlacesRequest, "limits" | "generation"> = { limits: {}, generation: -1 };
  /** What a place consists of. */
  private parts = { leased: false, rated: false };
  private stamp = 0;
  private readonly isolate = crypto.randomUUID();
  private valid_ms = VALID_MS;
  private seen = 0;
  /** Raised where the clock was set back: how old a grant of before is cannot be known. */
  private epoch = 0;

  /** @param onSetBack the clock was set back: no time of before is of use */
  constructor(object: () => AgentPlacesRpc, clock: Clock, onSetBack: () => void) {
    this.object = object;
    this.clock = clock;
    this.onSetBack = onSetBack;
  }

  /** The time; nothing that was granted before it was set back is used. */
  now(): number {
    const read = this.clock.now();
    if (read >= this.seen - SKEW_MS) this.seen = Math.max(read, this.seen);
    else {
      this.seen = read;
      this.epoch += 1;
      this.free_until = 0;
      this.crowded_until = 0;
      this.flush_at = 0;
      this.onSetBack();
      for (const { id } of this.spares.empty()) this.released.push(id);
      for (const asking of this.asking.values()) {
        if (asking.grant?.leased === true) this.released.push(asking.grant.id);
        asking.grant = null;
        asking.seen = read;
      }
    }
    return this.seen;
  }

  register({ agent: { registration }, limits }: PlaceAsk): void {
    const generation = registration?.generation ?? 0;
    if (generation <= this.registered.generation) return;
    this.registered = { limits, generation };
    // They were granted under other limits.
    for (const lease of this.spares.empty()) this.giveBack(lease);
    this.free_until = 0;
    this.crowded_until = 0;
  }

  enter(by: Asking["by"], ask: PlaceAsk): Asking {
    const asking: Asking = {
      by,
      ask,
      stamp: 0,
      isCarried: false,
      seen: this.now(),
      grant: null,
      refused: null,
    };
    this.asking.set(ask.holder, asking);
    return asking;
  }

  /** False where the same call has asked again since, or was taken for gone. */
  isLatest(asking: Asking): boolean {
    return this.asking.get(asking.ask.holder) === asking;
  }

  leave(asking: Asking): void {
    const { holder } = asking.ask;
    if (this.asking.get(holder) === asking) this.asking.delete(holder);
    if (asking.grant !== null) this.giveBack(asking.grant);
    asking.grant = null;
  }

  /** The place that was granted; null where there is none, or it came too late. */
  claim(asking: Asking): Place | null {
    const now = this.now();
    const held = asking.grant;
    asking.grant = null;
    if (held === null) return null;
    const isShort = held.leased && held.until < now + asking.ask.lease_ms;
    const isLate = held.rated && held.use_by < now;
    if (!isShort && !isLate) return this.place(held, held, now);
    this.valid_ms = Math.min(this.valid_ms * 2, MOST_VALID_MS);
    this.giveBack(held);
    return null;
  }

  /** A place in hand, as long as no call waits for one anywhere. */
  spare({ lease_ms }: PlaceAsk, now: number): Place | null {
    if (now >= this.free_until) return null;
    const found = this.spares.take(this.parts, lease_ms, now);
    return found === null ? null : this.place(found.lease, found.pass, now);
  }

  /** How long it is worth waiting for more of what a request is made for. */
  gatherMs(now: number): number {
    const calls = this.moves.high(now) / 2;
    return calls < GATHERED_CALLS ? 0 : Math.min(calls, GATHER_MS);
  }

  /** How long a call that asks waits for others that ask. */
  announceMs(now: number): number {
    return this.demand.high(now) < GATHERED_CALLS ? 0 : GATHER_MS;
  }

  /** The answer; null where there is none in time. One that comes later is still taken note of. */
  async exchange(asking: readonly Asking[], terms: Terms): Promise<PlacesReply | null> {
    const sent = this.now();
    const { epoch, valid_ms } = this;
    const stamp = (this.stamp = Math.max(this.stamp + 1, sent));
    for (const each of asking) each.stamp = stamp;
    const request: PlacesRequest = {
      ...this.registered,
      ...terms,
      asks: asking.map(({ ask: { holder, conversation_id, priority, lease_ms } }) => ({
        holder,
        conversation_id,
        priority,
        lease_ms: lease_ms + SPARE_LEASE_MS + valid_ms,
        valid_ms,
      })),
      stamp,
      isolate: this.isolate,
      released: this.released.splice(0),
      used: this.used.splice(0),
    };
    const ask = async () => this.object().places(request);
    const answered = ask().then(
      (reply) => {
        const now = this.now();
        this.learn(reply, request, epoch === this.epoch, sent, now);
        return reply;
      },
      () => {
        this.released.push(...request.released);
        this.used.push(...request.used);
        if (request.released.length > 0) this.clock.after(ANSWER_MS, () => void this.flush());
        return null;
      },
    );
    return withTimeLimit(this.clock, terms.wait_ms + terms.gather_ms + ANSWER_MS, answered, () => null);
  }

  /** @param isSteady the clock was not set back since it was sent */
  private learn(
    reply: PlacesReply,
    request: PlacesRequest,
    isSteady: boolean,
    sent: number,
    now: number,
  ): void {
    const { leased, rated, reason, queued } = reply;
    this.parts = { leased, rated };
    this.reason = reason;
    this.stamp = Math.max(this.stamp, reply.stamp);
    this.free_until = queued > 0 || !isSteady ? 0 : Math.max(this.free_until, sent + FRESH_MS);
    // Where the queue may be full it is asked.
    this.crowded_until = queued > 0 && queued < LIMITS.AGENT_QUEUE / 2 ? now + FRESH_MS : 0;
    const held = (id: number, granted: number, ask: PlacesRequest["asks"][number], isAnyones: boolean) => ({
      id,
      leased,
      rated,
      granted,
      until: granted + ask.lease_ms,
      use_by: granted + ask.valid_ms,
      isAnyones,
    });
    const grants = new Map(reply.granted.map((grant) => [grant.holder, grant]));
    for (const ask of request.asks) {
      const known = this.asking.get(ask.holder);
      const asking = known?.stamp === request.stamp ? known : null;
      const grant = grants.get(ask.holder);
      if (grant !== undefined) {
        const at = sent + grant.after_ms;
        // Granted in the future: the clock was set back meanwhile.
        if (asking === null || !isSteady || at > now) this.giveBack({ id: grant.id, leased });
        else this.grant(asking, held(grant.id, at, ask, false));
      } else if (asking !== null && !reply.stale.includes(ask.holder)) {
        const until = reply.in_ms === null ? null : now + reply.in_ms;
        if (reply.full.includes(ask.holder)) asking.refused = { kind: "full", until: null };
        else if (request.wait_ms === 0) asking.refused = { kind: "queued", until };
      }
    }
    const [first] = request.asks;
    if (first === undefined) return;
    for (const id of reply.extra) {
      const spare = held(id, sent, first, true);
      spare.use_by = Math.min(spare.use_by, now + FRESH_MS);
      if (!isSteady) this.giveBack(spare);
      else {
        this.spares.add(spare);
        this.sweep(spare, FRESH_MS);
      }
    }
  }

  private grant(asking: Asking, held: Held): void {
    asking.grant = held;
    if (!asking.isCarried) return;
    // The call that it is for may have gone with its object.
    this.clock.after(FRESH_MS, () => {
      if (asking.grant !== held) return;
      asking.grant = null;
      this.giveBack(held);
    });
  }

  private place(lease: Held | null, pass: Held | null, now: number): Place {
    if (pass?.rated === true) this.used.push([pass.id, now - pass.granted]);
    this.moves.add(now);
    const { epoch } = this;
    let isOver = lease?.leased !== true;
    return {
      release: () => {
        if (isOver || lease === null) return;
        isOver = true;
        const at = this.now();
        const isWanted = lease.isAnyones && epoch === this.epoch && this.demand.high(at) > 0;
        if (!isWanted || at >= this.free_until) this.giveBack(lease);
        else {
          this.spares.addLease(lease);
          this.sweep(lease, GATHER_MS);
        }
      },
    };
  }

  /** A lease that is unused after so long is given back. */
  private sweep(held: Held, ms: number): void {
    if (!held.leased) return;
    this.clock.after(ms, () => {
      if (this.spares.removeLease(held)) this.giveBack(held);
    });
  }

  /** A pass without a lease is not given back: it ends by itself. */
  private giveBack({ id, leased }: Pick<Held, "id" | "leased">): void {
    if (!leased) return;
    this.released.push(id);
    const now = this.now();
    this.moves.add(now);
    // All that are given back until then go in one request, made by the first whose timer fires.
    if (now >= this.flush_at) this.flush_at = now + this.gatherMs(now);
    if (now >= this.flush_at) void this.flush();
    else this.clock.after(this.flush_at - now, () => void this.flush());
  }

  private async flush(): Promise<void> {
    if (this.released.length === 0) return;
    await this.exchange([], { may_wait: false, wait_ms: 0, gather_ms: 0, extra: 0 });
  }
}
