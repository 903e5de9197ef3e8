// The bytes of an event stream (WHATWG HTML, section 9.2): frames to text, and the feed as a ReadableStream that
// is pulled. LF only; JSON has no raw line break, so one data line is enough.
import { PACE } from "../core/pace.ts";
import type { EventFeed, Frame } from "./feed.ts";
import type { Clock } from "./ports.ts";

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

export function encodeFrame(frame: Frame): string {
  const id = frame.kind === "event" ? `id: ${frame.seq}\n` : "";
  return `${id}event: ${frame.type}\ndata: ${frame.json}\n\n`;
}

/**
 * The feed as bytes. Pulled: a chunk is made when the last one is gone, of everything that is there by then.
 * @param heartbeatMs a comment line after this long without an event; finds readers that have gone
 */
export function sseStream(
  feed: EventFeed,
  clock: Clock,
  heartbeatMs: number,
  onClose: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let greeting = `retry: ${PACE.RECONNECT_MS}\n\n`;
  const close = () => {
    feed.close();
    onClose();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { frames, done } = feed.take();
          const text = greeting + frames.map(encodeFrame).join("");
          greeting = "";
          if (text !== "") controller.enqueue(encoder.encode(text));
          if (done) {
            controller.close();
            close();
            return;
          }
          if (text !== "") return;
          if (await silent(feed, clock, heartbeatMs)) {
            controller.enqueue(encoder.encode(": \n\n"));
            return;
          }
        }
      },
      cancel: close,
    },
    // Nothing is made ahead of the reader: what it has not taken stays in the log.
    { highWaterMark: 0 },
  );
}

/** Waits for news; true where the heartbeat came first. */
async function silent(feed: EventFeed, clock: Clock, heartbeatMs: number): Promise<boolean> {
  const beat = Promise.withResolvers<true>();
  const stop = clock.after(heartbeatMs, () => beat.resolve(true));
  const first = await Promise.race([feed.changed().then(() => false), beat.promise]);
  stop();
  return first;
}
