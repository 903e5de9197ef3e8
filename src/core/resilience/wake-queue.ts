// The order and rate in which the runs of one isolate resume when their alarms fire together, as they all do when an
// outage ends: a few at once, further ones one after another. Time comes in from outside; what is kept is a few numbers,
// and the turns that alarms were set to. A turn that is far away is not waited for in memory: the run's alarm is set to
// it, and an alarm that comes at a time that was given has its turn.
import { TIMINGS } from "../timings.ts";

export interface Turn {
  /** When it comes, ms since the epoch. */
  at: number;
  /** How often the run has been sent to the end of the queue. */
  rounds: number;
}

export class WakeQueue {
  /** When the bucket of turns will be full again, ms since the epoch. */
  private fullAt = 0;
  /** When a run was last taken up in spite of a late machine, ms since the epoch. */
  private lateAt = 0;
  /** The rounds of runs whose alarm was set to their turn, by that time: ascending, and no two have the same. */
  private readonly given = new Map<number, number>();

  /** True where a run that comes now has its turn at once. */
  isOpen(now: number): boolean {
    return this.fullAt - TIMINGS.WAKING_AT_ONCE * TIMINGS.WAKING_GAP_MS <= now;
  }

  /** Takes the next turn that is free. */
  next(now: number, rounds = 0): Turn {
    const at = Math.max(now, this.fullAt - TIMINGS.WAKING_AT_ONCE * TIMINGS.WAKING_GAP_MS);
    this.fullAt = Math.max(now, this.fullAt) + TIMINGS.WAKING_GAP_MS;
    return { at, rounds };
  }

  /** An alarm is set to this turn: it is claimed when that comes. */
  give({ at, rounds }: Turn, now: number): void {
    // A run that a request took up before its turn never claims it.
    for (const past of this.given.keys()) {
      if (past >= now - TIMINGS.WAKING_CLAIM_MS) break;
      this.given.delete(past);
    }
    this.given.set(at, rounds);
  }

  /** The turn that was given to an alarm of this time, once; null where none was. */
  claim(scheduled: number): Turn | null {
    const rounds = this.given.get(scheduled);
    if (rounds === undefined) return null;
    this.given.delete(scheduled);
    return { at: scheduled, rounds };
  }

  /**
   * How long a run stays in memory before its alarm is set to its turn, ms; null where it waits for the turn itself.
   * Alarms are set one here and one there: all at once would keep the disk from everybody else.
   */
  stay({ at }: Turn, now: number): number | null {
    if (at - now <= TIMINGS.WAKING_HOLD_MS) return null;
    const place = Math.round(at / TIMINGS.WAKING_GAP_MS);
    return Math.floor(((place * GOLDEN) % 1) * TIMINGS.WAKING_HOLD_MS);
  }

  /**
   * False where the run must take a new turn. One that is taken late shows a machine with more to do than it can: what
   * is running goes first; but not for ever, and then one run at a time.
   */
  admits({ at, rounds }: Turn, now: number): boolean {
    if (now - at < TIMINGS.WAKING_LATE_MS) return true;
    if (rounds < TIMINGS.WAKING_ROUNDS || Math.abs(now - this.lateAt) < TIMINGS.WAKING_GAP_MS) return false;
    this.lateAt = now;
    return true;
  }
}

/** Multiples of it, cut to their fraction, are spread evenly, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
