// Inflates a compressed body while it is read. A DecompressionStream buffers the whole output of a write (400 MB for a
// bomb of 400 kB), so it gets small steps, each only after the output of the step before it has been read.
import { concatBytes } from "../../../core/bytes.ts";
import { BodyFault } from "./body.ts";

const STEP_BYTES = 1_024;
/** Deflate expands its input at most 1,032 times: one read takes the whole output of a step. */
const READ_BYTES = 1_056 * STEP_BYTES;

/** @param coding `gzip`, `x-gzip` or `deflate` */
export function inflated(source: ReadableStream<Uint8Array>, coding: string): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  const pieces = inflate(reader, coding);
  return new ReadableStream(
    {
      type: "bytes",
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done !== true) {
          controller.enqueue(value);
          return;
        }
        controller.close();
        // After the close, a read into the reader's own buffer ends only with this.
        controller.byobRequest?.respond(0);
      },
      // Ending the generator instead would wait for the pending read.
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );
}

type SourceReader = ReadableStreamDefaultReader<Uint8Array>;

/** @throws BodyFault if the bytes are not of this coding, or the error of the source */
async function* inflate(source: SourceReader, coding: string): AsyncGenerator<Uint8Array, void, undefined> {
  const steps = stepsOf(source);
  let step = await steps.next();
  if (step.done === true) return;
  const { writable, readable } = new DecompressionStream(formatOf(coding, step.value));
  const input = writable.getWriter();
  const output = readable.getReader({ mode: "byob" });
  let read = new PendingRead(output, new Uint8Array(READ_BYTES));
  for (; step.done !== true; step = await steps.next()) {
    await orFault(input.write(step.value));
    // The platform settles a pending read before it settles the write that made the output.
    if (!read.isSettled) continue;
    const { value } = await orFault(read.result);
    if (value === undefined) return;
    yield value.slice();
    read = new PendingRead(output, new Uint8Array(value.buffer));
  }
  // A truncated input fails the close, and the read with it.
  const closing = input.close();
  closing.catch(() => {});
  for (;;) {
    const { done, value } = await orFault(read.result);
    if (done) break;
    yield value.slice();
    read = new PendingRead(output, new Uint8Array(value.buffer));
  }
  await orFault(closing);
}

class PendingRead {
  readonly result: Promise<ReadableStreamReadResult<Uint8Array>>;
  isSettled = false;

  constructor(reader: ReadableStreamBYOBReader, into: Uint8Array) {
    this.result = reader.read(into);
    const settle = () => {
      this.isSettled = true;
    };
    this.result.then(settle, settle);
  }
}

/** The source's bytes in small steps. The first step has at least two bytes, if the source has two. */
async function* stepsOf(source: SourceReader): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Uint8Array | null = new Uint8Array(0);
  for (;;) {
    const { done, value } = await source.read();
    let bytes = value ?? new Uint8Array(0);
    if (head !== null) {
      bytes = concatBytes([head, bytes]);
      head = bytes.byteLength < 2 && !done ? bytes : null;
    }
    if (head !== null) continue;
    for (let at = 0; at < bytes.byteLength; at += STEP_BYTES) yield bytes.subarray(at, at + STEP_BYTES);
    if (done) return;
  }
}

/** By the RFC `deflate` is zlib's format. Many servers send raw deflate, without zlib's header of two bytes. */
function formatOf(coding: string, [first = 0, second = 0]: Uint8Array): "gzip" | "deflate" | "deflate-raw" {
  if (coding !== "deflate") return "gzip";
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0 ? "deflate" : "deflate-raw";
}

async function orFault<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch {
    throw new BodyFault({ reason: "undecodable" });
  }
}
