// The stream of OpenAI's Responses API. Each event has a `sequence_number`, by which a reader goes on where it was: it is a
// function of the log, so that nothing of a reader is stored. A text's numbers begin with the `seq` of its call and go on
// with the length of what was said; a reader who had a half of a piece is sent the other half. Numbers only rise: one that
// would not is out of line, and says no length. A reader whose last number does not say what it has of a text that is
// still written is sent all of it again.
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
/** The places from here on are those of numbers out of line. */
const OUT_OF_LINE = PLACES / 2;

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
  /** Texts of which the reader may have all: the next event says whether they ended before it left. */
  private readonly held = new Map<TextPart, string>();

  /** @param after the `sequence_number` of the last event that the reader has */
  constructor(about: ResponseAbout, after = -1) {
    this.about = about;
    this.after = after;
  }

  push(event: StreamEvent): string {
    const operations = this.fold.push(event);
    const before = this.held.size === 0 ? "" : this.release(event, operations);
    return before + operations.map((operation) => this.text(event, operation)).join("") + this.event(event);
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
    const { id, output_index } = this.placeOf(event.execution_id, part);
    const at = { item_id: id, output_index, content_index: 0 };
    switch (operation.type) {
      case "open":
        if (this.isDoubtful(callOf(part)) && !this.isHad(event)) {
          // A text that has ended comes as a whole before the event that ends it.
          if (!("seq" in event)) this.held.set(part, "");
          else this.goOn();
        }
        return this.held.has(part) ? "" : this.opened(event, part);
      case "append":
        if (this.held.has(part)) {
          this.held.set(part, part.text);
          return "";
        }
        return this.appended(event, part, part.text.length - operation.text.length, operation.text);
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

  private opened({ execution_id }: StreamEvent, part: TextPart): string {
    const { id, output_index } = this.placeOf(execution_id, part);
    const item = { id, type: "message", role: "assistant", status: "in_progress", content: [] };
    const at = { item_id: id, output_index, content_index: 0 };
    return (
      this.sendOf(part, 0, { type: "response.output_item.added", output_index, item }) +
      this.sendOf(part, 1, { type: "response.content_part.added", ...at, part: textPart("", []) })
    );
  }

  /** @param before the length of the text before the piece */
  private appended({ execution_id }: StreamEvent, part: TextPart, before: number, piece: string): string {
    const { id, output_index } = this.placeOf(execution_id, part);
    const at = { item_id: id, output_index, content_index: 0 };
    const delta = piece.slice(Math.max(0, this.hadOf(part) - 1 - before));
    const chunk = { type: "response.output_text.delta", ...at, delta, logprobs: [] };
    return this.sendOf(part, 1 + before + piece.length, chunk);
  }

  /** Whether the reader may have some of a call's text, of which its last number does not say how much. */
  private isDoubtful(seq: number): boolean {
    return this.last < this.after && this.after >= seq * PLACES && !this.isLengthOf(seq);
  }

  /** Whether the reader's last number says how much it has of a call's text. */
  private isLengthOf(seq: number): boolean {
    return Math.floor(this.after / PLACES) === seq && this.after % PLACES < OUT_OF_LINE;
  }

  /** Whether the reader left after this event. */
  private isHad(event: StreamEvent): boolean {
    return "seq" in event && event.seq * PLACES <= this.after;
  }

  /** All that follows is new to the reader. */
  private goOn(): void {
    this.last = Math.max(this.last, this.after);
  }

  /** The texts that were held: nothing of those that had ended before the reader left, all of any other. */
  private release(event: StreamEvent, operations: readonly TextOperation[]): string {
    const ended = this.isHad(event)
      ? operations.filter(({ type }) => type === "close" || type === "void")
      : [];
    const open = [...this.held].filter(([held]) => !ended.some(({ part }) => part === held));
    this.held.clear();
    if (open.length > 0) this.goOn();
    return open
      .map(([part, text]) => this.opened(event, part) + this.appended(event, part, 0, text))
      .join("");
  }

  private placeOf(execution_id: string, part: TextPart): Open {
    const known = this.open.get(part);
    if (known !== undefined) return known;
    const made = { id: itemId(execution_id, part.stage, part.call), output_index: this.items };
    this.items += 1;
    this.open.set(part, made);
    return made;
  }

  /** The last place of a text's numbers that the reader has, as far as its last number says; −1 for none. */
  private hadOf({ call }: TextPart): number {
    // A text that took the place of one of the same call has numbers out of line.
    return this.isLengthOf(Number(call)) ? this.after % PLACES : -1;
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
        if (status !== "failed") {
          return this.send(event.seq, 0, { type, response: responseOf(event.data, this.about, this.output) });
        }
        const before = this.items === 0 ? this.nothing(event) : "";
        return before + this.send(event.seq, 2, { type, response: responseOf(event.data, this.about, []) });
      }
      default:
        return "";
    }
  }

  /** A message of nothing: to the AI SDK a failure before any output is a request to send again, three times in all. */
  private nothing({ execution_id, seq }: StreamEvent & { seq: number }): string {
    const item = {
      id: itemId(execution_id, "none", String(seq)),
      type: "message",
      role: "assistant",
      content: [],
    };
    const send = (place: number, type: string, status: string) =>
      this.send(seq, place, { type, output_index: 0, item: { ...item, status } });
    return (
      send(0, "response.output_item.added", "in_progress") +
      send(1, "response.output_item.done", "incomplete")
    );
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

  /** Of a text; other texts may have raised the numbers meanwhile. */
  private sendOf(part: TextPart, place: number, chunk: Chunk): string {
    return place <= this.hadOf(part) ? "" : this.send(callOf(part), place, chunk);
  }

  private send(seq: number, place: number, chunk: Chunk): string {
    const inLine = seq * PLACES + place;
    const sequence_number = inLine > this.last ? inLine : outOfLine(this.last);
    this.last = sequence_number;
    if (sequence_number <= this.after) return "";
    const { type, ...rest } = chunk;
    return sseMessage({ type, sequence_number, ...rest }, type);
  }
}

/** The next number after one that is higher than it should be. */
function outOfLine(last: number): number {
  return Math.max(last + 1, last - (last % PLACES) + OUT_OF_LINE);
}

/** The `seq` of the call that writes a text. */
function callOf({ call }: TextPart): number {
  return Number(call.split(".")[0]);
}

/** Of an event that ends a call: it is a logged one. */
function seqOf(event: StreamEvent): number {
  return "seq" in event ? event.seq : 0;
}
