// An agent's body as text, piece by piece: decoded bytes are counted as they come, so that a small compressed body
// cannot become a large one, and UTF-8 is decoded fatally.
import type { CallHooks } from "../../engine/ports.ts";
import { readBytes } from "../bytes.ts";

/** Why a body cannot be read to its end, where the connection is not to blame. */
export class BodyFault extends Error {
  readonly reason: "too_large" | "not_utf8" | "cut";
  readonly limit_bytes: number;
  constructor(reason: BodyFault["reason"], limit_bytes: number) {
    super(reason);
    this.reason = reason;
    this.limit_bytes = limit_bytes;
  }
}

/** The body's text. @throws BodyFault, or whatever the connection's loss throws */
export async function* bodyText(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  hooks: Pick<CallHooks, "alive">,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  const reader = body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      hooks.alive();
      bytes += value.byteLength;
      if (bytes > limit_bytes) throw new BodyFault("too_large", limit_bytes);
      yield decode(() => decoder.decode(value, { stream: true }), "not_utf8", limit_bytes);
    }
    yield decode(() => decoder.decode(), "cut", limit_bytes);
  } finally {
    // Also where the consumer stopped early; a body that has ended does not mind.
    await reader.cancel().catch(() => {});
  }
}

/** The whole body's text, decoded at one go. @throws as `bodyText` does */
export async function wholeText(
  body: ReadableStream<Uint8Array>,
  limit_bytes: number,
  hooks: Pick<CallHooks, "alive" | "hears_silence">,
): Promise<string> {
  const whole = await readBytes(body, limit_bytes, hooks.hears_silence ? () => hooks.alive() : undefined);
  if (whole === null) throw new BodyFault("too_large", limit_bytes);
  try {
    return UTF8.decode(whole);
  } catch {
    throw new BodyFault(isCut(whole) ? "cut" : "not_utf8", limit_bytes);
  }
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

function decode(step: () => string, reason: BodyFault["reason"], limit_bytes: number): string {
  try {
    return step();
  } catch {
    throw new BodyFault(reason, limit_bytes);
  }
}
