// An agent's body as text, in pieces or whole: decoded bytes are counted as they come, so that a small compressed body
// cannot become a large one, and UTF-8 is decoded fatally.
import { concatBytes } from "../../core/bytes.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { readBytes } from "../../engine/read-bytes.ts";
import { within } from "../platform/time-limit.ts";

type Fault =
  | { reason: "too_large"; limit_bytes: number }
  | { reason: "not_utf8" | "cut" | "undecodable" }
  | { reason: "unknown_coding"; coding: string };

/** Why a body cannot be read to its end, where the connection is not to blame. */
export class BodyFault extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.reason);
    this.fault = fault;
  }
}

/** A body's text as it arrives, including a byte order mark. */
export class BodyText {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private readonly limit_bytes: number;
  private bytes = 0;

  constructor(body: ReadableStream<Uint8Array>, limit_bytes: number) {
    this.reader = body.getReader();
    this.limit_bytes = limit_bytes;
  }

  /** The next piece; null at the end. @throws BodyFault, or the error of a lost connection */
  async next(): Promise<string | null> {
    const { done, value } = await this.reader.read();
    if (done) {
      decode(() => this.decoder.decode(), "cut");
      return null;
    }
    this.bytes += value.byteLength;
    if (this.bytes > this.limit_bytes) {
      throw new BodyFault({ reason: "too_large", limit_bytes: this.limit_bytes });
    }
    return decode(() => this.decoder.decode(value, { stream: true }), "not_utf8");
  }

  /** The rest is not wanted; also while `next` waits. A body that has ended does not mind. */
  cancel(): void {
    void this.reader.cancel().catch(() => {});
  }
}

/** The whole body's text, decoded at one go. @throws BodyFault, or the error of a lost connection */
export async function wholeText(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  hooks: Pick<CallHooks, "alive" | "hears_silence">,
): Promise<string> {
  const whole = await readBytes(body, limit_bytes, hooks.hears_silence ? () => hooks.alive() : undefined);
  if (whole === null) throw new BodyFault({ reason: "too_large", limit_bytes });
  try {
    return UTF8.decode(whole);
  } catch {
    throw new BodyFault({ reason: isCut(whole) ? "cut" : "not_utf8" });
  }
}

/**
 * The text of what has come of a body by its end, within `ms` and `limit_bytes`; invalid UTF-8 becomes U+FFFD.
 * For a body that may be missing: never rejects.
 */
export async function textWithin(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  ms: number,
): Promise<string> {
  const reader = body.getReader();
  const pieces: Uint8Array[] = [];
  const gather = async () => {
    for (let bytes = 0; bytes < limit_bytes; ) {
      const { value } = await reader.read();
      if (value === undefined) return;
      pieces.push(value.subarray(0, limit_bytes - bytes));
      bytes += value.byteLength;
    }
  };
  // Where the connection was lost, what has come may be whole. In two halves: after work that kept the isolate busy for
  // longer than `ms`, a timer is due before the bytes that arrived meanwhile are delivered.
  const gathered = gather().then(() => true);
  if (!(await within(ms / 2, gathered, false))) await within(ms / 2, gathered, false);
  void reader.cancel().catch(() => {});
  return new TextDecoder().decode(concatBytes(pieces));
}

/** Made once: to make a decoder costs more than to decode an answer. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** True where the bytes are UTF-8 but for a last character that lacks its end. */
function isCut(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function decode(step: () => string, reason: "not_utf8" | "cut"): string {
  try {
    return step();
  } catch {
    throw new BodyFault({ reason });
  }
}
