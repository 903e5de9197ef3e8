// When readers are notified of new text: of a single one at once, of texts that follow closely on each other together.
// The interval grows with the number of readers, each of which costs a flush.
import { TIMINGS } from "../../core/timings.ts";
import type { Ports } from "../ports.ts";

export class TextPacing {
  private readonly clock: Ports["clock"];
  private readonly readers: () => number;
  private readonly notify: () => void;
  /** A timer will notify them. */
  private isDue = false;
  /** When they were last notified, ms since the epoch. */
  private notifiedAt = 0;

  /** @param readers how many there are at the time */
  constructor(clock: Ports["clock"], readers: () => number, notify: () => void) {
    this.clock = clock;
    this.readers = readers;
    this.notify = notify;
  }

  /** There is new text. */
  arrived(): void {
    if (this.isDue) return;
    const gap_ms = Math.max(TIMINGS.TEXT_GAP_LEAST_MS, this.readers() * TIMINGS.TEXT_GAP_MS);
    const since_ms = this.clock.now() - this.notifiedAt;
    if (since_ms >= gap_ms) return this.flush();
    this.isDue = true;
    // A clock that was set back must not keep a text waiting.
    this.clock.after(Math.min(gap_ms, gap_ms - since_ms), () => this.flush());
  }

  private flush(): void {
    this.isDue = false;
    this.notifiedAt = this.clock.now();
    this.notify();
  }
}
