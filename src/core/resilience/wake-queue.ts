// The order and rate in which the runs of one isolate resume when their alarms fire together, as they all do when an
// outage ends: a few at once, further ones one after another. Time comes in from outside; what is kept is a few numbers,
// and the slots that alarms were set to. A run does not wait in memory for a distant slot: its alarm is set to it, and
// an alarm that fires at such a time claims the slot.
import { TIMINGS } from "../timings.ts";

export interface Slot {
  /** When it comes, ms since the epoch. */
  at: number;
  /** How often the run has been sent to the end of the queue. */
  rounds: number;
}

export class WakeQueue {
  /** When the bucket of slots will be full again, ms since the epoch. */
  private fullAt = 0;
  /** When a run last resumed although the machine was late, ms since the epoch. */
  private lateAt = 0;
  /** The rounds of runs whose alarm was set to their slot, by that time: ascending, and no two have the same. */
  private readonly given = new Map<number, number>();

  /** True if a run that comes now gets a slot at once. */
  isOpen(now: number): boolean {
    return this.fullAt - TIMINGS.WAKING_AT_ONCE * TIMINGS.WAKING_GAP_MS <= now;
  }

  /** Takes the next free slot. */
  next(now: number, rounds = 0): Slot {
    const at = Math.max(now, this.fullAt - TIMINGS.WAKING_AT_ONCE * TIMINGS.WAKING_GAP_MS);
    this.fullAt = Math.max(now, this.fullAt) + TIMINGS.WAKING_GAP_MS;
    return { at, rounds };
  }

  /** An alarm is set to this slot, and claims it when it fires. */
  give({ at, rounds }: Slot, now: number): void {
    // A run that a request resumed before its slot never claims it.
    for (const past of this.given.keys()) {
      if (past >= now - TIMINGS.WAKING_CLAIM_MS) break;
      this.given.delete(past);
    }
    this.given.set(at, rounds);
  }

  /** The slot that was given to an alarm of this time, once; null if there was none. */
  claim(scheduled: number): Slot | null {
    const rounds = this.given.get(scheduled);
    if (rounds === undefined) return null;
    this.given.delete(scheduled);
    return { at: scheduled, rounds };
  }

  /**
   * How long a run stays in memory before its alarm is set to its slot, ms; null if it waits for the slot in memory.
   * The alarms are spread over time: set all at once, they would block the disk for other objects.
   */
  stay({ at }: Slot, now: number): number | null {
    if (at - now <= TIMINGS.WAKING_HOLD_MS) return null;
    const place = Math.round(at / TIMINGS.WAKING_GAP_MS);
    return Math.floor(((place * GOLDEN) % 1) * TIMINGS.WAKING_HOLD_MS);
  }

  /**
   * False if the run must take a new slot. A run that comes late shows that the machine is overloaded: running work
   * goes first, for a bounded number of rounds, and then one run at a time.
   */
  admits({ at, rounds }: Slot, now: number): boolean {
    if (now - at < TIMINGS.WAKING_LATE_MS) return true;
    if (rounds < TIMINGS.WAKING_ROUNDS || Math.abs(now - this.lateAt) < TIMINGS.WAKING_GAP_MS) return false;
    this.lateAt = now;
    return true;
  }
}

/** Multiples of it, cut to their fraction, are spread evenly, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
