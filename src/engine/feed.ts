// eventFeed: from the log to one reader. Lifecycle events are pulled from the log by cursor, so that a slow reader
// costs a number and not a queue; a call's text is passed on between its start and its end, merged into as few
// deltas as the reader is slow. Keeps I7 (the bytes of a lifecycle event are the log's) and the order of API.md
// section 3: a delta comes after its call's durable start and before its end.
import type { StageDelta, StageProgress } from "../contract/event.ts";
import { type LogEvent, wireJson } from "../core/execution/log-event.ts";
import type { ExecutionDriver, Watcher } from "./drive.ts";
import { deltaEvent, type LiveText } from "./live-text.ts";

/** What a reader is sent: a lifecycle event with its `seq` and bytes, or a transient one. */
export type Frame =
  | { kind: "event"; seq: number; type: string; json: string }
  | { kind: "transient"; type: string; json: string };

/** How a text has been passed on to this reader. */
interface Followed {
  live: LiveText;
  sent: number;
  progressSent: number;
}

const ENDS_CALL: ReadonlySet<string> = new Set([
  "stage.completed",
  "stage.failed",
  "stage.retrying",
  "stage.cancelled",
  "stage.fallback",
]);

export class EventFeed implements Watcher {
  readonly sees_turns = true;
  private readonly driver: ExecutionDriver;
  private cursor: number;
  private readonly followed = new Map<number, Followed>();
  private waiting: (() => void) | null = null;
  private closed = false;
  private readonly unwatch: () => void;

  /** @param after the last `seq` that the reader has */
  constructor(driver: ExecutionDriver, after: number) {
    this.driver = driver;
    this.cursor = after;
    this.unwatch = driver.watch(this);
  }

  callBegan(live: LiveText): void {
    this.followed.set(live.call, { live, sent: 0, progressSent: 0 });
  }

  wake(): void {
    this.waiting?.();
    this.waiting = null;
  }

  /** Everything the reader may see now; empty where there is nothing new. `done` after the terminal event. */
  take(): { frames: Frame[]; done: boolean } {
    // A reader that has gone is done: a loop that waits for its news would never wait.
    if (this.closed) return { frames: [], done: true };
    const frames: Frame[] = [];
    for (const event of this.driver.eventsAfter(this.cursor)) {
      frames.push(...this.before(event), lifecycleFrame(event), ...this.behind(event));
      this.cursor = event.seq;
    }
    for (const followed of this.followed.values()) {
      if (followed.live.call <= this.cursor) frames.push(...this.growth(followed));
    }
    const { state } = this.driver;
    const done = state !== null && state.ended_at !== null && this.cursor >= state.seq;
    if (done) this.close();
    return { frames, done };
  }

  /** Resolves when there may be something new, or after close. */
  async changed(): Promise<void> {
    if (this.closed) return;
    await new Promise<void>((resolve) => {
      this.waiting = resolve;
    });
  }

  close(): void {
    this.closed = true;
    this.unwatch();
    this.wake();
  }

  /** What must come before an event: the rest of the text of the call that it ends. */
  private before(event: LogEvent): Frame[] {
    if (!ENDS_CALL.has(event.type)) return [];
    const frames: Frame[] = [];
    for (const [call, followed] of this.followed) {
      if (followed.live.stage !== event.stage || call >= event.seq) continue;
      frames.push(...this.growth(followed));
      this.followed.delete(call);
    }
    return frames;
  }

  /** What must come behind it: where a call is repeated under its attempt, the text so far is void. */
  private behind(event: LogEvent): Frame[] {
    if (event.type !== "stage.started" || event.internal?.repeated !== true) return [];
    for (const [call, { live }] of this.followed) {
      if (live.stage === event.stage && call < event.seq) this.followed.delete(call);
    }
    const { execution_id, stage, attempt } = event;
    return [
      transient(deltaEvent({ execution_id, stage: stage as string, attempt: attempt as number }, "", 0)),
    ];
  }

  private growth(followed: Followed): Frame[] {
    const { live } = followed;
    const frames: Frame[] = [];
    if (live.progress !== null && live.progressCount > followed.progressSent) {
      followed.progressSent = live.progressCount;
      frames.push(transient(live.progressEvent(live.progress)));
    }
    if (live.text.length > followed.sent) {
      frames.push(transient(live.deltaFrom(followed.sent)));
      followed.sent = live.text.length;
    }
    return frames;
  }
}

function lifecycleFrame(event: LogEvent): Frame {
  return { kind: "event", seq: event.seq, type: event.type, json: wireJson(event) };
}

function transient(event: StageDelta | StageProgress): Frame {
  return { kind: "transient", type: event.type, json: JSON.stringify(event) };
}
