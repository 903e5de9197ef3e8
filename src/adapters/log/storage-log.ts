// The log in a Durable Object's own storage: the synchronous key-value API over SQLite, append only. A read or a
// write that storage refuses throws, which is a crash: a new instance of the object reads what was committed.
import type { LogEvent } from "../../core/execution/log-event.ts";
import { type Log, LogCorrupted } from "../../engine/ports.ts";
import { decodeRecords, decodeStored, encodeRecord, RECORD_PREFIX, recordKeyFrom } from "./record.ts";
import { sqliteFault } from "./sqlite-fault.ts";

/** The part of DurableObjectStorage that a log needs. */
export interface LogStorage {
  kv: {
    put(key: string, value: Uint8Array): void;
    list(options: { prefix: string; start?: string; end?: string }): Iterable<[string, unknown]>;
  };
  sync(): Promise<void>;
  transactionSync<T>(closure: () => T): T;
}

export class StorageLog implements Log {
  private readonly storage: LogStorage;
  /** The first `seq` of each record written or read here, ascending: where a read after a cursor may begin. */
  private readonly firstSeqs: number[] = [];

  constructor(storage: LogStorage) {
    this.storage = storage;
  }

  append(events: readonly LogEvent[]): void {
    const chunks = encodeRecord(events);
    const put = () => {
      for (const { key, bytes } of chunks) this.storage.kv.put(key, bytes);
    };
    // A throw does not undo earlier writes of the same turn of the event loop: half a record must not stay.
    if (chunks.length === 1) put();
    else this.storage.transactionSync(put);
    this.note(events[0]?.seq);
  }

  synced(): Promise<void> {
    return this.storage.sync();
  }

  *read(after: number): Generator<LogEvent> {
    const start = this.firstSeqs.findLast((first) => first <= after + 1) ?? 1;
    try {
      const records = this.storage.kv.list({ prefix: RECORD_PREFIX, start: recordKeyFrom(start) });
      const reading = {
        onRecord: (first: number) => this.note(first),
        earlier: (seq: number) => this.eventBefore(start, seq),
      };
      for (const event of decodeRecords(records, start, reading)) {
        if (event.seq > after) yield event;
      }
    } catch (cause) {
      // A page that SQLite cannot read is a record that cannot be read: no later try will find it whole.
      throw sqliteFault(cause) === "corrupt"
        ? new LogCorrupted("SQLite cannot read its database file")
        : cause;
    }
  }

  /** An event of a record before the one that begins with `start`. */
  private eventBefore(start: number, seq: number): LogEvent | undefined {
    const first = this.firstSeqs.findLast((known) => known <= seq) ?? 1;
    const [prefix, from, end] = [RECORD_PREFIX, recordKeyFrom(first), recordKeyFrom(start)];
    for (const event of decodeStored(this.storage.kv.list({ prefix, start: from, end }), first)) {
      if (event.seq === seq) return event;
    }
    return undefined;
  }

  /** Without this a reader that takes a long log in pages would decode it from its beginning for each page. */
  private note(first: number | undefined): void {
    if (first !== undefined && first > (this.firstSeqs.at(-1) ?? 0)) this.firstSeqs.push(first);
  }
}
