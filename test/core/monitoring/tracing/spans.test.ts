// The rules of what goes outbound: the webhook's events and schedule, the variables of both exports, log lines, and the
// spans of runs that did not go straight.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readOutbound } from "../../../../src/adapters/outbound/outbound.ts";
import { spansJson } from "../../../../src/adapters/outbound/otlp-encode.ts";
import { readHeaders } from "../../../../src/adapters/outbound/otlp-export.ts";
import { isLogged, logLine } from "../../../../src/core/monitoring/log-line.ts";
import { replay } from "../../../../src/core/execution/evolve.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { type Span, spansOf } from "../../../../src/core/monitoring/tracing/spans.ts";
import {
  executionEvent,
  nextTry,
  parseEvents,
  RETRY_AFTER_MS,
  WEBHOOK_EVENTS,
} from "../../../../src/core/monitoring/webhook.ts";
import { makeSpec, makeStage } from "../../simulation/spec.ts";
import { Bench, later, said } from "../../../engine/simulation/fair-weather.ts";
import { ran } from "../runs.ts";

describe("the webhook", () => {
  const failed = { status: 500, retry_after_ms: null };

  test("follows the standard's schedule, stretched by a tenth at most, and then gives up", () => {
    const seconds = (chance: number) =>
      Array.from({ length: 10 }, (_, at) => (nextTry(failed, at + 1, chance) ?? 0) / 1_000);
    const hour = 3_600;
    const standard = [5, 300, 1_800, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour, 0];
    expect(seconds(0)).toEqual(standard);
    for (const [at, wait] of seconds(0.999_999).entries()) {
      expect(wait).toBeGreaterThanOrEqual(standard[at] ?? 0);
      expect(wait).toBeLessThanOrEqual(1.1 * (standard[at] ?? 0));
    }
    expect(nextTry(failed, RETRY_AFTER_MS.length + 1, 0)).toBeNull();
  });

  test("is done with 2xx and with 410, tries again after everything else, and not before Retry-After", () => {
    const status = (code: number | null, retry_after_ms: number | null = null) =>
      nextTry({ status: code, retry_after_ms }, 1, 0);
    expect([200, 204, 299, 410].map((code) => status(code))).toEqual([null, null, null, null]);
    expect([null, 301, 400, 404, 429, 503].map((code) => status(code))).toEqual(Array(6).fill(5_000));
    expect(status(429, 60_000)).toBe(60_000);
    expect(status(503, 1_000)).toBe(5_000);
  });

  test("sends only alerts by default", () => {
    expect(parseEvents(undefined)).toEqual({ ok: true, value: new Set(["alert.firing", "alert.resolved"]) });
    expect(parseEvents("execution.failed, alert.firing")).toEqual({
      ok: true,
      value: new Set(["execution.failed", "alert.firing"]),
    });
    expect(parseEvents("execution.cancelled,execution.paused")).toMatchObject({ ok: true });
    expect(parseEvents("execution.started")).toEqual({ ok: false, error: "execution.started" });
    const statuses = ["paused", "completed", "failed", "cancelled", "running"] as const;
    expect(statuses.map(executionEvent)).toEqual([
      "execution.paused",
      "execution.completed",
      "execution.failed",
      "execution.cancelled",
      null,
    ]);
  });
});

describe("the documentation", () => {
  const root = join(import.meta.dirname, "../../../..");
  const text = (path: string) => readFileSync(join(root, path), "utf8");

  test("names every event and every variable", () => {
    for (const path of ["README.md", "fixtures/corpus/webhooks.md"]) {
      for (const event of WEBHOOK_EVENTS.split(", ")) expect(text(path), path).toContain(`\`${event}\``);
    }
    const variables = [
      ...["URL", "SECRET", "EVENTS"].map((name) => `AGENT_COORDINATOR_WEBHOOK_${name}`),
      ...["ENDPOINT", "HEADERS"].map((name) => `OTEL_EXPORTER_OTLP_${name}`),
    ];
    for (const name of variables) {
      expect(text("README.md")).toContain(name);
      const page = name.startsWith("OTEL") ? "exporting-traces" : "webhooks";
      expect(text(`fixtures/corpus/${page}.md`)).toContain(name);
    }
  });
});

