// The Worker's buffer for one reader: at most `buffer_events` events, or READER_BUFFER_BYTES and the event that
// passes them. A reader that stalls for longer than `stall_ms` with that full is closed; an idle one is sent a
// comment line periodically, which detects disconnects.
import { TIMINGS } from "../../core/timings.ts";
import type { StreamTerms } from "../../engine/object-protocol.ts";
import type { Clock } from "../../engine/ports.ts";
import { concatBytes } from "../../core/bytes.ts";
import type { WholeEvents } from "./event-splitter.ts";

const encoder = new TextEncoder();
// No blank line after either: a well-known client (fetch-event-source) takes each for the end of a message, and hands
// its caller an empty one.
const PREAMBLE = encoder.encode(`retry: ${TIMINGS.RECONNECT_MS}\n`);
const BEAT = encoder.encode(": \n");

export class ReaderBuffer {
  private readonly terms: StreamTerms;
  private readonly clock: Clock;
  private readonly onGone: () => void;
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  private pieces: Uint8Array[] = [PREAMBLE];
  private events = 0;
  private bytes = 0;
  private closed = false;
  /** Set while the reader waits for bytes. */
  private resolvePull: (() => void) | null = null;
  /** Set while the writer waits for room. */
  private room: (() => void) | null = null;
  private lastSent: number;
  private stopBeat: () => void;
  private stopStall: (() => void) | null = null;

  /**
   * @param onGone called once, when the stream is no longer read: the reader has disconnected, or stalled for too
   * long
   */
  constructor(terms: StreamTerms, clock: Clock, onGone: () => void) {
    this.terms = terms;
    this.clock = clock;
    this.onGone = onGone;
    this.lastSent = clock.now();
    this.stopBeat = clock.after(terms.heartbeat_ms, () => this.beat());
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** The reader's stream. Call once. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: async () => {
          this.stopStall?.();
          this.stopStall = null;
          const delivered = Promise.withResolvers<void>();
          this.resolvePull = delivered.resolve;
          this.deliver();
          await delivered.promise;
        },
        cancel: () => {
          this.end();
          this.onGone();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Takes events for the reader; resolves when there is room for more, or after the end. */
  async put({ pieces, events }: WholeEvents): Promise<void> {
    if (this.closed || events === 0) return;
    for (const piece of pieces) {
      this.pieces.push(piece);
      this.bytes += piece.byteLength;
    }
    this.events += events;
    this.deliver();
    if (this.events < this.terms.buffer_events && this.bytes < TIMINGS.READER_BUFFER_BYTES) return;
    if (this.terms.stall_ms === 0) {
      this.onStall();
      return;
    }
    this.stopStall = this.clock.after(this.terms.stall_ms, () => this.onStall());
    const room = Promise.withResolvers<void>();
    this.room = room.resolve;
    await room.promise;
  }

  /** Closes after the buffered bytes. */
  finish(): void {
    this.closed = true;
    this.stopBeat();
    this.deliver();
  }

  private deliver(): void {
    const { controller, resolvePull } = this;
    if (resolvePull === null || controller === null || (this.pieces.length === 0 && !this.closed)) return;
    if (this.pieces.length > 0) controller.enqueue(concatBytes(this.pieces));
    this.pieces = [];
    this.events = 0;
    this.bytes = 0;
    this.lastSent = this.clock.now();
    if (this.closed) controller.close();
    this.resolvePull = null;
    resolvePull();
    this.room?.();
    this.room = null;
  }

  private beat(): void {
    const quiet = this.clock.now() - this.lastSent;
    // A reader that is not waiting has not taken what was sent last: there is nothing to keep open.
    if (quiet >= this.terms.heartbeat_ms && this.resolvePull !== null) {
      this.pieces.push(BEAT);
      this.deliver();
    }
    const next = quiet >= this.terms.heartbeat_ms ? this.terms.heartbeat_ms : this.terms.heartbeat_ms - quiet;
    this.stopBeat = this.clock.after(next, () => this.beat());
  }

  private onStall(): void {
    this.end();
    this.controller?.close();
    this.onGone();
  }

  private end(): void {
    this.closed = true;
    this.pieces = [];
    this.resolvePull?.();
    this.resolvePull = null;
    this.stopBeat();
    this.stopStall?.();
    this.room?.();
  }
}
