// Reports that have come to a shard of the execution index and are not written yet: each is written at once, or with
// those of the next moment where they come so fast that their commits would delay each other.
import type { IndexReport } from "../../adapters/durable/execution-index-client.ts";
import { TIMINGS } from "../../core/timings.ts";

export class ReportBuffer {
  private readonly write: (entries: readonly IndexReport[]) => void;
  private waiting: IndexReport[] = [];
  /** The writing of those that wait. */
  private gathering: { now: () => void; written: Promise<void> } | null = null;
  /** When the last reports came, ms since the epoch. */
  private times: number[] = [];

  /** @param write in one transaction; on failure all waiting reporters get it and retry */
  constructor(write: (entries: readonly IndexReport[]) => void) {
    this.write = write;
  }

  /** Resolves once the report is written. @param isAwaited a question waits for it */
  async add(entry: IndexReport, isAwaited: boolean, now: number): Promise<void> {
    this.waiting.push(entry);
    if (isAwaited) this.gathering?.now();
    else if (this.isBusy(now)) this.gathering ??= this.gather();
    if (this.gathering === null) this.flush();
    else await this.gathering.written;
  }

  /** Whether a report of the conversation waits. */
  has(conversation_id: string): boolean {
    return this.waiting.some((entry) => entry.conversation_id === conversation_id);
  }

  /** Makes reads include every report received. */
  async written(): Promise<void> {
    this.gathering?.now();
    // The reporter gets the failure.
    await this.gathering?.written.catch(() => {});
  }

  private gather(): NonNullable<ReportBuffer["gathering"]> {
    const { promise, resolve: now } = Promise.withResolvers<void>();
    setTimeout(now, TIMINGS.INDEX_BUFFER_MS);
    const written = promise.then(() => {
      this.gathering = null;
      this.flush();
    });
    return { now, written };
  }

  /** Whether reports come so fast that their commits would delay each other. */
  private isBusy(now: number): boolean {
    this.times = [...this.times.slice(1 - TIMINGS.INDEX_BUSY_REPORTS), now];
    const [first = now] = this.times;
    return this.times.length === TIMINGS.INDEX_BUSY_REPORTS && now - first < 1_000;
  }

  private flush(): void {
    const entries = this.waiting;
    this.waiting = [];
    this.write(entries);
  }
}
