// eventFeed: from the log to one reader. Lifecycle events are pulled from the log by cursor, so that a slow reader
// costs a number and not a queue; a call's text is passed on between its start and its end, merged into as few
// deltas as the reader is slow. Keeps I7 (the bytes of a lifecycle event are the log's) and the order of
// src/contract/README.md section 3: a delta comes after its call's durable start and before its end. What is the same
// for many readers is encoded once.
import { keptText, type LogEvent, wireJson } from "../../core/execution/log-event.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver, Watcher } from "../run/driver.ts";
import { type LiveText, wholeDelta } from "../run/live-text.ts";
import { restsAfter } from "./resting-readers.ts";
import { encodeEvent, encodeTransient } from "./sse.ts";

/** The events that a reader may be sent now. */
export interface Portion {
  /** Whole events as the stream's bytes, in order. */
  pieces: Uint8Array[];
  /** There are no events after this; with `rest`, until something happens in the run. */
  end: "no" | "terminal" | "rest" | "closed";
}

/** How a text has been passed on to this reader. */
interface Followed {
  live: LiveText;
  sent: number;
  /** The cuts of the text that it has. */
  cuts: number;
  progressSent: number;
  /** What was sent of the same call is void: its text has begun again. */
  isVoid: boolean;
}

const ENDS_CALL: ReadonlySet<string> = new Set([
  "stage.completed",
  "stage.failed",
  "stage.retrying",
  "stage.cancelled",
  "stage.fallback",
  "stage.iterated",
]);

/** The bytes of events that readers who keep up share; they live as long as the driver remembers the events. */
const encoded = new WeakMap<LogEvent, Uint8Array>();

export class EventFeed implements Watcher {
  readonly sees_batches = true;
  private readonly driver: ExecutionDriver;
  /** The cursor that the reader named: it has the lifecycle events up to this one. */
  private readonly after: number;
  /** How far the log has been gone through; never beyond what is durable. */
  private cursor: number;
  private readonly passesText: boolean;
  private readonly followed = new Map<number, Followed>();
  /** The reader may have a part of a text that has ended since: it gets the whole. */
  private finishesTexts: boolean;
  private readonly rests: boolean;
  private hasChanges = false;
  private waiting: (() => void) | null = null;
  private closed = false;
  private readonly unwatch: () => void;

  /**
   * @param after the last `seq` that the reader has; one beyond the end of a running run still gets its end
   * @param resumes it has read this stream before, and was cut off
   * @param awaitsEnd it had a stream of this run while the run was active, and has not had its end
   * @param rests its stream ends where the run is at rest
   */
  constructor(driver: ExecutionDriver, after: number, resumes = false, awaitsEnd = false, rests = false) {
    this.driver = driver;
    this.after = after;
    this.rests = rests;
    const { durableSeq, state } = driver;
    const isBeyond = after > durableSeq;
    const hasEnded = state !== null && state.ended_at !== null;
    // The last event of a run that has ended is its end.
    const from = isBeyond && awaitsEnd && hasEnded ? state.seq - 1 : after;
    this.cursor = Math.min(from, durableSeq);
    this.finishesTexts = resumes && !isBeyond;
    this.passesText = driver.state?.spec.config.enable_streaming !== false;
    this.unwatch = driver.watch(this);
  }

  callBegan(live: LiveText): void {
    if (!this.passesText) return;
    const before = this.followed.get(live.call);
    if (before?.live === live) return;
    const isVoid = before !== undefined && (before.sent > 0 || before.isVoid);
    this.followed.set(live.call, { live, sent: 0, cuts: live.cuts.length, progressSent: 0, isVoid });
    // A reader that lags by whole calls keeps no more of their texts than this; it still gets their results.
    let chars = 0;
    for (const [call, followed] of [...this.followed].toReversed()) {
      chars += followed.live.length;
      if (chars <= TIMINGS.READER_TEXT_CHARS) continue;
      this.followed.delete(call);
      this.finishesTexts = true;
    }
  }

  wake(): void {
    this.hasChanges = true;
    this.waiting?.();
    this.waiting = null;
  }

