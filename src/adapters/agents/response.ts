// An agent's response as its protocol reads it: the whole body, an event stream, or the part that arrives in time.
// Decodes content codings and counts decoded bytes, so that no protocol can read more than the limit.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { LIMITS } from "../../contract/limits.ts";
import { agentMessage } from "../../core/resilience/agent-message.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { within } from "../platform/time-limit.ts";
import { BodyText, textWithin, wholeText } from "./body/body.ts";
import { type BrotliDecoder, decodedBody } from "./body/codings.ts";
import { clip, isJson } from "./parse.ts";

/** Maximum bytes read of an error's body. At most 500 characters are passed on, but an HTML page has much markup. */
const WORDS_BYTES = 64 * 1024;
/** Maximum time for the body of an error, which may hang or drip: the status alone decides what follows. */
const WORDS_MS = 500;
/**
 * A stream is read for this long after its outcome, off the call's path. If it ends by then, its connection stays open
 * for the next call, and its agent sees no closed connection.
 */
const CLOSE_GRACE_MS = 1_000;

/** An agent's response for its protocol. */
export interface AgentResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The media type in lower case, without parameters; "" where there is none. */
  readonly type: string;
  readonly hasBody: boolean;
  readonly isStream: boolean;
  readonly isJson: boolean;
  /** The whole body. @throws BodyFault, or the error of a lost connection */
  text(): Promise<string>;
  /**
   * Reads the event stream up to the first value that `take` returns. Events after it neither delay nor change the
   * outcome. Null if the stream ends without one.
   * @throws BodyFault, or the error of a lost connection
   */
  events<T>(take: (event: EventSourceMessage) => T | null): Promise<T | null>;
  /** The failure of an answer with another media type. @param expected the media types that the protocol reads */
  unexpected(expected: string): Promise<CallFailure>;
  /** The part of the body that arrives in time; "" if it cannot be decoded. */
  partialText(): Promise<string>;
  /** Cancels the body. Not awaited: the connection may be slow to close. A reader cancels a locked body itself. */
  discard(): void;
}

/** What is read of a response, or of a request. */
export type Received = Pick<Response, "status" | "headers" | "body">;

export function agentResponse(
  response: Received,
  hooks: CallHooks,
  brotli: BrotliDecoder | null,
): AgentResponse {
  const { status, headers, body } = response;
  const type = (headers.get("content-type")?.split(";", 1)[0] ?? "").trim().toLowerCase();
  const decoded = () => decodedBody(response, brotli);
  // readAnswer gives a protocol only a response that has a body.
  const whole = async () => (await decoded()) as ReadableStream<Uint8Array>;
  const discard = () => {
    if (body?.locked === false) void body.cancel().catch(() => {});
  };
  const partialText = async () => {
    let text = "";
    try {
      const part = await decoded();
      if (part !== null) text = await textWithin(part, WORDS_BYTES, WORDS_MS);
    } catch {
      // Of an unknown coding. The status is enough.
    }
    discard();
    return text;
  };
  return {
    status,
    headers,
    type,
    hasBody: body !== null,
    isStream: type === "text/event-stream",
    isJson: isJson(type),
    discard,
    partialText,
    text: async () => wholeText(await whole(), LIMITS.AGENT_BODY_BYTES, hooks),
    events: async (take) => firstOf(new BodyText(await whole(), LIMITS.AGENT_BODY_BYTES), hooks, take),
    unexpected: async (expected) => {
      const given = `its content type is ${type === "" ? "missing" : clip(type)}`;
      const failure = { kind: "contract" as const, detail: `${given}, not ${expected}`, status };
      hooks.failing?.(failure);
      const words = agentMessage(await partialText(), type);
      return { ...failure, excerpt: words === null ? undefined : clip(words) };
    },
  };
}

/** The first value that `take` returns for an event; null if the stream ends without one. */
async function firstOf<T>(
  text: BodyText,
  hooks: CallHooks,
  take: (event: EventSourceMessage) => T | null,
): Promise<T | null> {
  let outcome: T | null = null;
  const parser = createParser({
    onEvent: (event) => {
      outcome ??= take(event);
    },
  });
  try {
    for (;;) {
      const piece = await text.next();
      if (piece === null) return null;
      hooks.alive();
      parser.feed(piece);
      if (outcome !== null) {
        void readOn(text);
        return outcome;
      }
    }
  } catch (cause) {
    text.cancel();
    throw cause;
  }
}

/** Reads and discards the rest for CLOSE_GRACE_MS at most. */
async function readOn(text: BodyText): Promise<void> {
  const drain = async () => {
    while ((await text.next()) !== null);
  };
  // A lost connection does not change the outcome.
  await within(CLOSE_GRACE_MS, drain(), undefined);
  text.cancel();
}
