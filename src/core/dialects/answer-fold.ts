// AnswerFold: what a run says, as operations on parts of text that any protocol can carry. The rule of deltas (a new
// attempt empties the text; then it is cut at the offset and appended to) becomes: open a part, append to it, take it
// back whole, close it. A text that a further try repeats word for word costs its reader nothing. Pure.
import type { EventOf, LifecycleEvent, StageDelta, StageProgress } from "../../contract/event.ts";
import type { StageResult } from "../../contract/stage.ts";
import { sinks } from "../pipeline/graph.ts";

/** An event of a run, as a reader gets it. */
export type StreamEvent = LifecycleEvent | StageDelta | StageProgress;

/** A text that one call of a stage writes; the same object for as long as it lasts. */
export interface TextPart {
  readonly stage: string;
  /** The `seq` of the call's start; of a text that takes the place of one of the same call `.2`, `.3` behind it. */
  readonly call: string;
  /** Of a stage that no other depends on: it is a part of the run's answer. */
  readonly isAnswer: boolean;
  /** What the reader has of it. */
  text: string;
}

export type TextOperation =
  | { type: "open"; part: TextPart }
  | { type: "append"; part: TextPart; text: string }
  /** All of its text is taken back; it is open no more. */
  | { type: "void"; part: TextPart }
  /** `result` is null where the stage was cancelled: what it has said is kept. */
  | { type: "close"; part: TextPart; result: StageResult | null };

/** A stage as the reader has it. What is true of its text is always a beginning of `part.text`: its first `length` units. */
interface Said {
  readonly isAnswer: boolean;
  attempt: number;
  /** The `seq` of the call's start. */
  call: number;
  /** How many parts the call has had. */
  parts: number;
  part: TextPart | null;
  length: number;
}

export interface AnswerFoldOptions {
  /** Also the text of stages that others depend on, with `isAnswer` false; else it gives no operation. */
  allStages?: boolean;
}

/**
 * @example
 * const fold = new AnswerFold();
 * for (const event of events) {
 *   for (const operation of fold.push(event)) if (operation.type === "append") write(operation.text);
 * }
 */
export class AnswerFold {
  private readonly allStages: boolean;
  private readonly stages = new Map<string, Said>();

  constructor({ allStages = false }: AnswerFoldOptions = {}) {
    this.allStages = allStages;
  }

  /** The parts that are open, in the order of the definition. */
  get open(): TextPart[] {
    return [...this.stages.values()].flatMap(({ part }) => part ?? []);
  }

  /** What an event changes. Events come in the order of the stream, from its first one on. */
  push(event: StreamEvent): TextOperation[] {
    switch (event.type) {
      case "stage.delta":
        return this.write(event);
      case "execution.queued":
      case "execution.started":
        this.begin(event);
        return [];
      case "stage.started": {
        const said = this.stages.get(event.stage);
        if (said === undefined) return [];
        Object.assign(said, { attempt: event.attempt, call: event.seq, parts: 0, length: 0 });
        return [];
      }
      case "stage.completed":
        return this.complete(event);
      case "stage.failed":
        return this.voided(this.stages.get(event.stage));
      case "stage.cancelled":
        return this.closed(this.stages.get(event.stage), null);
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled":
        return [...this.stages.values()].flatMap((said) => this.closed(said, null));
      default:
        return [];
    }
  }

  private begin({ data }: EventOf<"execution.queued" | "execution.started">): void {
    const last = new Set(sinks(data.stages).map(({ name }) => name));
    for (const { name } of data.stages) {
      const isAnswer = last.has(name);
      if (!isAnswer && !this.allStages) continue;
      if (!this.stages.has(name)) {
        this.stages.set(name, { isAnswer, attempt: 0, call: 0, parts: 0, part: null, length: 0 });
      }
    }
  }

  private write({ stage, attempt, data }: StageDelta): TextOperation[] {
    const said = this.stages.get(stage);
    // Deltas have no `seq`: what comes of an attempt that is over is late.
    if (said === undefined || attempt < said.attempt) return [];
    const base = attempt === said.attempt ? said.length : 0;
    said.attempt = attempt;
    return this.say(stage, said, Math.min(data.offset, base), data.partial_answer);
  }

  /** The stage's text is now what it was up to `cut`, and `piece`. */
  private say(stage: string, said: Said, cut: number, piece: string): TextOperation[] {
    const sent = said.part?.text ?? "";
    // The usual case, in which nothing needs to be compared: a piece continues where the last one ended.
    const rest = sent.length - cut;
    if (rest > 0 && sent.startsWith(piece, cut)) {
      said.length = cut + piece.length;
      return [];
    }
    if (rest === 0 || piece.startsWith(sent.slice(cut))) return this.append(stage, said, piece.slice(rest));
    const text = sent.slice(0, cut) + piece;
    return [...this.voided(said), ...this.append(stage, said, text)];
  }

  private append(stage: string, said: Said, text: string): TextOperation[] {
    if (text === "") {
      said.length = said.part?.text.length ?? 0;
      return [];
    }
    const operations: TextOperation[] = [];
    let { part } = said;
    if (part === null) {
      said.parts += 1;
      const call = said.parts === 1 ? String(said.call) : `${said.call}.${said.parts}`;
      part = { stage, call, isAnswer: said.isAnswer, text: "" };
      said.part = part;
      operations.push({ type: "open", part });
    }
    part.text += text;
    said.length = part.text.length;
    operations.push({ type: "append", part, text });
    return operations;
  }

  private complete({ stage, seq, data: result }: EventOf<"stage.completed">): TextOperation[] {
    const said = this.stages.get(stage);
    if (said === undefined) return [];
    // A result that is taken over from another run was never called for.
    if (said.call === 0) said.call = seq;
    const heard = said.part?.text.slice(0, said.length) ?? "";
    const answer = answerText(result.data);
    // An agent whose text ends otherwise than its result is taken at the word that people have read.
    const text = answer.startsWith(heard) ? answer : heard;
    const operations: TextOperation[] = [];
    if (said.part !== null && said.part.text !== text && !text.startsWith(said.part.text)) {
      operations.push(...this.voided(said));
    }
    operations.push(...this.append(stage, said, text.slice(said.part?.text.length ?? 0)));
    return [...operations, ...this.closed(said, result)];
  }

  private voided(said: Said | undefined): TextOperation[] {
    if (said === undefined || said.part === null) return [];
    const { part } = said;
    said.part = null;
    said.length = 0;
    return [{ type: "void", part }];
  }

  private closed(said: Said | undefined, result: StageResult | null): TextOperation[] {
    if (said === undefined || said.part === null) return [];
    const operations: TextOperation[] = [];
    if (said.part.text.length > said.length) {
      // The last try has not come as far as the one before it: only what it has said is true.
      const { stage, text } = said.part;
      const kept = text.slice(0, said.length);
      operations.push(...this.voided(said), ...this.append(stage, said, kept));
    }
    const { part } = said;
    if (part === null) return operations;
    said.part = null;
    return [...operations, { type: "close", part, result }];
  }
}

/** What of a stage's data is shown to people: `answer`, else another text in it, else all of it as JSON. */
export function answerText(data: unknown): string {
  if (data === null || typeof data !== "object") return "";
  for (const name of TEXT_MEMBERS) {
    const value: unknown = (data as Record<string, unknown>)[name];
    if (Object.hasOwn(data, name) && typeof value === "string") return value;
  }
  return JSON.stringify(data);
}

const TEXT_MEMBERS = ["answer", "text", "output", "content"] as const;
