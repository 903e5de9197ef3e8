// Places at agents with limits, as the calls of one isolate ask for them. Each agent has an object that grants them
// (src/objects/agent-places.ts); where demand is high an isolate asks for several at once, gives them back together, and
// asks for all of its waiting calls in one poll. Every request is made and awaited by the call that needs it: what calls
// of other objects see of it is data alone, since a promise of one object's context never resolves in another's. Where
// the object does not answer, calls wait.
import { LIMITS } from "../../contract/limits.ts";
import { Demand, type Held, SparePlaces } from "../../core/resilience/places/spare-places.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { AgentPlaces, Clock, Place, PlaceAnswer, PlaceAsk } from "../../engine/ports.ts";
import { withTimeLimit } from "../../engine/time-limit.ts";
import type { AgentPlacesRpc, PlacesReply, PlacesRequest } from "../../engine/worker-ports.ts";
import { Lru } from "../platform/lru.ts";

export interface AgentPlacesWorld {
  object(tenant: string, agent_type: string): AgentPlacesRpc;
  clock: Clock;
}

/** Agents with limits that an isolate knows; the least recently used is forgotten first. */
const AGENTS = 1_000;
/** An object that has not answered by then does not answer. */
const ANSWER_MS = 2_000;
/** What an answer says of the queue holds for so long, and a place in hand is kept for so long. */
const FRESH_MS = 250;
/** At high demand places are given back together, after so long. */
const GATHER_MS = 20;
/** Within this time of its grant a pass is used; doubled where answers take longer. */
const VALID_MS = 250;
const MOST_VALID_MS = 4_000;
/** A lease is so much longer than its call: the way of its grant, and calls that use it after each other. */
const SPARE_LEASE_MS = 2_000;
/** With more waiting calls than this one of them polls for all. */
const OWN_POLLS = 4;
const SHARED_POLL_MS = 1_000;
/** A call that was not there for so long has gone with its object. */
const GONE_MS = 30_000;
/** How soon the others look whether they have a place; each time later by the half, up to the second. */
const TICK_MS = 16;
const MOST_TICK_MS = 80;
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 2_000;

export class IsolatePlaces implements AgentPlaces {
  private readonly world: AgentPlacesWorld;
  private readonly agents = new Lru<string, LimitedAgent>({ entries: AGENTS });

  constructor(world: AgentPlacesWorld) {
    this.world = world;
  }

  take(ask: PlaceAsk): PlaceAnswer | Promise<PlaceAnswer> {
    return this.agent(ask).take(ask);
  }

  turn(ask: PlaceAsk, signal: AbortSignal): Promise<Place | null> {
    return this.agent(ask).turn(ask, signal);
  }

  private agent({ agent: { tenant, agent_type } }: PlaceAsk): LimitedAgent {
    const { object, clock } = this.world;
    return this.agents.get(
      `${tenant}/${agent_type}`,
      () => new LimitedAgent(() => object(tenant, agent_type), clock),
    );
  }
}

/** A call that asks. */
interface Asking {
  ask: PlaceAsk;
  /** Of the last request that asked for it. */
  stamp: number;
  /** It makes no request of its own: another's is to ask for it. */
  isCarried: boolean;
  /** When it was there last. */
  seen: number;
  grant: Held | null;
  isFull: boolean;
}

type Terms = Pick<PlacesRequest, "may_wait" | "wait_ms" | "gather_ms">;
const AT_ONCE = { wait_ms: 0, gather_ms: 0 };

class LimitedAgent {
  private readonly object: () => AgentPlacesRpc;
  private readonly clock: Clock;
  private readonly asking = new Map<string, Asking>();
  private readonly spares = new SparePlaces();
  private readonly demand = new Demand();
  /** To be said with the next request. */
  private released: number[] = [];
  private used: PlacesRequest["used"] = [];
  private registered: Pick<PlacesRequest, "limits" | "generation"> = { limits: {}, generation: -1 };
  /** The last answer's. */
  private parts = { leased: false, rated: false };
  private reason: PlacesReply["reason"] = "concurrency";
  private stamp = 0;
  private valid_ms = VALID_MS;
  /** Nobody is in the queue, as far as is known, until then. */
  private free_until = 0;
  /** Somebody is. */
  private crowded_until = 0;
  /** One call polls for all until then. */
  private polled_until = 0;
  private seen = 0;
  /** Raised where the clock was set back: how old a grant of before is cannot be known. */
  private epoch = 0;

