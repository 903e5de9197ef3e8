// The calls of an agent that count towards its rate. A pass counts from its grant until a whole period after the last
// moment at which it may be used: so any period holds at most the limit of uses, however late in its time each pass is
// used. Times are ms since the epoch.

interface Counted {
  calls: number;
  granted: number;
  /** The last moment at which it may be used. */
  use_by: number;
}

/** Resolution of the stored window, in parts of a period: a stored pass counts up to one part longer. */
const PARTS = 128;

export class RateWindow {
  /** By the pass; what was stored has negative numbers. */
  private readonly counted = new Map<number, Counted>();
  private sum = 0;
  /** Nothing leaves the window before. */
  private next = 0;

  /** Passes that are left. */
  free(calls: number, period_ms: number, now: number): number {
    if (now >= this.next) this.leave(period_ms, now);
    return Math.max(0, calls - this.sum);
  }

  add(pass: number, calls: number, granted: number, use_by: number): void {
    this.counted.set(pass, { calls, granted, use_by });
    this.sum += calls;
    this.next = 0;
  }

  /** A pass was used, so many ms after its grant at most. */
  used(pass: number, ms: number): void {
    const counted = this.counted.get(pass);
    if (counted === undefined) return;
    counted.use_by = Math.min(counted.use_by, counted.granted + Math.max(0, ms));
    this.next = 0;
  }

  /** When the window has room for `wanted` calls; null where nothing that it counts gives so much. */
  freeAt(calls: number, period_ms: number, wanted: number): number | null {
    let left = wanted - (calls - this.sum);
    if (left <= 0) return 0;
    const ends = [...this.counted.values()].toSorted((a, b) => a.use_by - b.use_by);
    for (const { calls: given, use_by } of ends) {
      left -= given;
      if (left <= 0) return use_by + period_ms;
    }
    return null;
  }

  /** The first moment at which something leaves the window. */
  nextAt(period_ms: number): number | null {
    let first = Number.POSITIVE_INFINITY;
    for (const { use_by } of this.counted.values()) first = Math.min(first, use_by);
    return Number.isFinite(first) ? first + period_ms : null;
  }

  shift(ms: number): void {
    for (const counted of this.counted.values()) {
      counted.granted -= ms;
      counted.use_by -= ms;
    }
    this.next = 0;
  }

  clear(): void {
    this.counted.clear();
    this.sum = 0;
  }

  /** Pairs of a time and the calls that may be used until then. */
  stored(period_ms: number): number[] {
    const part = Math.max(1, Math.ceil(period_ms / PARTS));
    const sums = new Map<number, number>();
    for (const { calls, use_by } of this.counted.values()) {
      const until = Math.ceil(use_by / part) * part;
      sums.set(until, (sums.get(until) ?? 0) + calls);
    }
    return [...sums].flat();
  }

  restore(pairs: readonly number[]): void {
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const use_by = pairs[at] as number;
      this.add(-1 - at, pairs[at + 1] as number, use_by, use_by);
    }
  }

  private leave(period_ms: number, now: number): void {
    let next = Number.POSITIVE_INFINITY;
    for (const [pass, { calls, use_by }] of this.counted) {
      const ends = use_by + period_ms;
      if (ends > now) {
        next = Math.min(next, ends);
        continue;
      }
      this.counted.delete(pass);
      this.sum -= calls;
    }
    this.next = next;
  }
}
