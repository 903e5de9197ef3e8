// What the Worker holds for a reader, on a clock of the test's own: stream_buffer_size, stream_timeout_ms and
// enable_backpressure by two values each, and the comment lines.
import { expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { termsOf } from "../../../src/engine/object-protocol.ts";
import type { Clock } from "../../../src/engine/ports.ts";
import { ReaderBuffer } from "../../../src/http/streaming/reader-buffer.ts";

class TestClock implements Clock {
  private at = 0;
  private readonly timers = new Map<symbol, { at: number; task: () => void }>();

  now(): number {
    return this.at;
  }

  after(ms: number, task: () => void): () => void {
    const key = Symbol();
    this.timers.set(key, { at: this.at + ms, task });
    return () => this.timers.delete(key);
  }

  pass(ms: number): void {
    const until = this.at + ms;
    for (;;) {
      const [key, timer] =
        [...this.timers].filter(([, one]) => one.at <= until).toSorted((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (key === undefined || timer === undefined) break;
      this.timers.delete(key);
      this.at = timer.at;
      timer.task();
    }
    this.at = until;
  }
}

function bufferWith(
  changes: Partial<RunSpec["config"]>,
  on_disconnect: RunSpec["on_disconnect"] = "continue",
) {
  const clock = new TestClock();
  const spec = { config: { ...DEFAULT_CONFIG, ...changes }, on_disconnect } as RunSpec;
  let gone = 0;
  const buffer = new ReaderBuffer(termsOf(spec), clock, () => (gone += 1));
  const reader = buffer.stream().getReader();
  const event = new TextEncoder().encode("data: {}\n\n");
  let roomy = true;
  const put = (count: number) => {
    roomy = false;
    void buffer
      .put({ pieces: Array.from({ length: count }, () => event), events: count })
      .then(() => (roomy = true));
  };
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { clock, buffer, reader, put, read, settle, roomy: () => roomy, gone: () => gone };
}

test.each([
  [10, 9, true],
  [10, 10, false],
  [100, 10, true],
])("stream_buffer_size %i: with %i events not taken there is room: %s", async (size, count, room) => {
  const { put, settle, roomy } = bufferWith({ stream_buffer_size: size });
  put(count);
  await settle();
  expect(roomy()).toBe(room);
});

test.each([
  [200, 1],
  [5_000, 0],
])(
  "stream_timeout_ms %i: a reader that stalls for 1 s with a full buffer is closed: %i",
  async (ms, closed) => {
    const { clock, put, settle, buffer, gone, roomy } = bufferWith({
      stream_buffer_size: 10,
      stream_timeout_ms: ms,
    });
    put(10);
    await settle();
    clock.pass(1_000);
    await settle();
    expect(gone()).toBe(closed);
    expect(buffer.isClosed).toBe(closed === 1);
    expect(roomy()).toBe(closed === 1);
  },
);

test("a buffer that is not full does not close the stream, for any length of stall", async () => {
  const { clock, put, settle, gone } = bufferWith({ stream_buffer_size: 10, stream_timeout_ms: 200 });
  put(9);
  await settle();
  clock.pass(3_600_000);
  expect(gone()).toBe(0);
});

test("a reader that reads again in time is not closed, and has everything in one piece", async () => {
  const { clock, put, read, settle, gone, roomy } = bufferWith({ stream_buffer_size: 10 });
  put(10);
  await settle();
  clock.pass(4_999);
  expect(await read()).toBe(`retry: 1000\n${"data: {}\n\n".repeat(10)}`);
  await settle();
  clock.pass(60_000);
  expect(gone()).toBe(0);
  expect(roomy()).toBe(true);
});

test.each([
  [true, 0],
  [false, 1],
])("enable_backpressure %s: a full buffer closes at once: %i", async (enabled, closed) => {
  const { put, settle, gone } = bufferWith({ stream_buffer_size: 10, enable_backpressure: enabled });
  put(10);
  await settle();
  expect(gone()).toBe(closed);
});

test("large events fill it as well: its bytes are bounded", async () => {
  const { buffer, settle } = bufferWith({});
  let roomy = false;
  const piece = new Uint8Array(TIMINGS.READER_BUFFER_BYTES);
  void buffer.put({ pieces: [piece], events: 1 }).then(() => (roomy = true));
  await settle();
  expect(roomy).toBe(false);
});

test.each([
  ["continue", 15_000],
  ["cancel", 2_000],
] as const)("on_disconnect %s: a comment line after %i ms of silence, and again", async (mode, ms) => {
  const { clock, put, read, settle } = bufferWith({}, mode);
  await read();
  clock.pass(ms / 2);
  put(1);
  expect(await read()).toBe("data: {}\n\n");
  const next = read();
  await settle();
  clock.pass(ms - 1);
  put(0);
  let beaten = false;
  void next.then(() => (beaten = true));
  await settle();
  expect(beaten).toBe(false);
  clock.pass(1);
  expect(await next).toBe(": \n");
  const again = read();
  await settle();
  clock.pass(ms);
  expect(await again).toBe(": \n");
});

test("finish closes after the buffered events; a reader that cancels is reported once", async () => {
  const held = bufferWith({});
  held.put(1);
  held.buffer.finish();
  expect(await held.read()).toBe("retry: 1000\ndata: {}\n\n");
  expect((await held.reader.read()).done).toBe(true);
  const left = bufferWith({});
  await left.reader.cancel();
  left.put(1);
  left.clock.pass(60_000);
  expect(left.gone()).toBe(1);
});
