// The feed of one reader, against a driver that a test plays: late joiners, repeated calls, slow readers, readers that
// come back, and how much goes into one chunk.
import { expect, test } from "vitest";
import type { LogEvent, LogEventOf } from "../../../src/core/execution/log-event.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { LiveText } from "../../../src/engine/run/live-text.ts";

class Played {
  readonly log: LogEvent[] = [];
  readonly lives: LiveText[] = [];
  state = { seq: 0, ended_at: null as number | null, spec: { config: { enable_streaming: true } } };
  /** Events that are not durable yet. */
  unwritten = 0;
  private feeds: EventFeed[] = [];

  get durableSeq(): number {
    return this.state.seq - this.unwritten;
  }

  reader(after = 0, resumes = false, awaitsEnd = false): EventFeed {
    const feed = new EventFeed(this as unknown as ExecutionDriver, after, resumes, awaitsEnd);
    this.feeds.push(feed);
    return feed;
  }

  watch(feed: EventFeed): () => void {
    for (const live of this.lives) feed.callBegan(live);
    return () => {};
  }

  eventsAfter(seq: number): LogEvent[] {
    return this.log.filter((event) => event.seq > seq && event.seq <= this.durableSeq);
  }

  tell(type: LogEvent["type"], more: object = {}): void {
    this.state.seq += 1;
    const { seq } = this.state;
    const event = { execution_id: "e", seq, timestamp: "", type, status: "", message: "", data: {}, ...more };
    // The feed looks at few of the fields that a real one has.
    this.log.push(event as unknown as LogEvent);
    if (type.startsWith("execution.comp")) this.state.ended_at = 1;
  }

  call(stage = "s", attempt = 1, repeated = false, iteration?: number): LiveText {
    const internal = repeated ? { internal: { repeated } } : {};
    this.tell("stage.started", { stage, attempt, data: { iteration }, ...internal });
    const live = new LiveText("e", stage, attempt, this.state.seq);
    this.lives.push(live);
    for (const feed of this.feeds) feed.callBegan(live);
    return live;
  }

  end(live: LiveText, internal: LogEventOf<"stage.completed">["internal"] = {}): void {
    this.lives.splice(this.lives.indexOf(live), 1);
    const data = { data: { answer: live.text } };
    this.tell("stage.completed", { stage: live.stage, attempt: live.attempt, data, internal });
  }
}

/** What is taken, in short: `#seq type`, or `text@offset`. */
function taken(feed: EventFeed): string[] {
  const decoder = new TextDecoder();
  return feed.take().pieces.map((piece) => {
    const data = JSON.parse(/^data: (.*)$/m.exec(decoder.decode(piece))?.[1] as string);
    if (data.type === "stage.delta") return `${data.data.partial_answer}@${data.data.offset}`;
    if (data.type === "stage.progress") return `progress ${data.message}`;
    expect(decoder.decode(piece)).toMatch(new RegExp(`\\nid: ${data.seq}\\n\\n$`));
    expect(data.internal).toBeUndefined();
    return `#${data.seq} ${data.type}`;
  });
}

test("a late joiner gets a running stage's text so far as one delta, and then what comes", () => {
  const driver = new Played();
  driver.tell("execution.started");
  const live = driver.call();
  live.append("one ");
  live.append("two ");
  const feed = driver.reader();
  expect(taken(feed)).toEqual(["#1 execution.started", "#2 stage.started", "one two @0"]);
  live.append("three");
  expect(taken(feed)).toEqual(["three@8"]);
  expect(taken(feed)).toEqual([]);
});

test("a slow reader's deltas are merged, and come before the end of their call", () => {
  const driver = new Played();
  const feed = driver.reader();
  const live = driver.call();
  live.append("a");
  expect(taken(feed)).toEqual(["#1 stage.started", "a@0"]);
  for (const word of ["b", "c", "d"]) live.append(word);
  live.progress = { message: "done soon" };
  live.progressCount = 3;
  driver.end(live);
  driver.tell("execution.completed");
  expect(taken(feed)).toEqual([
    "progress done soon",
    "bcd@1",
    "#2 stage.completed",
    "#3 execution.completed",
  ]);
  expect(feed.take().end).toBe("closed");
});

test("no text is passed on before its call's start is durable", () => {
  const driver = new Played();
  const feed = driver.reader();
  const early = new LiveText("e", "s", 1, 1);
  feed.callBegan(early);
  early.append("too early");
  expect(taken(feed)).toEqual([]);
  driver.tell("stage.started", { stage: "s", attempt: 1 });
  expect(taken(feed)).toEqual(["#1 stage.started", "too early@0"]);
});

test("a call that is repeated under its attempt begins with an empty text", () => {
  const driver = new Played();
  const feed = driver.reader();
  driver.call().append("half");
  expect(taken(feed)).toEqual(["#1 stage.started", "half@0"]);
  driver.lives.length = 0;
  const again = driver.call("s", 1, true);
  again.append("anew");
  expect(taken(feed)).toEqual(["#2 stage.started", "@0", "anew@0"]);
});

test("an iteration has its text before it ends, and the next one begins with an empty text", () => {
  const driver = new Played();
  driver.tell("execution.started");
  const feed = driver.reader();
  const first = driver.call("s", 1, false, 1);
  first.append("a draft");
  expect(taken(feed)).toEqual(["#1 execution.started", "#2 stage.started", "a draft@0"]);
  first.append(", and more");
  driver.lives.splice(0, 1);
  driver.tell("stage.iterated", { stage: "s", attempt: 1, data: { iteration: 1, data: {} } });
  driver.call("s", 1, false, 2).append("better");
  expect(taken(feed)).toEqual([", and more@7", "#3 stage.iterated", "#4 stage.started", "@0", "better@0"]);
});

