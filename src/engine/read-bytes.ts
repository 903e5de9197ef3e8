// A body read to its end: decoded bytes are counted as they come, so that a small compressed body cannot become a
// large one and a Content-Length may lie. The platform fills a buffer before it wakes us: an answer of a few kilobytes
// is one turn of the event loop, where reading it chunk by chunk is one for each chunk and one more for the end.
import { concatBytes } from "../core/bytes.ts";

/** Most bodies fit the first buffer; each further one is larger. */
const FIRST_BYTES = 4 * 1024;
const MOST_BYTES = 1024 * 1024;

/**
 * The whole body; null where it has more than `limit_bytes`, and then the rest is not read. Rejects as the stream does.
 * @param onPiece called with each piece as it arrives; without it the pieces are collected
 */
export async function readBytes(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  onPiece?: () => void,
): Promise<Uint8Array | null> {
  const reader = body.getReader({ mode: "byob" });
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (let size = FIRST_BYTES; ; size *= 4) {
    // Stops reading as soon as the limit is exceeded.
    const room = Math.min(size, MOST_BYTES, limit_bytes + 1 - bytes);
    const min = onPiece === undefined ? room : 1;
    const { done, value } = await reader.readAtLeast(min, new Uint8Array(room));
    const got = value?.byteLength ?? 0;
    if (value !== undefined && got > 0) {
      onPiece?.();
      bytes += got;
      pieces.push(value);
    }
    if (bytes > limit_bytes) {
      void reader.cancel().catch(() => {});
      return null;
    }
    // Less than was asked for is all there is.
    if (done || got < min) return concatBytes(pieces);
  }
}
