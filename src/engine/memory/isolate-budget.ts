// The memory that the runs of one isolate use together, and the limit of each. An isolate that needs more
// than its 128 MB is killed with all that runs in it, other tenants' runs among it: so a run is refused more before.
//
// A part is reserved for small runs, and a part for other tenants: one tenant's large runs take neither. What a large
// run takes is doubled from step to step, so that of many that grow together those that are ahead have room to end,
// and not all of them fail at once with a little each. Objects are evicted without notice; the memory of a dead one
// is reclaimed when it is needed, by its next instance, by the collector that has found it, or after the time for
// which the platform keeps an object that does nothing.
import { LIMITS } from "../../contract/limits.ts";
import type { CoordinatorError } from "../../contract/problem.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Clock, MemoryShare } from "../ports.ts";

/** A run is not brought into memory: there is no room for it. */
export class IsolateFull extends Error {}

/** What a caller is answered then. */
export const NO_ROOM: CoordinatorError = {
  code: "RESOURCE_EXHAUSTED",
  what: "memory",
  retry_after_seconds: TIMINGS.ISOLATE_RETRY_MS / 1_000,
};

interface Holding {
  bytes: number;
  tenant: string;
  /** The object that holds it. */
  holder: WeakRef<object>;
  /** Since when nothing happens in it, ms since the epoch; null while something does. */
  idleSince: number | null;
}

export class IsolateBudget {
  private readonly limit: number;
  private readonly holdings = new Map<string, Holding>();
  private readonly tenants = new Map<string, number>();
  private total = 0;

  constructor(limit_bytes: number = TIMINGS.ISOLATE_BYTES) {
    this.limit = limit_bytes;
  }

  /** The memory of all runs, in bytes. */
  get used(): number {
    return this.total;
  }

  /**
   * The share of one run, empty at first; what an earlier instance reserved passes to it.
   * @param run names it in this isolate @param holder the object that has it in memory
   */
  share(run: string, tenant: string, holder: object, clock: Pick<Clock, "now">): MemoryShare {
    const of = { tenant, holder: new WeakRef(holder) };
    const holdings = this.holdings;
    return {
      get isLarge() {
        return (holdings.get(run)?.bytes ?? 0) > TIMINGS.ISOLATE_SMALL_BYTES;
      },
      take: (bytes, isBrief = false) => {
        if (!this.fits(run, tenant, bytes, isBrief, clock.now())) return false;
        this.put(run, { ...of, bytes: roomFor(bytes), idleSince: null });
        return true;
      },
      keep: (bytes) => this.put(run, { ...of, bytes: roomFor(bytes), idleSince: null }),
      rest: () => this.setIdle(run, clock.now()),
      leave: () => this.setIdle(run, Number.NEGATIVE_INFINITY),
      free: () => this.remove(run),
    };
  }

  private fits(run: string, tenant: string, wanted: number, isBrief: boolean, now: number): boolean {
    const bytes = roomFor(wanted);
    const more = bytes - (this.holdings.get(run)?.bytes ?? 0);
    const isLarge = bytes > TIMINGS.ISOLATE_SMALL_BYTES && !isBrief;
    const most = isLarge ? this.limit * TIMINGS.ISOLATE_SHARE : this.limit;
    const hasRoom = () =>
      this.total + more <= most && (this.tenants.get(tenant) ?? 0) + more <= most * TIMINGS.ISOLATE_SHARE;
    if (more <= 0 || hasRoom()) return true;
    this.prune(now);
    return hasRoom();
  }

  private put(run: string, holding: Holding): void {
    this.remove(run);
    this.holdings.set(run, holding);
    this.count(holding.tenant, holding.bytes);
  }

  private setIdle(run: string, since: number): void {
    const holding = this.holdings.get(run);
    if (holding !== undefined) holding.idleSince = since;
  }

  private remove(run: string): void {
    const holding = this.holdings.get(run);
    if (holding === undefined) return;
    this.holdings.delete(run);
    this.count(holding.tenant, -holding.bytes);
  }

  private count(tenant: string, bytes: number): void {
    this.total += bytes;
    const left = (this.tenants.get(tenant) ?? 0) + bytes;
    if (left === 0) this.tenants.delete(tenant);
    else this.tenants.set(tenant, left);
  }

  private prune(now: number): void {
    for (const [run, { holder, idleSince }] of this.holdings) {
      const gone = idleSince !== null && now - idleSince >= TIMINGS.ISOLATE_REST_MS;
      if (gone || holder.deref() === undefined) this.remove(run);
    }
  }
}

/** What a run takes that holds so much, in bytes: a small one no more, a large one up to twice as much. */
function roomFor(bytes: number): number {
  if (bytes <= TIMINGS.ISOLATE_SMALL_BYTES) return bytes;
  let room: number = TIMINGS.ISOLATE_SMALL_BYTES;
  while (room < bytes) room *= 2;
  return Math.max(bytes, Math.min(room, LIMITS.CONTEXT_MB * 1024 * 1024));
}

/** Of this isolate. */
export const isolateBudget = new IsolateBudget();
