// A text that leaves an object: a string while it is short, a stream of bytes where it is long; and its last character
// replaced in either.
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { textOf, wholeText, withEnd } from "../../../src/engine/watch/text-stream.ts";

const LONG = "é".repeat(TIMINGS.MESSAGE_CHARS / 4);

test.each([0, 1, 4, 5, 9])("%i pieces of a quarter of a message are given as they are", async (count) => {
  const pieces = Array.from({ length: count }, (_, at) => `${at}${LONG.slice(1)}`);
  let ends = 0;
  const text = textOf(pieces.values(), () => (ends += 1));
  expect(typeof text).toBe(count <= 4 ? "string" : "object");
  expect(await wholeText(text)).toBe(pieces.join(""));
  expect(ends).toBe(count <= 4 ? 0 : 1);
});

test("a stream takes no more pieces than its reader does, and says once that its reader has gone", async () => {
  let taken = 0;
  let ends = 0;
  function* pieces() {
    for (; taken < 100; ) {
      taken += 1;
      yield LONG;
    }
  }
  const text = textOf(pieces(), () => (ends += 1));
  if (typeof text === "string") throw new Error("it is short");
  const before = taken;
  const reader = text.getReader();
  await reader.read();
  await reader.read();
  expect(taken - before).toBeLessThanOrEqual(2);
  await reader.cancel();
  expect(ends).toBe(1);
});

test("a piece that cannot be made breaks the stream, after the end was reported", async () => {
  let ends = 0;
  function* pieces() {
    for (let at = 0; at < 6; at += 1) yield LONG;
    throw new Error("no more");
  }
  await expect(wholeText(textOf(pieces(), () => (ends += 1)))).rejects.toThrow("no more");
  expect(ends).toBe(1);
});

test.each([1, 6])("the last character of %i pieces becomes another end", async (count) => {
  const body = `{"a":"${LONG.repeat(count)}"}`;
  const pieces = body.match(new RegExp(`[^]{1,${LONG.length}}`, "g")) ?? [];
  const text = withEnd(textOf(pieces.values()), ',"b":1}');
  expect(await wholeText(text)).toBe(`${body.slice(0, -1)},"b":1}`);
});
