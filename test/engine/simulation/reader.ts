// Reader: one reader of a run's feed, who checks every byte: lifecycle events as they stand in the durable log, none
// before it is durable (I7, I9), and a text that comes out whole by the one rule of src/contract/README.md section 3.
import { type LogEvent, wireJson } from "../../../src/core/execution/log-event.ts";
import { type ExecutionState, isAtRest } from "../../../src/core/execution/state.ts";
import type { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { hold } from "../../core/simulation/observed/hold.ts";
import { unitOf } from "../../core/simulation/observed/stage.ts";

const decoder = new TextDecoder();

export class Reader {
  isLost = false;
  private readonly feed: EventFeed;
  private readonly driver: ExecutionDriver;
  private cursor: number;
  /** What has come before it: of calls begun by then it may have missed the end. */
  private readonly joinedAt: number;
  private readonly calls = new Map<string, { seq: number; iteration: number }>();
  private readonly texts = new Map<string, { attempt: number; text: string }>();

  /** @param rests its stream may end where the run is at rest */
  constructor(driver: ExecutionDriver, after: number, rests = false) {
    this.feed = new EventFeed(driver, after, false, false, rests);
    this.driver = driver;
    this.cursor = after;
    this.joinedAt = driver.state?.seq ?? 0;
  }

  /** The object died: the stream is cut. */
  lost(): void {
    this.isLost = true;
  }

  leave(): null {
    this.feed.close();
    return null;
  }

  /** Reads what is there; true where the stream has ended. */
  read(durable: readonly LogEvent[], said: ReadonlyMap<string, string>): boolean {
    if (this.isLost) return true;
    const { pieces, end } = this.feed.take();
    for (const message of pieces
      .map((piece) => decoder.decode(piece))
      .join("")
      .split("\n\n")) {
      if (message !== "") this.message(message, durable, said);
    }
    if (end === "terminal")
      hold("I8", this.cursor === durable.length, () => "the stream ended before the log");
    if (end === "rest") {
      const { state } = this.driver;
      hold("I9", this.cursor === state?.seq, () => "the stream rests before the last event");
      hold(
        "I11",
        isAtRest(state as ExecutionState),
        () => `the stream rests in a run that is ${state?.status}`,
      );
    }
    return end !== "no";
  }

  private message(message: string, durable: readonly LogEvent[], said: ReadonlyMap<string, string>): void {
    const fields = new Map(message.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line]));
    const field = (name: string) => fields.get(name)?.slice(name.length + 2);
    const [id, type, json] = [field("id"), field("event") ?? "", field("data") ?? ""];
    hold("I7", type !== "" && json !== "", () => `not an event: ${message}`);
    if (id === undefined) {
      this.transient(type, JSON.parse(json));
      return;
    }
    const seq = Number(id);
    hold("I6", seq === this.cursor + 1, () => `seq ${seq} after ${this.cursor}`);
    this.cursor = seq;
    const event = durable[seq - 1];
    hold("I9", event !== undefined, () => `${type} was seen before it was durable`);
    hold("I7", json === wireJson(event as LogEvent), () => `seq ${seq} was not sent as it stands in the log`);
    if (event?.type === "stage.started" && event.data.items === undefined) {
      this.calls.set(unitOf(event), { seq, iteration: event.data.iteration ?? 0 });
    }
    if (type === "stage.completed" || type === "stage.iterated") this.whole(event as LogEvent, said);
  }

  private transient(
    type: string,
    event: {
      stage: string;
      item?: number;
      attempt: number;
      data: { partial_answer: string; offset: number };
    },
  ): void {
    hold("I7", type === "stage.delta", () => `${type} has no id`);
    const { attempt, data } = event;
    const stage = unitOf(event);
    const before = this.texts.get(stage);
    const text = before?.attempt === attempt ? before.text : "";
    hold("I7", data.offset <= text.length, () => `a delta of ${stage} at ${data.offset} of ${text.length}`);
    this.texts.set(stage, { attempt, text: text.slice(0, data.offset) + data.partial_answer });
  }

  /** Who was there while a stage was called has all that it said. */
  private whole(event: LogEvent, said: ReadonlyMap<string, string>): void {
    const stage = unitOf(event);
    const { seq = 0, iteration } = this.calls.get(stage) ?? {};
    if (seq <= this.joinedAt) return;
    const got = this.texts.get(stage);
    const text = got?.attempt === event.attempt ? got?.text : "";
    const want = said.get(`${stage} ${iteration} ${event.attempt}`);
    hold("I7", text === want, () => `${stage} said ${want}, the reader has ${text}`);
  }
}
