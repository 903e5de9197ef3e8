// The bytes of an event stream (WHATWG HTML, section 9.2): events to text, and the feed as a ReadableStream that is
// pulled. LF only; JSON has no raw line break, so one data line is enough. What an object writes is read by its
// Worker alone, which greets the reader, keeps the connection open and goes on with another stream where this one
// dies: a stream that was meant to end closes with END_MARK, which no blank line follows and no reader ever sees.
import type { StageDelta, StageProgress } from "../contract/event.ts";
import type { EventFeed } from "./feed.ts";

/** The last bytes of a stream that has come to its end; one that stops without them has been cut. */
export const END_MARK = ":end";

const encoder = new TextEncoder();
const endMark = encoder.encode(END_MARK);

/**
 * A lifecycle event. Its id stands last: a well-known client (fetch-event-source) takes an event for had as soon as
 * it has read the id, and would lose one that is cut behind it.
 * @param json its bytes in the log
 */
export function encodeEvent(seq: number, type: string, json: string): Uint8Array {
  return encoder.encode(`event: ${type}\ndata: ${json}\nid: ${seq}\n\n`);
}

/** An event that is not logged. */
export function encodeTransient(event: StageDelta | StageProgress): Uint8Array {
  return encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/**
 * The feed as bytes. Pulled: a chunk is made when the last one is gone, of what is there by then.
 * @param onClose called once, when the reader has everything or has gone
 */
export function sseStream(feed: EventFeed, onClose: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { pieces, end } = feed.take();
          const parts = end === "terminal" ? [...pieces, endMark] : pieces;
          const first = parts[0];
          if (first !== undefined) controller.enqueue(parts.length === 1 ? first : concat(parts));
          if (end !== "no") {
            controller.close();
            onClose();
          }
          if (end !== "no" || first !== undefined) return;
          await feed.changed();
        }
      },
      cancel() {
        feed.close();
        onClose();
      },
    },
    // Nothing is made ahead of the reader: what it has not taken stays in the log.
    { highWaterMark: 0 },
  );
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
