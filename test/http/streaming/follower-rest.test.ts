// The Worker's side of a stream whose run is at rest: the reader's stream stays open without one of the object's, and
// goes on when the object says so, or when its socket is lost.
import { expect, test } from "vitest";
import type { CoordinatorError } from "../../../src/contract/problem.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { eventsResponse, refusalResponse } from "../../../src/engine/object-protocol.ts";
import { streamResponse } from "../../../src/http/streaming/follower.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

const encoder = new TextEncoder();
const terms = { heartbeat_ms: 15_000, buffer_events: 1_024, stall_ms: 5_000 };
const event = (seq: number) => `event: x\ndata: {"seq":${seq}}\nid: ${seq}\n\n`;

function stream(text: string): Response {
  return eventsResponse(new Response(encoder.encode(text)).body as ReadableStream<Uint8Array>, terms);
}

/** The Worker's end of a socket, which the test plays the object on. */
class Socket extends EventTarget {
  isAccepted = false;
  isClosed = false;

  accept(): void {
    this.isAccepted = true;
  }

  close(): void {
    this.isClosed = true;
  }

  says(data: string): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
    this.dispatchEvent(new Event("close"));
  }

  breaks(type: "close" | "error"): void {
    this.dispatchEvent(new Event(type));
  }
}

/** A reader in virtual time, whose first stream is `first`; each further one is the next of `streams`. */
function read(first: string, streams: (string | CoordinatorError)[]) {
  const time = new VirtualTime(0);
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const sockets: Socket[] = [];
  const asked: string[] = [];
  const reattach = {
    stream: async (after: number) => {
      asked.push(`stream ${after} at ${time.now}`);
      const next = streams.shift();
      if (next === undefined) throw new Error("the object is not there");
      return typeof next === "string" ? stream(next) : refusalResponse(next);
    },
    rest: async (after: number) => {
      asked.push(`rest ${after}`);
      const socket = new Socket();
      sockets.push(socket);
      return Object.assign(new Response(null), { webSocket: socket as unknown as WebSocket });
    },
  };
  const response = streamResponse(stream(first), 0, reattach, clock);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const got = { text: "", isOver: false };
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      got.text += new TextDecoder().decode(part.value);
    }
    got.isOver = true;
  })();
  reading.catch(() => {});
  const until = async (ms: number) => {
    time.after(ms - time.now, () => {});
    await drained();
    while (time.now < ms && (await time.step())) await drained();
    await drained();
  };
  return { got, asked, sockets, until, leave: () => reader.cancel() };
}

const START = `retry: ${TIMINGS.RECONNECT_MS}\n`;

test("the reader gets comments while the run is at rest, and the rest of the stream once it goes on", async () => {
  const { got, asked, sockets, until } = read(`${event(1)}:rest`, [`${event(2)}:end`]);
  await until(46_000);
  expect(got).toEqual({ text: `${START}${event(1)}: \n: \n: \n`, isOver: false });
  expect(asked).toEqual(["rest 1"]);
  expect(sockets).toMatchObject([{ isAccepted: true, isClosed: false }]);
  sockets[0]?.says("7");
  await until(46_100);
  // It comes back as much later as the object says.
  expect(asked).toEqual(["rest 1", "stream 1 at 46007"]);
  expect(got).toEqual({ text: `${START}${event(1)}: \n: \n: \n${event(2)}`, isOver: true });
  expect(sockets[0]?.isClosed).toBe(true);
});

test.each(["close", "error"] as const)(
  "a socket that is lost (%s) is made up for by a stream",
  async (loss) => {
    const { got, asked, sockets, until } = read(`${event(1)}:rest`, [":rest", `${event(2)}:end`]);
    await until(100);
    sockets[0]?.breaks(loss);
    await until(200);
    // Nothing has happened: it rests again.
    expect(asked).toEqual(["rest 1", "stream 1 at 100", "rest 1"]);
    expect(got.isOver).toBe(false);
    sockets[1]?.says("0");
    await until(1_000);
    expect(got).toEqual({ text: `${START}${event(1)}${event(2)}`, isOver: true });
  },
);

test("sockets that are lost at once again and again are tried later each time, and not for ever", async () => {
  const { got, asked, sockets, until } = read(`${event(1)}:rest`, Array<string>(50).fill(":rest"));
  for (let ms = 10; ms < 60_000 && !got.isOver; ms += 10) {
    sockets.at(-1)?.breaks("close");
    await until(ms);
  }
  expect(got.isOver).toBe(true);
  expect(asked.filter((what) => what.startsWith("stream"))).toHaveLength(TIMINGS.REATTACH_MS.length);
});

test("a socket that lasted counts as proof that the object is well", async () => {
  const { got, asked, sockets, until } = read(`${event(1)}:rest`, Array<string>(50).fill(":rest"));
  for (let n = 1; n <= 20; n += 1) {
    await until(n * 10_000);
    sockets.at(-1)?.breaks("close");
  }
  await until(200_100);
  expect(got.isOver).toBe(false);
  expect(asked.filter((what) => what.startsWith("stream"))).toHaveLength(20);
});

test("a reader that leaves closes its socket, also one that comes afterwards", async () => {
  const { asked, sockets, until, leave } = read(`${event(1)}:rest`, []);
  await until(100);
  await leave();
  await until(200);
  expect(sockets[0]?.isClosed).toBe(true);
  expect(asked).toEqual(["rest 1"]);
});

test("a run that is gone ends the stream", async () => {
  const gone = { code: "EXECUTION_NOT_FOUND", execution_id: "e" } as const;
  const { got, sockets, until } = read(`${event(1)}:rest`, [gone]);
  await until(100);
  sockets[0]?.says("0");
  await until(200);
  expect(got).toEqual({ text: `${START}${event(1)}`, isOver: true });
});