  /** What the reader may see now, as much as fits one chunk; nothing where there is nothing new. */
  take(): Portion {
    this.hasChanges = false;
    // A broken driver's stream stops without its end: the reader goes on with the driver that comes after it.
    if (this.driver.fault) this.close();
    if (this.closed) return { pieces: [], end: "closed" };
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const add = (more: readonly Uint8Array[]) => {
      for (const piece of more) {
        pieces.push(piece);
        bytes += piece.byteLength;
      }
    };
    for (const event of this.driver.eventsAfter(this.cursor)) {
      add(this.before(event));
      if (event.seq > this.after || this.isEnd(event)) add([lifecyclePiece(event)]);
      add(this.following(event));
      this.cursor = event.seq;
      if (bytes < TIMINGS.STREAM_CHUNK_BYTES) continue;
      // The rest stays in the log until this much is gone.
      this.hasChanges = true;
      return { pieces, end: this.endsHere() };
    }
    for (const followed of this.followed.values()) {
      if (followed.live.call <= this.cursor) add(this.newPieces(followed));
    }
    const end = this.endsHere();
    return { pieces, end: end === "no" && this.restsHere() ? "rest" : end };
  }

  /** Resolves when there may be something new, or after close. */
  async changed(): Promise<void> {
    if (this.closed || this.hasChanges) return;
    await new Promise<void>((resolve) => {
      this.waiting = resolve;
    });
  }

  close(): void {
    this.closed = true;
    this.followed.clear();
    this.unwatch();
    this.wake();
  }

  private isEnd({ seq }: LogEvent): boolean {
    const { state } = this.driver;
    return state !== null && state.ended_at !== null && seq === state.seq;
  }

  private endsHere(): "no" | "terminal" {
    const { state } = this.driver;
    if (state === null || state.ended_at === null || this.cursor < state.seq) return "no";
    this.close();
    return "terminal";
  }

  private restsHere(): boolean {
    if (!this.rests || !restsAfter(this.driver, this.cursor)) return false;
    this.close();
    return true;
  }

  /** What must come before an event: the rest of the text of the call that it ends. */
  private before(event: LogEvent): Uint8Array[] {
    if (!this.passesText || !ENDS_CALL.has(event.type)) return [];
    const pieces: Uint8Array[] = [];
    let isFollowed = false;
    for (const [call, followed] of this.followed) {
      if (!isOf(followed.live, event) || call >= event.seq) continue;
      isFollowed = true;
      pieces.push(...this.newPieces(followed));
      this.followed.delete(call);
    }
    if (isFollowed || !this.finishesTexts || event.type !== "stage.completed") return pieces;
    // The call ended while this reader was away.
    const text = keptText(event);
    if (text !== null) pieces.push(encodeTransient(wholeDelta(event, text)));
    return pieces;
  }

  /** The events that must follow it: if a call follows another under the same attempt, the text so far is void. */
  private following(event: LogEvent): Uint8Array[] {
    if (!this.passesText) return [];
    if (event.type !== "stage.started") return [];
    const { internal, data, attempt } = event;
    const isFurther = attempt === 1 && (data.iteration ?? 1) > 1;
    if (!isFurther && internal?.repeated !== true) return [];
    for (const [call, { live }] of this.followed) {
      if (isOf(live, event) && call < event.seq) this.followed.delete(call);
    }
    return [encodeTransient(wholeDelta(event, ""))];
  }

  private newPieces(followed: Followed): Uint8Array[] {
    const { live } = followed;
    const pieces: Uint8Array[] = [];
    if (followed.isVoid) {
      followed.isVoid = false;
      pieces.push(live.voidPiece());
    }
    if (live.progressCount > followed.progressSent) {
      followed.progressSent = live.progressCount;
      pieces.push(live.progressPiece());
    }
    const kept =
      followed.cuts === live.cuts.length ? followed.sent : live.keptOf(followed.sent, followed.cuts);
    // An empty delta takes text back.
    if (live.length > kept || kept < followed.sent) pieces.push(live.deltaPiece(kept));
    followed.sent = live.length;
    followed.cuts = live.cuts.length;
    return pieces;
  }
}

function lifecyclePiece(event: LogEvent): Uint8Array {
  let piece = encoded.get(event);
  if (piece === undefined) {
    piece = encodeEvent(event.seq, event.type, wireJson(event));
    encoded.set(event, piece);
  }
  return piece;
}

/** True where the event is of the text's unit. */
function isOf(live: LiveText, { stage, item }: LogEvent): boolean {
  return live.stage === stage && live.item === item;
}
