// The calls that an agent has at once: each has a lease, which ends by itself where its holder has crashed. A lease is
// given back by its number, never by its holder: what an earlier call of the same holder gives back late is not the
// later one's. Times are ms since the epoch.

export interface Lease {
  id: number;
  /** Empty where it was given to an isolate for any of its calls. */
  holder: string;
  granted: number;
  until: number;
  /** Of the request that it was granted to, and who made it. */
  stamp: number;
  isolate: string;
}

/** As in a row. */
export type StoredLease = readonly [
  id: number,
  holder: string,
  granted: number,
  until: number,
  stamp: number,
  isolate: string,
];

export class Leases {
  private readonly leases = new Map<number, Lease>();
  private readonly holders = new Map<string, Lease>();

  add(lease: Lease): void {
    this.leases.set(lease.id, lease);
    if (lease.holder !== "") this.holders.set(lease.holder, lease);
  }

  of(holder: string): Lease | undefined {
    return this.holders.get(holder);
  }

  /** @returns until when it would have been in use; 0 where there is none */
  release(id: number): number {
    const lease = this.leases.get(id);
    if (lease === undefined) return 0;
    this.leases.delete(id);
    if (this.holders.get(lease.holder) === lease) this.holders.delete(lease.holder);
    return lease.until;
  }

  /** The lease stays until it ends or is given back by its number; its holder gets another one when it asks again. */
  detach(holder: string): void {
    this.holders.delete(holder);
  }

  /** Leases that have not ended. */
  inUse(now: number): number {
    for (const { id, until } of this.leases.values()) if (until <= now) this.release(id);
    return this.leases.size;
  }

  /** The first moment at which one ends. */
  nextAt(): number | null {
    let first = Number.POSITIVE_INFINITY;
    for (const { until } of this.leases.values()) first = Math.min(first, until);
    return Number.isFinite(first) ? first : null;
  }

  shift(ms: number): void {
    for (const lease of this.leases.values()) {
      lease.granted -= ms;
      lease.until -= ms;
    }
  }

  stored(): StoredLease[] {
    return [...this.leases.values()].map(({ id, holder, granted, until, stamp, isolate }) => [
      id,
      this.holders.get(holder)?.id === id ? holder : "",
      granted,
      until,
      stamp,
      isolate,
    ]);
  }

  restore(stored: readonly StoredLease[]): void {
    for (const [id, holder, granted, until, stamp, isolate] of stored) {
      this.add({ id, holder, granted, until, stamp, isolate });
    }
  }
}
