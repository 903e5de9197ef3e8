// What a caller asks for in Accept and Prefer.
import { expect, test } from "vitest";
import { bypassesCache, preferredType, readPrefer } from "../../../src/http/request/negotiate.ts";

test.each([
  [null, null, null],
  ["", null, null],
  [",,", null, null],
  ["respond-async", 0, "respond-async"],
  ["Respond-ASYNC", 0, "respond-async"],
  ["respond-async; foo=bar", 0, "respond-async"],
  ["respond-async=true", 0, "respond-async"],
  ['respond-async=""', 0, "respond-async"],
  ["return=minimal, respond-async", 0, "respond-async"],
  ["wait=2", 2_000, "wait=2"],
  ["wait=002", 2_000, "wait=2"],
  ["wait=0", 0, "wait=0"],
  ['wait="5"', 5_000, "wait=5"],
  ['wait="\\5"', 5_000, "wait=5"],
  ["wait = 5", 5_000, "wait=5"],
  ["wait\t=\t5 ; x = y", 5_000, "wait=5"],
  ['Wait="2"; x', 2_000, "wait=2"],
  ["respond-async, wait=5", 5_000, "respond-async, wait=5"],
  ["wait=0, respond-async", 0, "respond-async, wait=0"],
  // Of two the first counts, also where it is none.
  ["wait=0, wait=5", 0, "wait=0"],
  ["wait=soon, wait=0", null, null],
  // What is no wait is ignored.
  ["wait=1.5", null, null],
  ["wait=-1", null, null],
  ["wait=+1", null, null],
  ["wait=0x1", null, null],
  ["wait=1e3", null, null],
  ["wait=5 6", null, null],
  ["wait=", null, null],
  ["wait", null, null],
  ["wait=soon", null, null],
  ["wait=1.5, respond-async", 0, "respond-async"],
  // A wait beyond what a timer holds is one until the end.
  ["wait=99999999999", null, "wait=99999999999"],
  ["wait=99999999999999999999", null, null],
  ["handling=lenient", null, null],
  // A comma or a semicolon inside a quoted string separates nothing.
  ['foo="respond-async, bar"', null, null],
  ['foo="a, respond-async, b"', null, null],
  ['foo="a\\", respond-async"', null, null],
  ['foo="a; wait=0", wait=3', 3_000, "wait=3"],
  ['foo="never closed, respond-async', null, null],
  ["x-respond-async, waits=3", null, null],
])("Prefer: %s", (header, wait_ms, applied) => {
  expect(readPrefer(header)).toEqual({ wait_ms, applied });
});

test("several Prefer lines are one list", () => {
  const headers = new Headers([
    ["prefer", "handling=lenient"],
    ["prefer", "respond-async"],
  ]);
  expect(readPrefer(headers.get("prefer"))).toEqual({ wait_ms: 0, applied: "respond-async" });
});

const J = "application/json";
const S = "text/event-stream";

test.each([
  [null, J],
  ["", J],
  ["*/*", J],
  [`${S};q=0, */*`, J],
  ["text/*", S],
  [S, S],
  [`${S};q=0.5, ${J}`, J],
  [`${J};q=0, */*`, S],
  ["application/*;q=0.5, text/event-stream;q=0.4", J],
  ["application/json;q=0.4, text/event-stream;q=0.5", S],
  ["text/event-stream;Q=0.9,application/json;q=0.1", S],
  ["APPLICATION/JSON", J],
  ["text/event-stream ; q=1.0 , */* ; q=0.1", S],
  ["application/json;charset=utf-8", J],
  ["text/html, application/xhtml+xml, */*;q=0.1", J],
  ["text/event-stream;q=1.000;ext=1", S],
  ["text/event-stream;q=0.001", S],
  ['text/event-stream;foo="a,b", application/json;q=0.5', S],
  ['text/event-stream;foo="a;q=0", application/json;q=0.5', S],
  ['text/html;x="application/json, */*"', null],
  ["application/json;q=0.5, text/event-stream;q=0.5", J],
  ["application/json;q=0, text/event-stream;q=0", null],
  ["image/png", null],
  ["*/*;q=0", null],
  ["text/event-stream;q=abc", null],
  ["text/event-stream;q=1.5", null],
  ["text/event-stream;q=0x1", null],
  ["text/event-stream;q=", null],
  ["text/html", null],
])("Accept: %s", (header, type) => {
  expect(preferredType(header, [J, S])).toBe(type);
});

test("Cache-Control: no-cache asks for new results, in any case of letters and among other directives", () => {
  for (const header of ["no-cache", "No-Cache", "max-age=0, no-cache", " no-cache ,no-store"]) {
    expect(bypassesCache(header), header).toBe(true);
  }
  for (const header of [null, "", "max-age=0", "no-store", "no-cache-please", 'private="no-cache"']) {
    expect(bypassesCache(header), String(header)).toBe(false);
  }
});
