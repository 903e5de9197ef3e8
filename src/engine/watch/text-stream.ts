// A text that leaves the object for its Worker: as one string where it is short, as a stream of bytes where it is long.
// One RPC message ends at 32 MiB, and a string with one character beyond Latin-1 counts twice; an execution may hold
// 16 MiB, and a list of its events more.
import { concatBytes } from "../../core/bytes.ts";
import { TIMINGS } from "../../core/timings.ts";

/** The bytes of a stream are UTF-8. */
export type Text = string | ReadableStream<Uint8Array>;

/**
 * The pieces as one text. A stream pulls further pieces as its reader takes them: they must not change meanwhile.
 * @param pieces in order; none of them longer than an RPC message
 * @param onEnd called once, where the text is a stream: its last piece is taken, or its reader has disconnected
 */
export function textOf(pieces: Iterator<string>, onEnd: () => void = () => {}): Text {
  let text = "";
  while (text.length <= TIMINGS.MESSAGE_CHARS) {
    const { done, value } = pieces.next();
    if (done === true) return text;
    text += value;
  }
  return streamOf(text, pieces, onEnd);
}

function streamOf(first: string, rest: Iterator<string>, onEnd: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let text: string | null = first;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        try {
          while (text === null || text.length < TIMINGS.STREAM_CHUNK_BYTES) {
            const { done, value } = rest.next();
            if (done === true) {
              if (text !== null) controller.enqueue(encoder.encode(text));
              controller.close();
              onEnd();
              return;
            }
            text = (text ?? "") + value;
          }
        } catch (cause) {
          onEnd();
          throw cause;
        }
        controller.enqueue(encoder.encode(text));
        text = null;
      },
      cancel: onEnd,
    },
    { highWaterMark: 0 },
  );
}

/** The text with its last character, one byte of it, replaced: how a JSON object gets one more member. */
export function withEnd(text: Text, end: string): Text {
  if (typeof text === "string") return text.slice(0, -1) + end;
  let lastByte = new Uint8Array();
  const replace = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (chunk.byteLength === 0) return;
      controller.enqueue(concatBytes([lastByte, chunk.subarray(0, -1)]));
      lastByte = chunk.slice(-1);
    },
    flush(controller) {
      controller.enqueue(new TextEncoder().encode(end));
    },
  });
  return text.pipeThrough(replace);
}

/** The whole of a text. */
export function wholeText(text: Text): Promise<string> {
  return typeof text === "string" ? Promise.resolve(text) : new Response(text).text();
}
