// An agent's event stream: `delta` and `progress` are passed on as they come, and the first `result` or `error` is the
// outcome: nothing that comes after it delays or changes it. The end without either is a truncated stream.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { AgentDelta, AgentProgress } from "../../contract/agent.ts";
import { LIMITS } from "../../contract/limits.ts";
import { cutText, isHighSurrogate } from "../../contract/text.ts";
import { agentMessage } from "../../core/resilience/agent-words.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { readMembers } from "../../core/json/json.ts";
import type { CallHooks } from "../../engine/ports.ts";
import { bodyFailure, clip, failureMessage, parseAnswer, readProblem } from "./parse.ts";
import { BodyText } from "./body.ts";
import { within } from "../platform/time-limit.ts";

/**
 * A stream whose outcome has come is read on for so long, off the call's path: one that ends by then leaves its
 * connection open for the next call, and its agent sees no caller that hangs up.
 */
const CLOSE_GRACE_MS = 1_000;
/** Of an event that is not what it should be. */
const SHOWN_CHARS = 100;

export async function readStream(
  body: ReadableStream<Uint8Array>,
  status: number,
  hooks: CallHooks,
): Promise<CallOutcome> {
  const reading = new StreamReading(status, hooks);
  const parser = createParser({ onEvent: (event) => reading.take(event) });
  const text = new BodyText(body, LIMITS.AGENT_BODY_BYTES);
  try {
    for (;;) {
      const piece = await text.next();
      if (piece === null) break;
      hooks.alive();
      parser.feed(piece);
      if (reading.outcome !== null) {
        void readOn(text);
        return reading.outcome;
      }
    }
  } catch (cause) {
    text.cancel();
    return { ok: false, failure: bodyFailure(cause, status) };
  }
  return { ok: false, failure: { kind: "truncated", detail: "the stream ended without result or error" } };
}

class StreamReading {
  outcome: CallOutcome | null = null;
  private readonly status: number;
  private readonly hooks: CallHooks;
  /** The first half of a surrogate pair whose second half is in the next delta. */
  private half = "";

  constructor(status: number, hooks: CallHooks) {
    this.status = status;
    this.hooks = hooks;
  }

  take(event: EventSourceMessage): void {
    if (this.outcome !== null) return;
    switch (event.event) {
      case "delta": {
        const delta = AgentDelta.safeParse(readMembers(event.data));
        if (delta.success) this.pass(delta.data.text);
        else {
          const detail = 'a delta event must be {"text": "…"}, received';
          this.end({
            kind: "contract",
            detail,
            excerpt: cutText(clip(event.data), SHOWN_CHARS),
            status: this.status,
          });
        }
        return;
      }
      case "progress": {
        const progress = AgentProgress.safeParse(readMembers(event.data));
        // A malformed progress event is ignored: it must not fail the call.
        if (!progress.success) return;
        this.hooks.progress({ ...progress.data, message: clip(progress.data.message) });
        return;
      }
      case "result":
        this.passRest();
        this.outcome = parseAnswer(event.data, this.status);
        return;
      case "error":
        this.takeError(event.data);
        return;
      default:
        // Unknown events are for other readers: a stream may grow.
        return;
    }
  }

  private takeError(data: string): void {
    const problem = readProblem(data);
    const words = agentMessage(data, "");
    if (problem === null) {
      const detail = "an error event is not problem details";
      const excerpt = words === null ? undefined : clip(words);
      this.end({ kind: "contract", detail, excerpt, status: this.status });
      return;
    }
    const given = failureMessage(problem, words);
    this.end({
      kind: "stream_error",
      status: problem.status ?? null,
      detail: given.detail ?? given.words ?? null,
      retryable: problem.retryable ?? null,
    });
  }

  private end(failure: Extract<CallOutcome, { ok: false }>["failure"]): void {
    this.outcome = { ok: false, failure };
  }

  /** Readers join deltas as they like, some of them in languages that cannot join two halves of a character. */
  private pass(piece: string): void {
    const text = this.half + piece;
    const isOpen = isHighSurrogate(text.charCodeAt(text.length - 1));
    this.half = isOpen ? text.slice(-1) : "";
    this.hooks.delta(isOpen ? text.slice(0, -1) : text);
  }

  private passRest(): void {
    if (this.half !== "") this.hooks.delta(this.half);
    this.half = "";
  }
}

/** Reads and discards the rest, for CLOSE_GRACE_MS at most. */
async function readOn(text: BodyText): Promise<void> {
  const drain = async () => {
    while ((await text.next()) !== null);
  };
  // The outcome is complete: a lost connection changes nothing.
  await within(CLOSE_GRACE_MS, drain(), undefined);
  text.cancel();
}
