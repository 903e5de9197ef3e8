// The writing side of a run's log: events wait here until their commit, alone or grouped, and are passed to readers
// once the disk has them. Owns what is not written yet, and the last events, for readers that keep up.
//
// A sync is requested only where needed: calls and responses that leave the object are held back by the platform
// until all that was written before it is durable, and only a stream's chunks are not.
import type { Command } from "../../core/execution/command.ts";
import type { Decision } from "../../core/execution/decide.ts";
import type { LogEvent } from "../../core/execution/log-event.ts";
import { isTerminal } from "../../core/execution/state.ts";
import type { Clock, Log } from "../ports.ts";

/** Enough for readers that keep up; slower readers read the log. */
const RECENT_EVENTS = 64;

export interface Commits {
  /** A record is on its way to the disk. */
  written(): void;
  /** More is known to be durable than before, and so may be seen. */
  durable(): void;
  /** A record was refused: what waits is lost, and the log ends before it. */
  failed(cause: unknown): void;
  /** A caller must know when the write is durable. */
  isFollowed(): boolean;
}

export class GroupCommit {
  private readonly log: Log;
  private readonly clock: Clock;
  private readonly commits: Commits;
  private unwritten: LogEvent[] = [];
  private recent: LogEvent[] = [];
  private durable: number;
  private written: number;
  private stop: (() => void) | null = null;
  /** When what waits is written, ms since the epoch. */
  private due = 0;

  /** @param seq the last one that the log holds */
  constructor(log: Log, clock: Clock, seq: number, commits: Commits) {
    this.log = log;
    this.clock = clock;
    this.durable = seq;
    this.written = seq;
    this.commits = commits;
  }

  /** The last `seq` that is known to be durable. */
  get durableSeq(): number {
    return this.durable;
  }

  /** True while there is something that is not written yet. */
  get isWaiting(): boolean {
    return this.unwritten.length > 0;
  }

  add(events: readonly LogEvent[]): void {
    this.unwritten.push(...events);
  }

  /** What waits is written in so many ms, if not before. */
  writeWithin(ms: number): void {
    if (this.unwritten.length === 0) return;
    const due = this.clock.now() + ms;
    if (this.stop !== null && this.due <= due) return;
    this.stop?.();
    this.due = due;
    this.stop = this.clock.after(ms, () => this.write());
  }

  write(): void {
    this.stop?.();
    this.stop = null;
    if (this.unwritten.length === 0) return;
    const events = this.unwritten;
    this.unwritten = [];
    try {
      this.log.append(events);
    } catch (cause) {
      this.commits.failed(cause);
      return;
    }
    this.recent.push(...events);
    if (this.recent.length > RECENT_EVENTS) this.recent = this.recent.slice(-RECENT_EVENTS);
    this.written = events.at(-1)?.seq ?? this.written;
    if (this.commits.isFollowed()) void this.confirm();
    this.commits.written();
  }

  /** Drops unwritten events. */
  discard(): void {
    this.stop?.();
    this.stop = null;
    this.unwritten = [];
  }

  /** Resolves once everything written so far is known to be durable. */
  async confirm(): Promise<void> {
    const seq = this.written;
    if (seq <= this.durable) return;
    await this.log.synced();
    if (seq <= this.durable) return;
    this.durable = seq;
    this.commits.durable();
  }

  /** The durable events after `seq`. */
  *eventsAfter(seq: number): Generator<LogEvent> {
    const first = this.recent[0]?.seq ?? Number.POSITIVE_INFINITY;
    const source = seq + 1 >= first ? this.recent : this.log.read(seq);
    for (const event of source) {
      if (event.seq > this.durable) return;
      if (event.seq > seq) yield event;
    }
  }
}

/** Whether a batch waits for no company: what a caller is answered, what calls must find on disk, and the last one. */
export function isWrittenAtOnce({ type }: Command, { events, state }: Decision): boolean {
  if (URGENT.has(type) || events.some(isBarrier)) return true;
  return state !== null && isTerminal(state.status);
}

const URGENT: ReadonlySet<Command["type"]> = new Set([
  "start",
  "admit",
  "recover",
  "pause",
  "resume",
  "cancel",
  "signal",
  "callback",
  "heartbeat",
]);

/**
 * I5: a try's failure is written before the next try begins, or a crash could repeat both. I4: so is the 202 of an agent
 * that answers later, or a crash would call it again.
 */
function isBarrier(event: LogEvent): boolean {
  return event.type === "stage.retrying" || event.type === "stage.waiting";
}
