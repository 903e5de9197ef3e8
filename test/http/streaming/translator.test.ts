// A stream in another protocol: whole events go through the encoder, whatever the cuts of the bytes and the ends of the
// object's streams; the encoder ends the stream, and has the last word where it breaks off.
import { expect, test } from "vitest";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import type { Encoder } from "../../../src/core/dialects/encoder.ts";
import { eventsResponse } from "../../../src/engine/object-protocol.ts";
import type { Clock } from "../../../src/engine/ports.ts";
import { streamResponse } from "../../../src/http/streaming/follower.ts";

const bytes = new TextEncoder();
const terms = { heartbeat_ms: 15_000, buffer_events: 1_024, stall_ms: 5_000 };
const logged = (seq: number, type = "x") =>
  `event: ${type}\ndata: ${JSON.stringify({ seq, type })}\nid: ${seq}\n\n`;
const delta = 'event: stage.delta\ndata: {"type":"stage.delta"}\n\n';
const clock: Clock = {
  now: () => 0,
  after: (ms, task) => {
    if (ms < terms.heartbeat_ms) queueMicrotask(task);
    return () => {};
  },
};

/** Says the number of each event; ends at `last`, throws at `bad`. */
function numbers(bad?: string): Encoder & { seen: number } {
  return {
    seen: 0,
    isOver: false,
    push(event: StreamEvent) {
      this.seen += 1;
      if (event.type === bad) throw new Error("no such case");
      if ((event.type as string) === "last") Object.assign(this, { isOver: true });
      return "seq" in event ? `${event.seq},` : "";
    },
    lost: () => "lost",
  };
}

function stream(...chunks: string[]): { response: Response; state: { cancelled: boolean } } {
  const state = { cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = chunks.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(bytes.encode(next));
    },
    cancel() {
      state.cancelled = true;
    },
  });
  return { response: eventsResponse(body, terms), state };
}

async function textOf(first: Response, encoder: Encoder, ...next: Response[]): Promise<string> {
  const reattach = {
    stream: async () => next.shift() ?? Promise.reject(new Error("it is gone")),
    rest: () => Promise.reject(new Error("it is gone")),
  };
  const text = await streamResponse(first, 0, reattach, clock, {}, encoder).text();
  expect(text.startsWith("retry: 1000\n")).toBe(true);
  return text.slice("retry: 1000\n".length);
}

test("events are encoded whole, each once, across the streams of several instances", async () => {
  const encoder = numbers();
  const whole = logged(1) + delta + logged(2);
  const first = stream(whole.slice(0, 30), whole.slice(30), logged(3).slice(0, 9));
  const second = stream(`: comment\nretry: 5\n${logged(3)}`, logged(4, "last"));
  expect(await textOf(first.response, encoder, second.response)).toBe("1,2,3,4,");
  expect(encoder.seen).toBe(5);
});

test("the encoder's end is the stream's, and the object is left", async () => {
  const { response, state } = stream(logged(1), logged(2, "last") + logged(3), logged(4));
  expect(await textOf(response, numbers())).toBe("1,2,");
  expect(state.cancelled).toBe(true);
});

test("where the events cannot be followed any further the encoder says so", async () => {
  expect(await textOf(stream(logged(1)).response, numbers())).toBe("1,lost");
});

test("an encoder that fails ends the stream, and is not tried again", async () => {
  const encoder = numbers("stage.delta");
  const { response, state } = stream(logged(1) + delta + logged(2), logged(3));
  expect(await textOf(response, encoder)).toBe("1,lost");
  expect([encoder.seen, state.cancelled]).toEqual([2, true]);
});
