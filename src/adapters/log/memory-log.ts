// The log without storage (`context_storage_backend: memory`): as long as the object lives and no longer.
import type { LogEvent } from "../../core/execution/log-event.ts";
import type { Log } from "../../engine/ports.ts";

export class MemoryLog implements Log {
  private readonly events: LogEvent[] = [];

  append(events: readonly LogEvent[]): void {
    this.events.push(...events);
  }

  synced(): Promise<void> {
    return Promise.resolve();
  }

  *read(after: number): Generator<LogEvent> {
    // `seq` is 1..n without a gap (I6), so an event's place is its number.
    for (let at = after; at < this.events.length; at += 1) yield this.events[at] as LogEvent;
  }
}
