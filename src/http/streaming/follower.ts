// The Worker's side of an event stream: one unbroken stream for its reader, across restarts of the object that
// feeds it. Passes on whole events only, and where the object's stream stops without its end mark (an eviction, a
// crash, a deploy) goes on with another one after the last `seq`.
import { TIMINGS } from "../../core/timings.ts";
import type { Clock } from "../../engine/ports.ts";
import { isEndMark, readTerms, refusalOf } from "../../engine/object-protocol.ts";
import { EventBytes } from "./event-splitter.ts";
import { ReaderBuffer } from "./reader-buffer.ts";

const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Asks the execution's object, afresh each time, for its stream after a `seq`: another one of a reader that had one. */
export type Reattach = (after: number) => Promise<Response>;

/**
 * The answer for a reader.
 * @param first the object's stream
 * @param after the last `seq` that the reader has
 */
export function streamResponse(
  first: Response,
  after: number,
  reattach: Reattach,
  clock: Clock,
  headers: Record<string, string> = {},
): Response {
  const follower = new Follower(first, after, reattach, clock);
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
  private source: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** Tries to take the stream up again since it last gave an event. */
  private tries = 0;

  constructor(first: Response, after: number, reattach: Reattach, clock: Clock) {
    this.reattach = reattach;
    this.clock = clock;
    this.bytes = new EventBytes(after);
    this.buffer = new ReaderBuffer(readTerms(first), clock, () => {
      // The object's reader is closed with this one.
      this.source?.cancel().catch(() => {});
    });
    void this.follow(first.body);
  }

  private async follow(first: ReadableStream<Uint8Array> | null): Promise<void> {
    let body = first;
    while (body !== null) {
      const ended = await this.passOn(body.getReader());
      body = ended || this.buffer.isClosed ? null : await this.another();
    }
    this.buffer.finish();
  }

  /** Passes events on until the stream stops; true where that was its end. */
  private async passOn(source: ReadableStreamDefaultReader<Uint8Array>): Promise<boolean> {
    this.source = source;
    try {
      for (;;) {
        const { done, value } = await source.read();
        if (done) break;
        const whole = this.bytes.push(value);
        if (whole.events > 0) this.tries = 0;
        await this.buffer.put(whole);
      }
    } catch {
      // The object's stream ended: an incomplete event is sent again whole.
    }
    return isEndMark(this.bytes.takeRest());
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
        const response = await this.reattach(this.bytes.seq);
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