test("one who was cut off in mid-text and comes back after the call's end has it whole; a plain replay has no text", () => {
  const driver = new Played();
  const live = driver.call();
  live.append("held in the data");
  driver.end(live, { text_in: "answer" });
  const other = driver.call("t");
  driver.end(other, { text: "kept beside it" });
  expect(taken(driver.reader(1, true))).toEqual([
    "held in the data@0",
    "#2 stage.completed",
    "#3 stage.started",
    "kept beside it@0",
    "#4 stage.completed",
  ]);
  expect(taken(driver.reader(1, false))).toEqual([
    "#2 stage.completed",
    "#3 stage.started",
    "#4 stage.completed",
  ]);
});

test("a chunk is bounded: the rest waits in the log, and is asked for at once", async () => {
  const driver = new Played();
  const large = { pad: "x".repeat(TIMINGS.STREAM_CHUNK_BYTES / 2) };
  for (let n = 0; n < 5; n += 1) driver.tell("stage.skipped", { stage: "s", data: large });
  const feed = driver.reader();
  expect(taken(feed)).toHaveLength(2);
  await feed.changed();
  expect(taken(feed)).toHaveLength(2);
  expect(taken(feed)).toHaveLength(1);
});

test("a reader that lags by whole texts buffers a bounded part, and still gets each whole text at its end", () => {
  const driver = new Played();
  const feed = driver.reader();
  const half = "x".repeat(TIMINGS.READER_TEXT_CHARS / 2 + 1);
  for (const stage of ["a", "b", "c"]) {
    const live = driver.call(stage);
    live.append(half);
    driver.end(live, { text_in: "answer" });
  }
  driver.call("d");
  const whole: string[] = [];
  for (let got = taken(feed); got.length > 0; got = taken(feed))
    whole.push(...got.filter((one) => one.endsWith("@0")));
  expect(whole.map((text) => text.length)).toEqual([half.length + 2, half.length + 2, half.length + 2]);
});

test("with enable_streaming false there is no text at all", () => {
  const driver = new Played();
  driver.state.spec.config.enable_streaming = false;
  const feed = driver.reader(0, true);
  const live = driver.call("s", 1, true);
  live.append("unheard");
  driver.end(live, { text_in: "answer" });
  expect(taken(feed)).toEqual(["#1 stage.started", "#2 stage.completed"]);
});

test("a cursor beyond the end of a run that goes on: no event that the reader has, but its end, and then no more", () => {
  const driver = new Played();
  driver.tell("execution.started");
  for (const resumes of [false, true]) {
    const feed = driver.reader(99_999, resumes);
    expect(taken(feed)).toEqual([]);
    expect(feed.take().end).toBe("no");
  }
  const feed = driver.reader(99_999, true);
  const live = driver.call();
  live.append("text");
  expect(taken(feed)).toEqual(["text@0"]);
  driver.end(live);
  expect(taken(feed)).toEqual([]);
  driver.tell("execution.completed");
  expect(taken(feed)).toEqual(["#4 execution.completed"]);
  expect(feed.take()).toEqual({ pieces: [], end: "closed" });
});

test("a cursor only a little beyond the end gets what comes after it", () => {
  const driver = new Played();
  driver.tell("execution.started");
  const feed = driver.reader(3);
  const live = driver.call();
  driver.end(live);
  driver.call();
  expect(taken(feed)).toEqual(["#4 stage.started"]);
});

test("no text of a call whose start is not durable, for any cursor", () => {
  const driver = new Played();
  driver.tell("execution.started");
  const feed = driver.reader(99_999);
  driver.unwritten = 1;
  driver.call().append("too early");
  expect(taken(feed)).toEqual([]);
  driver.unwritten = 0;
  expect(taken(feed)).toEqual(["too early@0"]);
});

test("beyond the end of a run that has ended there is nothing, but for one whose stream broke off before the end", () => {
  const driver = new Played();
  driver.tell("execution.started");
  driver.tell("execution.completed");
  for (const after of [2, 99_999]) {
    expect(driver.reader(after).take()).toEqual({ pieces: [], end: "terminal" });
  }
  expect(driver.reader(2, true, true).take()).toEqual({ pieces: [], end: "terminal" });
  const again = driver.reader(99_999, true, true);
  expect(taken(again)).toEqual(["#2 execution.completed"]);
});

test("text that an agent takes back is cut for every reader, whatever each of them has of it", () => {
  const driver = new Played();
  const quick = driver.reader();
  const slow = driver.reader();
  const live = driver.call();
  live.append("Heat pumps");
  expect(taken(quick)).toEqual(["#1 stage.started", "Heat pumps@0"]);
  live.append("waves", 5);
  live.append("!", 4);
  expect(taken(quick)).toEqual(["!@4"]);
  expect(taken(slow)).toEqual(["#1 stage.started", "Heat!@0"]);
  // A cut alone is a delta without text; one beyond the end changes nothing.
  live.append("", 2);
  live.append("", 9);
  expect(taken(quick)).toEqual(["@2"]);
  expect(taken(quick)).toEqual([]);
  expect(live.text).toBe("He");
});

test("a cut and the text after it are not taken for what was sent of the same places before", () => {
  const driver = new Played();
  const feed = driver.reader();
  const live = driver.call();
  live.append("a");
  taken(feed);
  live.append("b");
  live.append("c", 1);
  expect(taken(feed)).toEqual(["c@1"]);
});
