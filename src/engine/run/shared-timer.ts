// A clock whose timers share one of the platform's. A run has a handful of them pending (its deadline, each try's
// timeout, a grouped commit), nearly all of which are cancelled, and setting one of the platform's costs more
// than a batch: so only a time that is earlier than all others sets it again.
import type { Clock } from "../ports.ts";

interface Timer {
  /** Ms since the epoch. */
  at: number;
  task: () => void;
}

export class SharedTimer implements Clock {
  private readonly clock: Clock;
  /** In the order in which they were set. */
  private readonly waiting = new Set<Timer>();
  private stop: () => void = () => {};
  /** What the platform's timer is set to, ms since the epoch; it may have outlived the task that wanted it. */
  private setTo = Number.POSITIVE_INFINITY;
  /** The clock when it was last read. */
  private seen = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  now(): number {
    return this.clock.now();
  }

  after(ms: number, task: () => void): () => void {
    // The platform counts whole milliseconds: a part of one would come too early, again and again.
    const timer = { at: this.read() + Math.ceil(ms), task };
    this.waiting.add(timer);
    if (timer.at < this.setTo) this.set(timer.at);
    return () => {
      // A timer with nothing to wait for would keep the object in memory.
      if (this.waiting.delete(timer) && this.waiting.size === 0) this.rest();
    };
  }

  /** The time. Where the clock was set back, what waits for a time goes back with it: no wait gets longer by it. */
  private read(): number {
    const now = this.clock.now();
    this.advanceTo(this.seen - now);
    this.seen = now;
    return now;
  }

  /** Brings all that waits so much nearer. */
  private advanceTo(ms: number): void {
    if (ms <= 0) return;
    this.setTo -= ms;
    for (const timer of this.waiting) timer.at -= ms;
  }

  private set(at: number): void {
    this.stop();
    this.setTo = at;
    this.stop = this.clock.after(Math.max(0, at - this.seen), () => this.fire());
  }

  private rest(): void {
    this.stop();
    this.stop = () => {};
    this.setTo = Number.POSITIVE_INFINITY;
  }

  private fire(): void {
    const now = this.read();
    // The platform's timer has fired, even if the clock reads earlier.
    this.advanceTo(this.setTo - now);
    this.setTo = Number.POSITIVE_INFINITY;
    const due = [...this.waiting].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at);
    try {
      for (const timer of due) if (this.waiting.delete(timer)) timer.task();
    } finally {
      let next = Number.POSITIVE_INFINITY;
      for (const { at } of this.waiting) next = Math.min(next, at);
      if (next < this.setTo) this.set(next);
    }
  }
}
