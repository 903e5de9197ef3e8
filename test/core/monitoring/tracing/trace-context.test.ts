// W3C Trace Context: a valid traceparent is carried on, an invalid one is ignored, a replay names the same spans.
import { expect, test } from "vitest";
import {
  callTraceparent,
  readTraceparent,
  rootTraceparent,
  runSpanId,
} from "../../../../src/core/monitoring/tracing/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const VALID = `00-${TRACE}-b7ad6b7169203331-01`;

test("a valid traceparent is read, one of a later version as far as it is known", () => {
  expect(readTraceparent(VALID)).toBe(VALID);
  expect(readTraceparent(` \t${VALID} `)).toBe(VALID);
  // Flags are carried as they are, those that version 00 does not know too.
  expect(readTraceparent(VALID.replace(/01$/, "03"))).toBe(VALID.replace(/01$/, "03"));
  expect(readTraceparent(`cc-${TRACE}-b7ad6b7169203331-01`)).toBe(VALID);
  expect(readTraceparent(`cc-${TRACE}-b7ad6b7169203331-01-`)).toBe(VALID);
  expect(readTraceparent(`cc-${TRACE}-b7ad6b7169203331-00-what-the-future-brings`)).toBe(
    `00-${TRACE}-b7ad6b7169203331-00`,
  );
});

test.each([
  null,
  "",
  `ff-${TRACE}-b7ad6b7169203331-01`,
  `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
  `00-${TRACE}-0000000000000000-01`,
  `00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`,
  `00-${TRACE}-b7ad6b7169203331`,
  `00-${TRACE.slice(1)}-b7ad6b7169203331-01`,
  // Version 00 has four fields and 55 characters.
  `${VALID}-`,
  `${VALID}-more`,
  `${VALID}.more`,
  `00-${TRACE}-b7ad6b7169203331-1`,
  `00-${TRACE}-b7ad6b7169203331-0g`,
  `00-${TRACE}-b7ad6b7169203331-0A`,
  `FF-${TRACE}-b7ad6b7169203331-01`,
  `CC-${TRACE}-b7ad6b7169203331-01`,
  `cc-${TRACE}-b7ad6b7169203331-01.more`,
  // Two headers, as they are joined.
  `${VALID}, ${VALID}`,
  `cc-${TRACE}-b7ad6b7169203331-01-x, cc-${TRACE}-b7ad6b7169203331-01-x`,
])("an invalid one is ignored: %s", (header) => {
  expect(readTraceparent(header)).toBeNull();
});

test("a root is a valid traceparent of its bytes that names the run's own span", () => {
  const root = rootTraceparent(
    Uint8Array.from({ length: 16 }, (_, at) => at + 1),
    "ex_1",
  );
  expect(root).toBe(`00-0102030405060708090a0b0c0d0e0f10-${runSpanId("ex_1")}-01`);
  expect(readTraceparent(root)).toBe(root);
});

test("each call has a span of its own in the run's trace, the same at every replay", () => {
  const spans = Array.from({ length: 200 }, (_, call) => callTraceparent(VALID, "ex_1", call));
  expect(new Set(spans).size).toBe(200);
  for (const span of spans) expect(readTraceparent(span)).toBe(span);
  expect(spans.every((span) => span.startsWith(`00-${TRACE}-`) && span.endsWith("-01"))).toBe(true);
  expect(callTraceparent(VALID, "ex_1", 7)).toBe(spans[7]);
  expect(callTraceparent(VALID, "ex_2", 7)).not.toBe(spans[7]);
});
