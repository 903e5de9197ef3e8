// An agent's body as text, in pieces or whole. Counts decoded bytes as they arrive, so that a small compressed body
// cannot become a large one. Refuses bytes that are not UTF-8.
import { concatBytes } from "../../../core/bytes.ts";
import type { CallHooks } from "../../../engine/ports.ts";
import { readBytes } from "../../../engine/read-bytes.ts";
import { within } from "../../platform/time-limit.ts";

type Fault =
  | { reason: "too_large"; limit_bytes: number }
  | { reason: "not_utf8" | "cut" | "undecodable" }
  | { reason: "unknown_coding"; coding: string };

/** Why a body cannot be read to its end, apart from a lost connection. */
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

  /** Discards the rest, also while `next` waits. Has no effect on a body that has ended. */
  cancel(): void {
    void this.reader.cancel().catch(() => {});
  }
}

/** The whole body's text, decoded at once. @throws BodyFault, or the error of a lost connection */
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
 * The text of the part of a body that arrives within `ms`, at most `limit_bytes` of it. Invalid UTF-8 becomes U+FFFD.
 * Never rejects: the text is optional.
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
  // After a lost connection the part that has arrived may be whole. Waits twice for half of `ms`: after work that kept
  // the isolate busy for longer than `ms`, a timer is due before the bytes that arrived meanwhile are delivered.
  const gathered = gather().then(() => true);
  if (!(await within(ms / 2, gathered, false))) await within(ms / 2, gathered, false);
  void reader.cancel().catch(() => {});
  return new TextDecoder().decode(concatBytes(pieces));
}

/** One for all calls: creating a decoder costs more than decoding an answer. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Whether the bytes are UTF-8 except for an incomplete last character. */
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
