// The feed as bytes: a ReadableStream that is pulled, so that nothing is made ahead of its reader. What an object writes
// is read by its Worker alone, which greets the reader, keeps the connection open and goes on with another stream
// where this one dies: a complete stream closes with an end mark.
import { concatBytes } from "../../core/bytes.ts";
import { endMarks } from "../object-protocol.ts";
import type { EventFeed } from "./feed.ts";

/**
 * The feed as bytes. Pulled: a chunk is made when the last one is gone, of what is there by then.
 * @param onClose called once, when the reader has everything, for now where it `rests`, or has disconnected
 */
export function sseStream(feed: EventFeed, onClose: (rests: boolean) => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { pieces, end } = feed.take();
          const parts = end === "terminal" || end === "rest" ? [...pieces, endMarks[end]] : pieces;
          if (parts.length > 0) controller.enqueue(concatBytes(parts));
          if (end !== "no") {
            controller.close();
            onClose(end === "rest");
          }
          if (end !== "no" || parts.length > 0) return;
          await feed.changed();
        }
      },
      cancel() {
        feed.close();
        onClose(false);
      },
    },
    // Nothing is made ahead of the reader: what it has not taken stays in the log.
    { highWaterMark: 0 },
  );
}