describe("the variables", () => {
  test("nothing set, nothing goes out", () => {
    expect(readOutbound({}, "1")).toEqual({ ok: true, value: { webhook: null, otlp: null } });
  });

  test("a secret of less than 24 bytes is refused, and not shown", () => {
    const read = readOutbound(
      {
        AGENT_COORDINATOR_WEBHOOK_URL: "https://h.example",
        AGENT_COORDINATOR_WEBHOOK_SECRET: "whsec_c2hvcnQ=",
      },
      "1",
    );
    expect(read.ok).toBe(false);
    expect(JSON.stringify(read)).not.toContain("c2hvcnQ");
  });

  test("headers of the collector are read as OpenTelemetry writes them", () => {
    expect(readHeaders("a=1, B=two%20words,c=x=y")).toEqual({
      ok: true,
      value: { a: "1", b: "two words", c: "x=y" },
    });
    for (const wrong of ["=v", "a", "a=%E0", "a b=c", "a=x%0Ay"])
      expect(readHeaders(wrong).ok, wrong).toBe(false);
  });
});

describe("a log line", () => {
  test("is one line of JSON for any content", () => {
    const line = logLine("INFO", 0, {
      text: "a\nb\u001b[0m\u0085\u2028\u202e\ud800",
      long: "x".repeat(10_000),
    });
    // oxlint-disable-next-line no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(line.length).toBeLessThan(1_000);
    expect(JSON.parse(line)).toMatchObject({ level: "INFO", time: "1970-01-01T00:00:00.000Z" });
  });

  test("levels go up from DEBUG to ERROR", () => {
    const levels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
    const wanted = levels.map((least) => levels.filter((level) => isLogged(level, least)).length);
    expect(wanted).toEqual([4, 3, 2, 1]);
  });
});

describe("the spans of a run", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("that was paused in the middle of a call: the interrupted call, and the next one", async () => {
    const bench = new Bench((_request, _hooks, own) => later(own, 100, said()));
    await bench.start(makeSpec([makeStage("one")], {}, { traceparent }));
    await bench.until(40);
    bench.driver.submit({ type: "pause", mode: "abort" });
    await bench.until(500);
    bench.driver.submit({ type: "resume" });
    await bench.until();
    const { state } = bench.driver;
    const [root, cut, whole] = state === null ? [] : spansOf(state, bench.log);
    expect(cut).toMatchObject({ error: "interrupted by a pause", attributes: { "coordinator.attempt": 1 } });
    expect((cut?.ended ?? 0) - (cut?.began ?? 0)).toBe(40);
    expect(whole).toMatchObject({ error: null, attributes: { "coordinator.attempt": 1 } });
    expect((whole?.ended ?? 0) - (whole?.began ?? 0)).toBe(100);
    expect(whole?.span_id).not.toBe(cut?.span_id);
    expect(root?.events.map(({ name }) => name)).toEqual(["execution.paused", "execution.resumed"]);
  });

  test("counts tokens beyond 2^53 with all their digits, as an int of OTLP where it has 64 bits", async () => {
    const usage = { input_tokens: 9007199254740993n, output_tokens: 2n ** 63n };
    const bench = new Bench(async () => ({ ok: true, answer: { data: {}, usage }, bytes: 2 }));
    const { traceparent: _, ...fields } = makeSpec([makeStage("a")]);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await (await bench.start({ ...fields, traceparent })).until();
    const [root] = spansOf(replay(bench.log) as ExecutionState, bench.log);
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    const [{ attributes }] = JSON.parse(spansJson([root as Span], 1_000_000)) as [any];
    expect(attributes).toContainEqual({
      key: "gen_ai.usage.input_tokens",
      value: { intValue: "9007199254740993" },
    });
    expect(attributes).toContainEqual({ key: "gen_ai.usage.output_tokens", value: { doubleValue: 2 ** 63 } });
  });

  test("that failed says why, in the root too, and one without a trace has no spans", async () => {
    const stage = makeStage("one", { retry_attempts: 2 });
    const failing = await ran([stage], { one: [10, 10, 10] }, { fields: { traceparent } });
    const [root, ...tries] = spansOf(failing.state, failing.bench.log);
    expect(root).toMatchObject({
      parent_span_id: "b7ad6b7169203331",
      attributes: { "error.type": "AGENT_UNAVAILABLE", "coordinator.status": "failed" },
    });
    expect(root?.error).toContain("one");
    expect(tries.map(({ attributes }) => attributes["coordinator.attempt"])).toEqual([1, 2]);
    const without = await ran([stage], { one: 1 });
    expect(spansOf(without.state, without.bench.log)).toEqual([]);
  });
});

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