  constructor(object: () => AgentPlacesRpc, clock: Clock) {
    this.object = object;
    this.clock = clock;
  }

  take(ask: PlaceAsk): PlaceAnswer | Promise<PlaceAnswer> {
    const now = this.now();
    this.register(ask);
    this.demand.add(now);
    const place = this.fromSpares(ask, now);
    if (place !== null) return { kind: "place", place };
    if (ask.may_wait && now < this.crowded_until) return { kind: "queued", reason: this.reason, until: null };
    return this.ask(ask);
  }

  async turn(ask: PlaceAsk, signal: AbortSignal): Promise<Place | null> {
    this.register(ask);
    const asking = this.enter(ask);
    const aborted = new Promise<null>((resolve) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
    });
    const pause = (ms: number) => withTimeLimit(this.clock, ms, aborted, () => null);
    let failures = 0;
    let tick_ms = TICK_MS;
    try {
      while (!signal.aborted && !asking.isFull) {
        const place = this.claim(asking);
        if (place !== null) return place;
        const now = this.now();
        const isShared = this.asking.size > OWN_POLLS;
        asking.seen = now;
        asking.isCarried = isShared && now < this.polled_until;
        if (asking.isCarried) {
          await pause(tick_ms);
          tick_ms = Math.min(tick_ms * 1.5, MOST_TICK_MS);
          continue;
        }
        const polled = isShared ? this.pollForAll(asking, now) : this.poll(asking);
        const reply = await Promise.race([polled, aborted]);
        failures = reply === null ? failures + 1 : 0;
        const backoff = failures === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** failures, MOST_BACKOFF_MS);
        if (isShared) this.polled_until = this.now() + backoff;
        if (backoff > 0) await pause(backoff);
      }
      return null;
    } finally {
      this.leave(asking);
      if (signal.aborted)
        void this.object()
          .leave(ask.holder)
          .catch(() => {});
    }
  }

  private async ask(ask: PlaceAsk): Promise<PlaceAnswer> {
    const asking = this.enter(ask);
    const reply = await this.exchange([asking], { ...AT_ONCE, may_wait: ask.may_wait });
    // A call that is not queued may have what others have brought meanwhile.
    const place = this.claim(asking) ?? (ask.may_wait ? null : this.fromSpares(ask, this.now()));
    this.leave(asking);
    if (place !== null) return { kind: "place", place };
    const { reason } = this;
    if (!ask.may_wait || asking.isFull) return { kind: "full", reason };
    const in_ms = reply?.in_ms ?? null;
    return { kind: "queued", reason, until: in_ms === null ? null : this.now() + in_ms };
  }

  private poll(asking: Asking): Promise<PlacesReply | null> {
    return this.exchange([asking], { may_wait: true, wait_ms: TIMINGS.PLACE_POLL_MS, gather_ms: 0 });
  }

  private pollForAll(asking: Asking, now: number): Promise<PlacesReply | null> {
    this.polled_until = now + SHARED_POLL_MS + ANSWER_MS;
    for (const each of this.asking.values()) if (now - each.seen > GONE_MS) this.leave(each);
    const carried = [...this.asking.values()].filter(
      ({ isCarried, seen, grant }) => isCarried && now - seen <= SHARED_POLL_MS && grant === null,
    );
    const terms = { may_wait: true, wait_ms: SHARED_POLL_MS, gather_ms: GATHER_MS };
    return this.exchange([asking, ...carried], terms);
  }

  /** The answer; null where there is none in time. One that comes later is still taken note of. */
  private async exchange(asking: readonly Asking[], terms: Terms): Promise<PlacesReply | null> {
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
      extra: terms.wait_ms === 0 ? this.demand.high(sent) : 0,
      released: this.released.splice(0),
      used: this.used.splice(0),
    };
    const ask = async () => this.object().places(request);
    const answered = ask().then(
      (reply) => {
        this.learn(reply, request, epoch === this.epochNow(), sent);
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

  /** @param isSteady the clock was not set back in between */
  private learn(reply: PlacesReply, request: PlacesRequest, isSteady: boolean, sent: number): void {
    const now = this.now();
    const { leased, rated, reason, queued } = reply;
    this.parts = { leased, rated };
    this.reason = reason;
    this.stamp = Math.max(this.stamp, reply.stamp);
    this.free_until = queued > 0 || !isSteady ? 0 : Math.max(this.free_until, sent + FRESH_MS);
    // Where the queue may be full it is asked.
    this.crowded_until = queued > 0 && queued < LIMITS.AGENT_QUEUE / 2 ? now + FRESH_MS : 0;
    const { stamp } = request;
    const asked = (holder: string) => {
      const asking = this.asking.get(holder);
      return asking?.stamp === stamp ? asking : null;
    };
    const held = (id: number, granted: number, ask: { lease_ms: number; valid_ms: number } | undefined) => ({
      id,
      leased,
      rated,
      granted,
      until: granted + (ask?.lease_ms ?? 0),
      use_by: granted + (ask?.valid_ms ?? 0),
      isAnyones: false,
    });
    for (const { holder, id, after_ms } of reply.granted) {
      const asking = asked(holder);
      const ask = request.asks.find((each) => each.holder === holder);
      // Granted in the future: the clock was set back meanwhile.
      if (asking !== null && isSteady && sent + after_ms <= now) this.grant(asking, held(id, sent + after_ms, ask));
      else this.giveBack(id);
    }
    for (const holder of reply.full) {
      const asking = asked(holder);
      if (asking !== null) asking.isFull = true;
    }
    for (const id of reply.extra) {
      const spare = { ...held(id, sent, request.asks[0]), isAnyones: true };
      spare.use_by = Math.min(spare.use_by, now + FRESH_MS);
      if (!isSteady) this.giveBack(id);
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
      this.giveBack(held.id);
    });
  }

  /** The place that was granted; null where there is none, or it came too late. */
  private claim(asking: Asking): Place | null {
    const now = this.now();
    const held = asking.grant;
    asking.grant = null;
    if (held === null) return null;
    const isShort = held.leased && held.until < now + asking.ask.lease_ms;
    const isLate = held.rated && held.use_by < now;
    if (isShort || isLate) {
      this.valid_ms = Math.min(this.valid_ms * 2, MOST_VALID_MS);
      this.giveBack(held.id);
      return null;
    }
    return this.place(held, held, now);
  }

  private fromSpares({ lease_ms }: PlaceAsk, now: number): Place | null {
    if (now >= this.free_until) return null;
    const found = this.spares.take(this.parts, lease_ms, now);
    return found === null ? null : this.place(found.lease, found.pass, now);
  }

  private place(lease: Held | null, pass: Held | null, now: number): Place {
    if (pass?.rated === true) this.used.push([pass.id, now - pass.granted]);
    let isOver = lease?.leased !== true;
    return {
      release: () => {
        if (isOver || lease === null) return;
        isOver = true;
        const at = this.now();
        if (!lease.isAnyones || this.demand.high(at) === 0 || at >= this.free_until) this.giveBack(lease.id);
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
      if (this.spares.removeLease(held)) this.giveBack(held.id);
    });
  }

  private giveBack(id: number): void {
    this.released.push(id);
    if (this.demand.high(this.now()) === 0) void this.flush();
    else this.clock.after(GATHER_MS, () => void this.flush());
  }

  private async flush(): Promise<void> {
    if (this.released.length > 0) await this.exchange([], { ...AT_ONCE, may_wait: false });
  }

  private enter(ask: PlaceAsk): Asking {
    const asking = { ask, stamp: 0, isCarried: false, seen: this.now(), grant: null, isFull: false };
    this.asking.set(ask.holder, asking);
    return asking;
  }

  private leave(asking: Asking): void {
    const { holder } = asking.ask;
    if (this.asking.get(holder) === asking) this.asking.delete(holder);
    if (asking.grant !== null) this.giveBack(asking.grant.id);
    asking.grant = null;
  }

  private register({ agent: { registration }, limits }: PlaceAsk): void {
    const generation = registration?.generation ?? 0;
    if (generation <= this.registered.generation) return;
    this.registered = { limits, generation };
    // They were granted under other limits.
    for (const { id } of this.spares.empty()) this.giveBack(id);
    this.free_until = 0;
    this.crowded_until = 0;
  }

  /** The time; nothing that was granted before it was set back is used. */
  private now(): number {
    const now = this.clock.now();
    if (now < this.seen) {
      this.epoch += 1;
      this.seen = now;
      this.free_until = 0;
      this.crowded_until = 0;
      this.polled_until = 0;
      for (const { id } of this.spares.empty()) this.released.push(id);
      for (const asking of this.asking.values()) {
        if (asking.grant !== null) this.released.push(asking.grant.id);
        asking.grant = null;
        asking.seen = now;
      }
    }
    this.seen = now;
    return now;
  }

  private epochNow(): number {
    this.now();
    return this.epoch;
  }
}
