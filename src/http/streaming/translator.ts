// From the events of a run, as bytes, to what an encoder makes of them: between the splitter, which knows whole events, and
// the reader's buffer. The encoder lives in the Worker, so that its state outlives the object that feeds the stream.
import type { StreamEvent } from "../../core/dialects/answer-fold.ts";
import { type Encoder, isOfItem } from "../../core/dialects/encoder.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import { logError } from "../context.ts";
import type { WholeEvents } from "./event-splitter.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const NOTHING: WholeEvents = { pieces: [], events: 0 };
const DATA = "data: ";

export class Translator {
  private readonly encoder: Encoder;
  private hasFailed = false;

  constructor(by: Encoder) {
    this.encoder = by;
  }

  /** The stream ends here, also where the run goes on. */
  get isOver(): boolean {
    return this.hasFailed || this.encoder.isOver;
  }

  /** The whole events in the encoder's protocol; `events` is 0 where they have nothing in it. */
  push({ pieces, events }: WholeEvents): WholeEvents {
    let text = "";
    try {
      for (const piece of pieces) {
        for (const message of decoder.decode(piece).split("\n\n")) {
          const event = eventOf(message);
          if (event !== null && !isOfItem(event) && !this.isOver) text += this.encoder.push(event);
        }
      }
    } catch (cause) {
      // Another try would fail as well: what is known of the run so far is as much as this reader gets.
      this.hasFailed = true;
      logError({ message: "an encoder failed", cause: cause instanceof Error ? cause.name : "" });
      text += this.encoder.lost();
    }
    return text === "" ? NOTHING : { pieces: [encoder.encode(text)], events };
  }

  /** What is said where the events cannot be followed any further. */
  end(): WholeEvents {
    const text = this.isOver ? "" : this.encoder.lost();
    return text === "" ? NOTHING : { pieces: [encoder.encode(text)], events: 1 };
  }
}

/** Null for a message without data: a comment, or a retry delay. */
function eventOf(message: string): StreamEvent | null {
  const isFirst = message.startsWith(DATA);
  const line = isFirst ? 0 : message.indexOf(`\n${DATA}`) + 1;
  if (line === 0 && !isFirst) return null;
  const from = line + DATA.length;
  const end = message.indexOf("\n", from);
  return parseJson(message.slice(from, end === -1 ? message.length : end)) as StreamEvent;
}
