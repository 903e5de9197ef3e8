// What a caller asks for in Accept and Prefer.
import { expect, test } from "vitest";
import { asksAnew, preferredType, readPrefer } from "../../src/http/negotiate.ts";

test.each([
  ["respond-async", 0, "respond-async"],
  ["respond-async; foo=bar", 0, "respond-async"],
  ["wait=2", 2_000, "wait=2"],
  ['Wait="2"; x', 2_000, "wait=2"],
  ["respond-async, wait=5", 5_000, "wait=5"],
  ["handling=lenient", null, null],
  ["wait=soon", null, null],
])("Prefer: %s", (header, wait_ms, applied) => {
  expect(readPrefer(header)).toEqual({ wait_ms, applied });
});

test.each([
  [null, "application/json"],
  ["*/*", "application/json"],
  ["text/event-stream", "text/event-stream"],
  ["text/event-stream;q=0.5, application/json", "application/json"],
  ["application/json;q=0, */*", "text/event-stream"],
  ["text/html", null],
])("Accept: %s", (header, type) => {
  expect(preferredType(header, ["application/json", "text/event-stream"])).toBe(type);
});

test("Cache-Control: no-cache asks for new results, in any case of letters and among other directives", () => {
  for (const header of ["no-cache", "No-Cache", "max-age=0, no-cache", " no-cache ,no-store"]) {
    expect(asksAnew(header), header).toBe(true);
  }
  for (const header of [null, "", "max-age=0", "no-store", "no-cache-please", 'private="no-cache"']) {
    expect(asksAnew(header), String(header)).toBe(false);
  }
});
