// The Worker's side of an event stream: one unbroken stream for its reader, across restarts of the object that
// feeds it. Passes on whole events only, and where the object's stream stops without an end mark (an eviction, a
// crash, a deploy) goes on with another one after the last `seq`. While the run is at rest it holds no stream, with
// which the object would stay in memory, but a socket that says when to ask for another one.
import { TIMINGS } from "../../core/timings.ts";
import type { Clock } from "../../engine/ports.ts";
import {
  endOf,
  readTerms,
  readWakeMessage,
  refusalOf,
  socketOf,
  type StreamEnd,
} from "../../engine/object-protocol.ts";
import type { Encoder } from "../../core/dialects/encoder.ts";
import { EventBytes } from "./event-splitter.ts";
import { ReaderBuffer } from "./reader-buffer.ts";
import { Translator } from "./translator.ts";

const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** What a reader that had a stream asks the execution's object for, afresh each time. */
export interface Reattach {
  /** Another stream, after a `seq`. */
  stream(after: number): Promise<Response>;
  /** A socket, for as long as the run is at rest and has nothing after a `seq`. */
  rest(after: number): Promise<Response>;
}

/**
 * The answer for a reader.
 * @param first the object's stream
 * @param after the last `seq` that the reader has
 * @param encoder of another protocol, whose reader has the events from the first one on
 */
export function streamResponse(
  first: Response,
  after: number,
  reattach: Reattach,
  clock: Clock,
  headers: Record<string, string> = {},
  encoder: Encoder | null = null,
): Response {
  const follower = new Follower(first, after, reattach, clock, encoder);
  return new Response(follower.buffer.stream(), { headers: { ...SSE_HEADERS, ...headers } });
}

/** An EventSource ends for good at any status but 200: one that cannot be served now gets a retry delay. */
export function retryLater(): Response {
  return new Response(`retry: ${TIMINGS.RECONNECT_LATER_MS}\n`, { headers: SSE_HEADERS });
}

/** The answer to HEAD: a stream that is opened without a body would only be a reader that never reads. */
export function streamHead(): Response {
  return new Response(null, { headers: SSE_HEADERS });
}

/** True for refusals that say nothing of the execution: another try may be served. */
export function isPassing(code: string): boolean {
  return code === "INTERNAL_ERROR" || code === "RESOURCE_EXHAUSTED";
}

class Follower {
  readonly buffer: ReaderBuffer;
  private readonly reattach: Reattach;
  private readonly clock: Clock;
  private readonly bytes: EventBytes;
  /** Null for a reader of the events themselves. */
  private readonly translator: Translator | null;
  /** Leaves the object: closes what the reader has there. */
  private leave: () => void = () => {};
  /** Tries to take the stream up again since it last gave an event. */
  private tries = 0;

  constructor(first: Response, after: number, reattach: Reattach, clock: Clock, encoder: Encoder | null) {
    this.translator = encoder === null ? null : new Translator(encoder);
    this.reattach = reattach;
    this.clock = clock;
    this.bytes = new EventBytes(after);
    this.buffer = new ReaderBuffer(readTerms(first), clock, () => {
      this.leave();
    });
    void this.follow(first.body);
  }

  private async follow(first: ReadableStream<Uint8Array> | null): Promise<void> {
    let body = first;
    while (body !== null) {
      const end = await this.passOn(body.getReader());
      if (end === "rest" && !this.buffer.isClosed) await this.rest();
      body = end === "terminal" || this.buffer.isClosed ? null : await this.another();
    }
    if (this.translator !== null) await this.buffer.put(this.translator.end());
    this.buffer.finish();
  }

  /** Passes events on until the stream stops; null where that was not its end. */
  private async passOn(source: ReadableStreamDefaultReader<Uint8Array>): Promise<StreamEnd | null> {
    this.leave = () => void source.cancel().catch(() => {});
    try {
      for (;;) {
        const { done, value } = await source.read();
        if (done) break;
        const whole = this.bytes.push(value);
        if (whole.events > 0) this.tries = 0;
        await this.buffer.put(this.translator?.push(whole) ?? whole);
        if (this.translator?.isOver === true) {
          this.leave();
          return "terminal";
        }
      }
    } catch {
      // The object's stream ended: an incomplete event is sent again whole.
    }
    return endOf(this.bytes.takeRest());
  }

  /** Resolves when there may be more than the reader has; after any loss of the socket that is not known. */
  private async rest(): Promise<void> {
    const since = this.clock.now();
    let socket: WebSocket | null;
    try {
      // Another stream says what a refusal means.
      socket = socketOf(await this.reattach.rest(this.bytes.seq));
    } catch {
      return;
    }
    if (socket === null) return;
    const wait_ms = await this.woken(socket);
    if (this.clock.now() - since >= TIMINGS.REST_PROVEN_MS) this.tries = 0;
    if (wait_ms > 0 && !this.buffer.isClosed) await this.pause(wait_ms);
  }

  /** Holds the socket until the object has something, or it breaks, or the reader goes. How long to wait then, in ms. */
  private async woken(socket: WebSocket): Promise<number> {
    const over = Promise.withResolvers<number>();
    socket.addEventListener("message", ({ data }) => over.resolve(readWakeMessage(data)));
    socket.addEventListener("close", () => over.resolve(0));
    socket.addEventListener("error", () => over.resolve(0));
    socket.accept();
    this.leave = () => over.resolve(0);
    // It may have gone while the socket was asked for.
    if (this.buffer.isClosed) over.resolve(0);
    const wait_ms = await over.promise;
    try {
      socket.close();
    } catch {
      // It is closed already.
    }
    return wait_ms;
  }

  /** Another stream of the same events; null where there is nothing more, or no hope. */
  private async another(): Promise<ReadableStream<Uint8Array> | null> {
    for (;;) {
      const wait = TIMINGS.REATTACH_MS[this.tries];
      if (wait === undefined) return null;
      this.tries += 1;
      if (wait > 0) await this.pause(wait);
      if (this.buffer.isClosed) return null;
      try {
        const response = await this.reattach.stream(this.bytes.seq);
        const refusal = await refusalOf(response);
        if (refusal === null) return response.body;
        if (!isPassing(refusal.code)) return null;
      } catch {
        // Not there yet.
      }
    }
  }

  private async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.clock.after(ms, resolve);
    });
  }
}
