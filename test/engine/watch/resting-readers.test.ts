// Readers of a run at rest, against the real driver: when their stream ends, what sends them back, and that nothing
// which happens in between is missed.
import { expect, test } from "vitest";
import { restsAfter, type ReaderKind, RestingReaders } from "../../../src/engine/watch/resting-readers.ts";
import { EventFeed } from "../../../src/engine/watch/feed.ts";
import { sseStream } from "../../../src/engine/watch/feed-stream.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, later, said } from "../simulation/fair-weather.ts";
import { drained } from "../simulation/virtual-time.ts";

/** The object's end of a socket. */
class Socket {
  readyState = 1;
  readonly sent: string[] = [];
  private readonly breaksAtSend: boolean;

  constructor(breaksAtSend = false) {
    this.breaksAtSend = breaksAtSend;
  }

  send(text: string): void {
    if (this.breaksAtSend) throw new TypeError("the socket is closed");
    this.sent.push(text);
  }

  close(): void {
    this.readyState = 2;
  }

  get asReal(): WebSocket {
    return this as unknown as WebSocket;
  }
}

function platform() {
  const kept: { socket: WebSocket; kind: ReaderKind }[] = [];
  const asked = { times: 0, woken: 0 };
  const sockets = {
    accept: (socket: WebSocket, kind: ReaderKind) => void kept.push({ socket, kind }),
    all: (kind?: ReaderKind) => {
      asked.times += 1;
      return kept.filter((one) => kind === undefined || one.kind === kind).map(({ socket }) => socket);
    },
  };
  const readers = () => new RestingReaders(sockets, () => (asked.woken += 1));
  return { readers, asked };
}

/** A run of one stage that takes a second, with its sockets. */
async function run() {
  const bench = new Bench(async (_request, hooks, b) => {
    await later(b, 1_000, said());
    hooks.delta("a text");
    return later(b, 1_000, said({ answer: "a text" }));
  });
  await bench.start({ ...makeSpec([makeStage("one")]), storage: "durable_object" });
  const { readers } = platform();
  const resting = readers();
  bench.driver.watch(resting);
  return { bench, resting };
}

const pause = (bench: Bench, mode: "drain" | "abort") => bench.driver.submit({ type: "pause", mode });

/** The stream of a reader, as its text and whether it is over. */
function stream(bench: Bench, after = 0, rests = true) {
  const got = { text: "", isOver: false };
  const reader = sseStream(new EventFeed(bench.driver, after, false, false, rests), () => {}).getReader();
  void (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      got.text += new TextDecoder().decode(part.value);
    }
    got.isOver = true;
  })();
  return got;
}

test("a stream rests once no call is in flight, after its last event", async () => {
  const { bench } = await run();
  const got = stream(bench);
  await bench.until(500);
  pause(bench, "drain");
  await bench.until(1_500);
  // The call goes on, and its text.
  expect(got.isOver).toBe(false);
  expect(got.text).toContain("a text");
  await bench.until(2_500);
  expect(got.isOver).toBe(true);
  expect(got.text).toMatch(/stage\.completed\n.*\nid: 4\n\n:rest$/);
});

test("a reader who does not know of it, and one of a run without storage, keep their streams", async () => {
  const { bench } = await run();
  const plain = stream(bench, 0, false);
  pause(bench, "abort");
  await bench.until(500);
  expect(plain.text).toContain("execution.paused");
  expect(plain.isOver).toBe(false);
  const inMemory = new Bench((_request, _hooks, b) => later(b, 1_000, said()));
  await inMemory.start({ ...makeSpec([makeStage("one")]), storage: "memory" });
  const kept = stream(inMemory);
  pause(inMemory, "abort");
  await inMemory.until(500);
  expect(kept.text).toContain("execution.paused");
  expect(kept.isOver).toBe(false);
});

test("what happens wakes every reader once, each a little later than the one before", async () => {
  const { bench, resting } = await run();
  pause(bench, "abort");
  await bench.until(500);
  const seq = bench.driver.state?.seq as number;
  const sockets = [new Socket(), new Socket(true), new Socket()];
  for (const socket of sockets) resting.accept(socket.asReal, "reader", restsAfter(bench.driver, seq));
  await bench.until(1_000);
  expect(sockets.map(({ sent }) => sent)).toEqual([[], [], []]);
  bench.driver.submit({ type: "resume" });
  bench.driver.submit({ type: "pause", mode: "abort" });
  expect(sockets[0]?.sent).toEqual(["0"]);
  expect(sockets[2]?.sent).toEqual([String(2 * TIMINGS.REST_WAKE_GAP_MS)]);
  expect(sockets[0]?.readyState).toBe(2);
});

test("what happened between a stream's rest and its socket sends the reader back at once", async () => {
  const { bench, resting } = await run();
  const got = stream(bench);
  pause(bench, "abort");
  await bench.until(500);
  expect(got.text).toMatch(/execution\.paused\n.*\nid: 3\n\n:rest$/);
  bench.driver.submit({ type: "resume" });
  pause(bench, "abort");
  await bench.until(600);
  // At rest again, and with events that the reader lacks.
  const late = new Socket();
  resting.accept(late.asReal, "reader", restsAfter(bench.driver, 3));
  expect(late.sent).toEqual(["0"]);
  const again = stream(bench, 3);
  await drained();
  expect(again.text).toMatch(/^event: execution\.resumed\n[^]*execution\.paused\n.*\nid: 6\n\n:rest$/);
  const rested = new Socket();
  resting.accept(rested.asReal, "reader", restsAfter(bench.driver, 6));
  expect(rested.sent).toEqual([]);
});

test("a run that goes on is not at rest, nor is one whose driver is broken", async () => {
  let isRefused = false;
  const bench = new Bench(
    (_request, _hooks, b) => later(b, 1_000, said()),
    () => isRefused,
  );
  await bench.start({ ...makeSpec([makeStage("one")]), storage: "durable_object" });
  const { driver } = bench;
  const seq = () => driver.state?.seq as number;
  expect(restsAfter(driver, seq())).toBe(false);
  pause(bench, "abort");
  expect(restsAfter(driver, seq())).toBe(true);
  const { readers } = platform();
  const resting = readers();
  driver.watch(resting);
  const socket = new Socket();
  resting.accept(socket.asReal, "reader", true);
  isRefused = true;
  driver.submit({ type: "cancel", reason: "" });
  expect(driver.fault).not.toBeNull();
  // Another driver takes the run up: the reader is sent to it.
  expect(socket.sent).toEqual(["0"]);
  expect(restsAfter(driver, seq())).toBe(false);
});

test("watchers are counted across instances, without those that are closed", () => {
  const { readers, asked } = platform();
  const before = readers();
  const [one, two, other] = [new Socket(), new Socket(), new Socket()];
  before.accept(one.asReal, "watcher", true);
  before.accept(two.asReal, "watcher", true);
  before.accept(other.asReal, "reader", true);
  const after = readers();
  expect(after.watchers).toBe(2);
  two.close();
  expect(after.watchers).toBe(1);
  after.wake();
  expect(asked.woken).toBe(1);
  expect(after.watchers).toBe(0);
  expect([one.sent, two.sent, other.sent]).toEqual([["0"], [], ["1"]]);
});

test("a run without readers at rest asks the platform for them once", () => {
  const { readers, asked } = platform();
  const resting = readers();
  for (let n = 0; n < 5; n += 1) resting.wake();
  resting.callBegan();
  expect(resting.watchers).toBe(0);
  expect(asked).toEqual({ times: 1, woken: 0 });
});
