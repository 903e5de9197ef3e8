// The stream of OpenAI's Responses API. Each event has a `sequence_number`, by which a reader goes on where it was: it is a
// function of the log, so that nothing of a reader is stored. A text's numbers begin with the `seq` of its call and go on
// with the length of what was said; a reader who had a half of a piece is sent the other half.
import type { EventOf } from "../../../contract/event.ts";
import { AnswerFold, type StreamEvent, type TextOperation, type TextPart } from "../answer-fold.ts";
import { citationsIn } from "../citations.ts";
import { type Encoder, sseMessage } from "../encoder.ts";
import {
  completedItem,
  itemId,
  type OutputItem,
  type ResponseAbout,
  responseObject,
  responseOf,
  seconds,
  statusOf,
  textPart,
} from "./response.ts";

/** Places within one `seq`: more than a text has UTF-16 units. */
const PLACES = 2 ** 24;

type Chunk = { type: string } & Record<string, unknown>;

interface Open {
  id: string;
  output_index: number;
}

export class ResponsesEncoder implements Encoder {
  isOver = false;
  private readonly about: ResponseAbout;
  /** The number of the last event that the reader has; −1 for none. */
  private readonly after: number;
  private readonly fold = new AnswerFold();
  private readonly open = new Map<TextPart, Open>();
  private readonly output: OutputItem[] = [];
  private items = 0;
  private created_at: number | null = null;
  private last = -1;

  /** @param after the `sequence_number` of the last event that the reader has */
  constructor(about: ResponseAbout, after = -1) {
    this.about = about;
    this.after = after;
  }

  push(event: StreamEvent): string {
    const text = this.fold.push(event).map((operation) => this.text(event, operation));
    return text.join("") + this.event(event);
  }

  lost(): string {
    this.isOver = true;
    const message = "the stream broke off before the end of the run: go on by starting_after";
    return sseMessage(
      { type: "error", sequence_number: this.last + 1, code: "STREAM_LOST", message, param: null },
      "error",
    );
  }

  private text(event: StreamEvent, operation: TextOperation): string {
    const { part } = operation;
    const seq = Number(part.call.split(".")[0]);
    const { id, output_index } = this.placeOf(event.execution_id, part);
    const at = { item_id: id, output_index, content_index: 0 };
    switch (operation.type) {
      case "open": {
        const item = { id, type: "message", role: "assistant", status: "in_progress", content: [] };
        return (
          this.send(seq, 0, { type: "response.output_item.added", output_index, item }) +
          this.send(seq, 1, { type: "response.content_part.added", ...at, part: textPart("", []) })
        );
      }
      case "append": {
        const before = part.text.length - operation.text.length;
        const delta = this.missing(seq, before, operation.text);
        const chunk = { type: "response.output_text.delta", ...at, delta, logprobs: [] };
        return this.send(seq, 1 + part.text.length, chunk);
      }
      case "void": {
        this.open.delete(part);
        const content = [textPart(part.text, [])];
        const item = { id, type: "message", role: "assistant", status: "incomplete", content };
        return this.send(seqOf(event), 0, { type: "response.output_item.done", output_index, item });
      }
      case "close": {
        this.open.delete(part);
        const item = completedItem(id, part.text, citationsIn(operation.result?.data));
        this.output.push(item);
        const [whole] = item.content;
        const annotations = (whole?.["annotations"] ?? []) as unknown[];
        const chunks: Chunk[] = [
          ...annotations.map((annotation, annotation_index) => ({
            type: "response.output_text.annotation.added",
            ...at,
            annotation_index,
            annotation,
          })),
          { type: "response.output_text.done", ...at, text: part.text, logprobs: [] },
          { type: "response.content_part.done", ...at, part: whole },
          { type: "response.output_item.done", output_index, item },
        ];
        return chunks.map((chunk, place) => this.send(seqOf(event), place, chunk)).join("");
      }
    }
  }

  private placeOf(execution_id: string, part: TextPart): Open {
    const known = this.open.get(part);
    if (known !== undefined) return known;
    const made = { id: itemId(execution_id, part.stage, part.call), output_index: this.items };
    this.items += 1;
    this.open.set(part, made);
    return made;
  }

  /** What the reader has not got of a text that begins in its stage's at `before`. */
  private missing(seq: number, before: number, text: string): string {
    const isOfPart = Math.floor(this.after / PLACES) === seq;
    const had = isOfPart ? (this.after % PLACES) - 1 - before : 0;
    return had > 0 && had < text.length ? text.slice(had) : text;
  }

  private event(event: StreamEvent): string {
    switch (event.type) {
      case "execution.queued":
      case "execution.started":
        return this.start(event);
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled": {
        this.isOver = true;
        const status = statusOf(event.data);
        const type = status === "cancelled" ? "response.incomplete" : `response.${status}`;
        const output = status === "failed" ? [] : this.output;
        return this.send(event.seq, 0, { type, response: responseOf(event.data, this.about, output) });
      }
      default:
        return "";
    }
  }

  private start({ seq, timestamp }: EventOf<"execution.queued" | "execution.started">): string {
    if (this.created_at !== null) return "";
    this.created_at = seconds(timestamp);
    const response = responseObject(this.about, this.created_at);
    return (
      this.send(seq, 0, { type: "response.created", response }) +
      this.send(seq, 1, { type: "response.in_progress", response })
    );
  }

  /** Numbers only rise: of several texts at once they depend on how these came. */
  private send(seq: number, place: number, chunk: Chunk): string {
    const sequence_number = Math.max(this.last + 1, seq * PLACES + place);
    this.last = sequence_number;
    if (sequence_number <= this.after) return "";
    const { type, ...rest } = chunk;
    return sseMessage({ type, sequence_number, ...rest }, type);
  }
}

/** Of an event that ends a call: it is a logged one. */
function seqOf(event: StreamEvent): number {
  return "seq" in event ? event.seq : 0;
}
