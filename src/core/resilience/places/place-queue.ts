// The calls that wait for a place at an agent: the higher priority first, then conversations in turn, then by arrival.
// A conversation's turn is as old as its last grant, or as its first waiting call: one with a single call waits for no
// more than one of each conversation that came before, and none is overtaken without end.

export interface CallAsk {
  holder: string;
  conversation_id: string;
  priority: number;
  /** How long it may have the place. */
  lease_ms: number;
  /** How long a pass of the rate may be used after its grant. */
  valid_ms: number;
}

export interface Waiting extends CallAsk {
  /** Of the request that asked last, and who made it. */
  stamp: number;
  isolate: string;
  /** The long poll that waits for it; null between two of them. */
  poll: number | null;
  /** Without a poll it is dropped then, ms since the epoch. */
  alive_until: number;
  /** It gives up a lease for the place: it goes before all others. */
  has_lease: boolean;
  arrival: number;
}

export class PlaceQueue {
  private readonly waiting = new Map<string, Waiting>();
  private readonly conversations = new Map<string, { turn: number; calls: number }>();
  private counter = 0;

  get size(): number {
    return this.waiting.size;
  }

  of(holder: string): Waiting | undefined {
    return this.waiting.get(holder);
  }

  add(call: Omit<Waiting, "arrival">): void {
    this.counter += 1;
    this.waiting.set(call.holder, { ...call, arrival: this.counter });
    const conversation = this.conversations.get(call.conversation_id);
    if (conversation === undefined)
      this.conversations.set(call.conversation_id, { turn: this.counter, calls: 1 });
    else conversation.calls += 1;
  }

  remove(holder: string): void {
    const call = this.waiting.get(holder);
    if (call === undefined) return;
    this.waiting.delete(holder);
    const conversation = this.conversations.get(call.conversation_id);
    if (conversation === undefined) return;
    conversation.calls -= 1;
    if (conversation.calls === 0) this.conversations.delete(call.conversation_id);
  }

  /** Takes out the call that has got a place. */
  served({ holder, conversation_id }: CallAsk): void {
    this.counter += 1;
    const conversation = this.conversations.get(conversation_id);
    if (conversation !== undefined) conversation.turn = this.counter;
    this.remove(holder);
  }

  /** The call whose turn it is, of those that a poll waits for. */
  next(): Waiting | null {
    let first: Waiting | null = null;
    for (const call of this.waiting.values()) {
      if (call.poll !== null && (first === null || this.order(call, first) < 0)) first = call;
    }
    return first;
  }

  /** A poll has ended: its calls live on for a while, so that they can ask again. */
  ended(poll: number, alive_until: number): void {
    for (const call of this.waiting.values()) {
      if (call.poll === poll) Object.assign(call, { poll: null, alive_until });
    }
  }

  dropDead(now: number): void {
    for (const { holder, poll, alive_until } of this.waiting.values()) {
      if (poll === null && alive_until <= now) this.remove(holder);
    }
  }

  shift(ms: number): void {
    for (const call of this.waiting.values()) call.alive_until -= ms;
  }

  private order(a: Waiting, b: Waiting): number {
    return (
      Number(b.has_lease) - Number(a.has_lease) ||
      b.priority - a.priority ||
      this.turnOf(a) - this.turnOf(b) ||
      a.arrival - b.arrival
    );
  }

  private turnOf({ conversation_id }: CallAsk): number {
    return this.conversations.get(conversation_id)?.turn ?? 0;
  }
}
