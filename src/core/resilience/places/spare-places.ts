// What an isolate has in hand of an agent's places: leases and passes that any of its calls may use, and how many calls
// it makes. By the isolate's clock, ms since the epoch; what is here was granted no earlier than the isolate assumes.

/** A place, or a part of one, as an isolate has it. */
export interface Held {
  id: number;
  leased: boolean;
  rated: boolean;
  /** No earlier than this it was granted. */
  granted: number;
  /** When its lease ends. */
  until: number;
  /** The last moment at which its pass may be used. */
  use_by: number;
  /** It was granted to the isolate, not to one call. */
  isAnyones: boolean;
}

export class SparePlaces {
  private leases: Held[] = [];
  private passes: Held[] = [];

  add(held: Held): void {
    if (held.leased) this.leases.push(held);
    if (held.rated) this.passes.push(held);
  }

  addLease(held: Held): void {
    this.leases.push(held);
  }

  /** A lease and a pass, as far as a place needs them, for a call of so many ms; null where one is missing. */
  take(
    { leased, rated }: Pick<Held, "leased" | "rated">,
    lease_ms: number,
    now: number,
  ): { lease: Held | null; pass: Held | null } | null {
    const lease = leased ? this.leases.find(({ until }) => until >= now + lease_ms) : null;
    this.passes = this.passes.filter(({ use_by }) => use_by >= now);
    const pass = rated ? this.passes[0] : null;
    if (lease === undefined || pass === undefined) return null;
    if (lease !== null) this.removeLease(lease);
    if (pass !== null) this.passes.shift();
    return { lease, pass };
  }

  /** Takes a lease out; false where it is in use, or was taken out. */
  removeLease(held: Held): boolean {
    const at = this.leases.indexOf(held);
    if (at !== -1) this.leases.splice(at, 1);
    return at !== -1;
  }

  /** Takes everything out; the leases are to be given back. */
  empty(): Held[] {
    const { leases } = this;
    this.leases = [];
    this.passes = [];
    return leases;
  }
}

const PERIOD_MS = 100;
/** Calls in a period from which places are taken in bulk: twenty a second. */
const HIGH = 2;

/** Calls of the last tenth of a second. */
export class Demand {
  private began = 0;
  private count = 0;
  private before = 0;

  add(now: number): void {
    this.advance(now);
    this.count += 1;
  }

  /** Calls in a period, as far as they make a high demand; else 0. */
  high(now: number): number {
    this.advance(now);
    const calls = Math.max(this.before, this.count);
    return calls >= HIGH ? calls : 0;
  }

  private advance(now: number): void {
    const periods = Math.floor((now - this.began) / PERIOD_MS);
    if (periods === 0) return;
    this.before = periods === 1 ? this.count : 0;
    this.count = 0;
    this.began = periods === 1 ? this.began + PERIOD_MS : now;
  }
}
