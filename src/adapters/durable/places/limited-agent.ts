// How the calls of one isolate come to places at one agent. With few calls each asks, and polls, for itself. With many
// one request is made at a time, and asks for all that are there. Every request is made and awaited by one of the calls:
// a promise that belongs to the context of one object may not be awaited in another's, nor resolved there. So the
// others read plain data, which each polls with a timer of its own. Where the agent's object does not answer, calls wait.
import { TIMINGS } from "../../../core/timings.ts";
import type { Clock, Place, PlaceAnswer, PlaceAsk } from "../../../engine/ports.ts";
import { withTimeLimit } from "../../../engine/time-limit.ts";
import type { AgentPlacesRpc, PlacesReply } from "../../../engine/agent-protocol.ts";
import { ANSWER_MS, type Asking, PlacesInHand } from "./places-in-hand.ts";

/** With more waiting calls than this one of them polls for all. */
const OWN_POLLS = 4;
const SHARED_POLL_MS = 1_000;
/** A call that has not polled for so long has gone with its object. */
const GONE_MS = 30_000;
/** First interval at which a call reads the data that another's request leaves; each further one is a quarter longer. */
const TICK_MS = 8;
const MOST_TICK_MS = 30;
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 2_000;

export class LimitedAgent {
  private readonly object: () => AgentPlacesRpc;
  private readonly clock: Clock;
  private readonly hand: PlacesInHand;
  /** One call asks for all until then. */
  private asked_until = 0;
  /** One call polls for all until then. */
  private polled_until = 0;
  private poller: Asking | null = null;
  private polled_at = 0;

  constructor(object: () => AgentPlacesRpc, clock: Clock) {
    this.object = object;
    this.clock = clock;
    this.hand = new PlacesInHand(object, clock, () => {
      this.asked_until = 0;
      this.polled_until = 0;
      this.polled_at = 0;
    });
  }

  take(ask: PlaceAsk): PlaceAnswer | Promise<PlaceAnswer> {
    const { hand } = this;
    const now = hand.now();
    hand.register(ask);
    hand.demand.add(now);
    const place = hand.spare(ask, now);
    if (place !== null) return { kind: "place", place };
    if (ask.may_wait && now < hand.crowded_until) return { kind: "queued", reason: hand.reason, until: null };
    return this.ask(ask);
  }

  async turn(ask: PlaceAsk, signal: AbortSignal): Promise<Place | null> {
    const { hand } = this;
    hand.register(ask);
    const asking = hand.enter("turn", ask);
    const aborted = new Promise<null>((resolve) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
    });
    let failures = 0;
    let tick_ms = TICK_MS;
    try {
      // Where the same call asks again, this one is that of an earlier life of its object.
      while (!signal.aborted && asking.refused?.kind !== "full" && hand.isLatest(asking)) {
        const place = hand.claim(asking);
        if (place !== null) return place;
        const now = hand.now();
        const isShared = hand.asking.size > OWN_POLLS;
        asking.seen = now;
        asking.isCarried = false;
        if (isShared && now < this.nextPollAt(asking, now)) {
          await this.carriedFor(asking, tick_ms, aborted);
          tick_ms = Math.min(tick_ms * 1.25, MOST_TICK_MS);
          continue;
        }
        const polled = isShared ? this.pollForAll(asking, now) : this.poll(asking);
        const reply = await Promise.race([polled, aborted]);
        failures = reply === null ? failures + 1 : 0;
        const backoff_ms = failures === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** failures, MOST_BACKOFF_MS);
        if (this.poller === asking) this.polled_until = signal.aborted ? 0 : hand.now() + backoff_ms;
        if (backoff_ms > 0) await withTimeLimit(this.clock, backoff_ms, aborted, () => null);
      }
      return null;
    } finally {
      hand.leave(asking);
      if (signal.aborted) this.leaveQueue(ask.holder);
    }
  }

  /** Where this is lost, the position is lost soon after its last poll. */
  private leaveQueue(holder: string): void {
    const leave = async () => this.object().leave(holder);
    void leave().catch(() => {});
  }

  private async ask(ask: PlaceAsk): Promise<PlaceAnswer> {
    const { hand } = this;
    const asking = hand.enter("take", ask);
    const never = new Promise<null>(() => {});
    try {
      while (asking.refused === null) {
        const now = hand.now();
        const place = hand.claim(asking) ?? hand.spare(ask, now);
        if (place !== null) return { kind: "place", place };
        if (ask.may_wait && now < this.asked_until) await this.carriedFor(asking, TICK_MS, never);
        // A place that came too late is asked for again in its turn.
        else if ((await this.askForAll(asking, now)) === null || asking.grant === null) break;
      }
    } finally {
      hand.leave(asking);
    }
    const { reason } = hand;
    if (!ask.may_wait || asking.refused?.kind === "full") return { kind: "full", reason };
    return { kind: "queued", reason, until: asking.refused?.until ?? null };
  }

  /** At high demand one request is made at a time, and those that come meanwhile go with the next one. */
  private async askForAll(asking: Asking, now: number): Promise<PlacesReply | null> {
    const extra = this.hand.demand.high(now);
    const { may_wait } = asking.ask;
    const isShared = extra > 0 && may_wait;
    asking.isCarried = false;
    const asks = isShared ? [asking, ...this.carried("take", now)] : [asking];
    if (isShared) this.asked_until = now + ANSWER_MS;
    const reply = await this.hand.exchange(asks, { may_wait, wait_ms: 0, gather_ms: 0, extra });
    if (reply === null) for (const each of asks) each.refused ??= { kind: "queued", until: null };
    if (isShared) this.asked_until = 0;
    return reply;
  }

  private poll(asking: Asking): Promise<PlacesReply | null> {
    const terms = { may_wait: true, wait_ms: TIMINGS.PLACE_POLL_MS, gather_ms: 0, extra: 0 };
    return this.hand.exchange([asking], terms);
  }

  private pollForAll(asking: Asking, now: number): Promise<PlacesReply | null> {
    const { hand } = this;
    // What another one polls for is this one's from now on, and that poll ends.
    if (this.poller !== null && this.poller !== asking) this.poller.isCarried = true;
    this.poller = asking;
    this.polled_at = now;
    this.polled_until = now + SHARED_POLL_MS + ANSWER_MS;
    for (const each of hand.asking.values()) if (now - each.seen > GONE_MS) hand.leave(each);
    const terms = { may_wait: true, wait_ms: SHARED_POLL_MS, gather_ms: hand.gatherMs(now), extra: 0 };
    return hand.exchange([asking, ...this.carried("turn", now)], terms);
  }

  /** When a call is to poll for all: at once where the object does not know of it, whose order would be without it. */
  private nextPollAt({ stamp }: Asking, now: number): number {
    return stamp === 0 ? this.polled_at + this.hand.announceMs(now) : this.polled_until;
  }

  /** The calls for which another one asks. */
  private carried(by: Asking["by"], now: number): Asking[] {
    return [...this.hand.asking.values()].filter(
      (each) => each.by === by && each.isCarried && each.grant === null && now - each.seen <= SHARED_POLL_MS,
    );
  }

  /** For so long another call may ask for this one. */
  private async carriedFor(asking: Asking, ms: number, aborted: Promise<null>): Promise<void> {
    asking.isCarried = true;
    asking.seen = this.hand.now();
    await withTimeLimit(this.clock, ms, aborted, () => null);
  }
}
