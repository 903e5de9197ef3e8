// What one export holds of a run with many spans, events or long texts.
import { describe, expect, test } from "vitest";
import { spansJson } from "../../../src/adapters/outbound/otlp-encode.ts";
import type { Span } from "../../../src/core/monitoring/tracing/spans.ts";

describe("the spans of a long run", () => {
  const span = (number: number, error = ""): Span => ({
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: String(number).padStart(16, "0"),
    parent_span_id: null,
    name: "invoke_agent one",
    kind: "client",
    began: 0,
    ended: 1,
    attributes: { number },
    error,
    events: [],
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const read = (json: string): any[] => JSON.parse(json);
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const attribute = (of: any, key: string) => of.attributes.find((one: any) => one.key === key)?.value;

  test("are all there where they fit", () => {
    const spans = read(spansJson([span(0), span(1), span(2)], 1_000_000));
    expect(spans.map(({ spanId }) => Number(spanId))).toEqual([0, 1, 2]);
    expect(attribute(spans[0], "coordinator.truncated")).toBeUndefined();
    expect(spansJson([], 1_000)).toBe("[]");
  });

  test("are bounded in bytes: the first and the last ones go out, and the root says how many do not", () => {
    // Two characters of three bytes each in most of the text.
    const tries = Array.from({ length: 6_400 }, (_, at) => span(at + 1, "日本".repeat(250)));
    const json = spansJson([span(0), ...tries], 1024 * 1024);
    expect(new TextEncoder().encode(json).byteLength).toBeLessThanOrEqual(1024 * 1024);
    const spans = read(json);
    const numbers = spans.map(({ spanId }) => Number(spanId));
    expect(numbers.slice(0, 3)).toEqual([0, 1, 2]);
    expect(numbers.at(-1)).toBe(6_400);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(attribute(spans[0], "coordinator.truncated")).toEqual({ boolValue: true });
    expect(attribute(spans[0], "coordinator.dropped_spans")).toEqual({
      intValue: String(6_401 - spans.length),
    });
  });

  test("have as many events as the SDKs allow", () => {
    const events = Array.from({ length: 1_000 }, (_, at) => ({ at, name: "execution.paused" }));
    const [root] = read(spansJson([{ ...span(0), events }], 1_000));
    expect([root.events.length, root.droppedEventsCount]).toEqual([128, 872]);
  });
});
