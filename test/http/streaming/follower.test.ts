// The Worker's side of a stream against objects that die in every way: what is half is held back, the next stream is
// asked for after the last whole event, the end is known by its mark, and an EventSource never sees 429 or 503.
import { getLines, getMessages } from "@microsoft/fetch-event-source/lib/cjs/parse.js";
import { createParser } from "eventsource-parser";
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { CoordinatorError } from "../../../src/contract/problem.ts";
import { eventsResponse, refusalResponse } from "../../../src/engine/object-protocol.ts";
import type { Clock } from "../../../src/engine/ports.ts";
import { createApp } from "../../../src/http/app.ts";
import { streamResponse } from "../../../src/http/streaming/follower.ts";

const encoder = new TextEncoder();
const terms = { heartbeat_ms: 15_000, buffer_events: 1_024, stall_ms: 5_000 };
const event = (seq: number) => `event: x\ndata: {"seq":${seq}}\nid: ${seq}\n\n`;

/** An object's stream of these chunks; then it ends, or dies. */
function stream(chunks: readonly string[], dies = false): Response {
  const left = [...chunks];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(encoder.encode(next));
      else if (dies) controller.error(new Error("the object was reset"));
      else controller.close();
    },
  });
  return eventsResponse(body, terms);
}

function refusal(code: string): Response {
  return refusalResponse({ code } as CoordinatorError);
}

/** Waits of the follower come at once and are noted; heartbeats never. */
function quickClock(): { clock: Clock; waits: number[] } {
  const waits: number[] = [];
  const clock: Clock = {
    now: () => 0,
    after: (ms, task) => {
      if (ms < terms.heartbeat_ms) {
        waits.push(ms);
        queueMicrotask(task);
      }
      return () => {};
    },
  };
  return { clock, waits };
}

/** What the reader gets, and after which events the object was asked again. */
async function readThrough(first: Response, ...next: (() => Response)[]) {
  const { clock, waits } = quickClock();
  const asked: number[] = [];
  const reattach = {
    stream: async (after: number) => {
      asked.push(after);
      const make = next.shift();
      if (make === undefined) throw new Error("the object is not there");
      return make();
    },
    rest: () => Promise.reject(new Error("the object is not there")),
  };
  const text = await streamResponse(first, 0, reattach, clock).text();
  expect(text.startsWith("retry: 1000\n")).toBe(true);
  return { text: text.slice("retry: 1000\n".length), asked, waits };
}

test("a deliberate end asks for nothing more, and its mark is not passed on", async () => {
  const { text, asked } = await readThrough(stream([event(1), `${event(2)}:e`, "nd"]));
  expect(text).toBe(event(1) + event(2));
  expect(asked).toEqual([]);
});

test.each([true, false])(
  "a death in mid-event (an error: %s) is gone on from, and the half is dropped",
  async (dies) => {
    const { text, asked } = await readThrough(
      stream([event(1), `${event(2)}event: x\nda`], dies),
      () => stream([event(3).slice(0, 12)], dies),
      () => stream([event(3), ":end"]),
    );
    expect(text).toBe(event(1) + event(2) + event(3));
    expect(asked).toEqual([2, 2]);
  },
);

test("a crash after the terminal event is detected by 204", async () => {
  const { text, asked } = await readThrough(
    stream([event(1)], true),
    () => new Response(null, { status: 204 }),
  );
  expect(text).toBe(event(1));
  expect(asked).toEqual([1]);
});

test("an execution that is gone ends it; a fault that passes does not", async () => {
  const gone = await readThrough(stream([event(1)], true), () => refusal("EXECUTION_NOT_FOUND"));
  expect(gone.asked).toEqual([1]);
  const passing = await readThrough(
    stream([event(1)], true),
    () => refusal("RESOURCE_EXHAUSTED"),
    () => stream([event(2), ":end"]),
  );
  expect(passing.text).toBe(event(1) + event(2));
});

test("tries are bounded, wait longer each time, and start over with each event", async () => {
  const { text, waits } = await readThrough(stream([event(1)], true));
  expect(text).toBe(event(1));
  expect(waits).toEqual(TIMINGS.REATTACH_MS.filter((ms) => ms > 0));
  const again = await readThrough(
    stream([event(1)], true),
    () => refusal("INTERNAL_ERROR"),
    () => stream([event(2)], true),
  );
  expect(again.text).toBe(event(1) + event(2));
  expect(again.asked).toHaveLength(2 + TIMINGS.REATTACH_MS.length);
});

test.each([
  ["that does not answer", () => Promise.reject(new Error("overloaded"))],
  ["whose storage is full", () => Promise.resolve(refusal("RESOURCE_EXHAUSTED"))],
])(
  "an EventSource is never answered 429 or 503: of an object %s it is asked to reconnect later",
  async (_name, answer) => {
    const stub = { fetch: answer, read: answer };
    const namespace = { idFromName: (name: string) => name, get: () => stub };
    const env = { AGENT_COORDINATOR_AUTH: "none", EXECUTIONS: namespace, CATALOG: namespace };
    const headers = { accept: "text/event-stream", "last-event-id": "3" };
    const response = await createApp().request("/v1/executions/some/events", { headers }, env);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const text = await response.text();
    expect(text).toBe("retry: 5000\n");
    // What clients make of it: a time to wait, and no message.
    const got: unknown[] = [];
    const lines = getMessages(
      () => {},
      (ms) => void got.push(ms),
      (message) => void got.push(message),
    );
    getLines(lines)(encoder.encode(text));
    createParser({ onRetry: (ms) => void got.push(ms), onEvent: (one) => void got.push(one) }).feed(text);
    expect(got).toEqual([5_000, 5_000]);
  },
);
