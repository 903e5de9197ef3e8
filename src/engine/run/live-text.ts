// LiveText: the streamed text of a call in flight, which is not in the log. Readers hold a reference and remember how
// much of it they have passed on, so that a text is kept once, however many read it; what readers that keep up are
// sent is the same for all of them, and encoded once.
import type { AgentProgress } from "../../contract/agent.ts";
import type { EventOf, StageDelta, StageProgress } from "../../contract/event.ts";
import { cutText } from "../../contract/text.ts";
import { type UnitName, unitName, unitPlace } from "../../core/execution/units/unit-name.ts";
import { encodeTransient } from "../watch/sse.ts";

export class LiveText {
  readonly execution_id: string;
  readonly stage: string;
  /** The place of its item, of a stage that maps. */
  readonly item: number | undefined;
  readonly attempt: number;
  /** The `seq` of the call's stage.started. */
  readonly call: number;
  /** UTF-16 units received so far. */
  length = 0;
  /** The pieces received, in order. Not one string: to read the end of one that grows is to copy all of it. */
  private received: string[] = [];
  /** Where the text was cut, in order: a reader takes back what it has of it beyond each. */
  readonly cuts: number[] = [];
  progress: AgentProgress | null = null;
  /** Rises with every progress, so that a reader knows whether it has passed on the last one. */
  progressCount = 0;
  private lastDelta: { from: number; to: number; piece: Uint8Array } | null = null;
  private lastProgress: { count: number; piece: Uint8Array } | null = null;

  constructor(execution_id: string, unit: UnitName, attempt: number, call: number) {
    this.execution_id = execution_id;
    const { stage, item } = unitPlace(unit);
    this.stage = stage;
    this.item = item;
    this.attempt = attempt;
    this.call = call;
  }

  /** @param offset the text so far is cut there first; beyond its end nothing is cut */
  append(text: string, offset = this.length): void {
    if (offset < this.length) this.cut(offset);
    this.received.push(text);
    this.length += text.length;
  }

  /** What is left of `sent` units, passed on when there were `cutsSeen` cuts: the cuts since then are void. */
  keptOf(sent: number, cutsSeen: number): number {
    return this.cuts.slice(cutsSeen).reduce((kept, cut) => Math.min(kept, cut), sent);
  }

  progresses(progress: AgentProgress | null): void {
    this.progress = progress;
    this.progressCount += 1;
  }

  /** Of its unit. */
  get unit(): UnitName {
    return unitName(this.stage, this.item);
  }

  /** The whole text so far. */
  get text(): string {
    this.received = [this.received.join("")];
    return this.received[0] as string;
  }

  /** The text since `from`, in UTF-16 units, as a delta's bytes. */
  deltaPiece(from: number): Uint8Array {
    const to = this.length;
    if (this.lastDelta?.from !== from || this.lastDelta.to !== to) {
      this.lastDelta = { from, to, piece: encodeTransient(deltaEvent(this, this.since(from), from)) };
    }
    return this.lastDelta.piece;
  }

  /** The last progress as an event's bytes; to be asked for once there is one. */
  progressPiece(): Uint8Array {
    if (this.lastProgress?.count !== this.progressCount) {
      this.lastProgress = { count: this.progressCount, piece: encodeTransient(this.progressEvent()) };
    }
    return this.lastProgress.piece;
  }

  private cut(offset: number): void {
    const kept = cutText(this.text, offset);
    this.received = [kept];
    this.length = kept.length;
    this.cuts.push(kept.length);
    // The same places have another text now.
    this.lastDelta = null;
  }

  private since(from: number): string {
    let begin = this.length;
    let first = this.received.length;
    while (first > 0 && begin > from) {
      first -= 1;
      begin -= (this.received[first] as string).length;
    }
    return this.received
      .slice(first)
      .join("")
      .slice(from - begin);
  }

  /** A delta with which the text so far is void. */
  voidPiece(): Uint8Array {
    return encodeTransient(deltaEvent(this, "", 0));
  }

  private progressEvent(): StageProgress {
    const { message, fraction } = this.progress as AgentProgress;
    return {
      execution_id: this.execution_id,
      type: "stage.progress",
      stage: this.stage,
      ...(this.item === undefined ? {} : { item: this.item }),
      attempt: this.attempt,
      status: "running",
      message,
      data: { message, ...(fraction === undefined ? {} : { fraction }) },
    };
  }
}

/** The delta with which `text` is the whole text of this stage.started's or stage.completed's call. */
export function wholeDelta(event: EventOf<"stage.started" | "stage.completed">, text: string): StageDelta {
  return deltaEvent(event, text, 0);
}

function deltaEvent(
  of: { execution_id: string; stage: string; item?: number | undefined; attempt: number },
  text: string,
  offset: number,
): StageDelta {
  return {
    execution_id: of.execution_id,
    type: "stage.delta",
    stage: of.stage,
    ...(of.item === undefined ? {} : { item: of.item }),
    attempt: of.attempt,
    status: "running",
    data: { partial_answer: text, offset },
  };
}
