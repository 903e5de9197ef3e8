// An agent's response as its protocol reads it: the whole body, an event stream, or the part that arrives in time.
// Decodes content codings and counts decoded bytes, so that no protocol can read more than the limit.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { LIMITS } from "../../contract/limits.ts";
import { agentMessage } from "../../core/resilience/agent-words.ts";
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

export class AgentResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The media type in lower case, without parameters; "" where there is none. */
  readonly type: string;
  private readonly response: Response;
  private readonly hooks: CallHooks;
  private readonly brotli: BrotliDecoder | null;

  constructor(response: Response, hooks: CallHooks, brotli: BrotliDecoder | null) {
    this.status = response.status;
    this.headers = response.headers;
    this.type = (response.headers.get("content-type")?.split(";", 1)[0] ?? "").trim().toLowerCase();
    this.response = response;
    this.hooks = hooks;
    this.brotli = brotli;
  }

  get hasBody(): boolean {
    return this.response.body !== null;
  }

  get isStream(): boolean {
    return this.type === "text/event-stream";
  }

  get isJson(): boolean {
    return isJson(this.type);
  }

  /** The whole body. @throws BodyFault, or the error of a lost connection */
  async text(): Promise<string> {
    return wholeText(await this.body(), LIMITS.AGENT_BODY_BYTES, this.hooks);
  }

  /**
   * Reads the event stream up to the first value that `take` returns. Events after it neither delay nor change the
   * outcome. Null if the stream ends without one.
   * @throws BodyFault, or the error of a lost connection
   */
  async events<T>(take: (event: EventSourceMessage) => T | null): Promise<T | null> {
    let outcome: T | null = null;
    const parser = createParser({
      onEvent: (event) => {
        outcome ??= take(event);
      },
    });
    const text = new BodyText(await this.body(), LIMITS.AGENT_BODY_BYTES);
    try {
      for (;;) {
        const piece = await text.next();
        if (piece === null) return null;
        this.hooks.alive();
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

  /** The failure of an answer with another media type. @param expected the media types that the protocol reads */
  async unexpected(expected: string): Promise<CallFailure> {
    const given = `its content type is ${this.type === "" ? "missing" : clip(this.type)}`;
    const failure = {
      kind: "contract" as const,
      detail: `${given}, not ${expected}`,
      status: this.status,
    };
    this.hooks.failing?.(failure);
    const words = agentMessage(await this.partialText(), this.type);
    return { ...failure, excerpt: words === null ? undefined : clip(words) };
  }

  /** The part of the body that arrives in time; "" if it cannot be decoded. */
  async partialText(): Promise<string> {
    let text = "";
    try {
      const body = await decodedBody(this.response, this.brotli);
      if (body !== null) text = await textWithin(body, WORDS_BYTES, WORDS_MS);
    } catch {
      // Of an unknown coding. The status is enough.
    }
    this.discard();
    return text;
  }

  /** Cancels the body. Not awaited: the connection may be slow to close. A reader cancels a locked body itself. */
  discard(): void {
    const { body } = this.response;
    if (body?.locked === false) void body.cancel().catch(() => {});
  }

  private async body(): Promise<ReadableStream<Uint8Array>> {
    // readAnswer gives a protocol only a response that has a body.
    return (await decodedBody(this.response, this.brotli)) as ReadableStream<Uint8Array>;
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
