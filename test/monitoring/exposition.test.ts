// The exposition in both formats, read back by strict readers: Prometheus text by a parser of another author,
// OpenMetrics by one written from its specification.
import parsePrometheus from "parse-prometheus-text-format";
import { describe, expect, test } from "vitest";
import { exposition } from "../../src/core/monitoring/exposition.ts";
import { familiesOf } from "../../src/core/monitoring/families.ts";
import { addReport, emptyFigures } from "../../src/core/monitoring/figures.ts";
import type { RunEnd } from "../../src/core/monitoring/report.ts";
import { parseOpenMetrics } from "./openmetrics.ts";

function figuresOf(runs: readonly (readonly [RunEnd, number])[]) {
  const figures = emptyFigures();
  for (const [status, duration_ms] of runs) {
    addReport(figures, {
      pipeline: "p",
      status,
      duration_ms,
      context_bytes: 10,
      stages: [{ stage: "only", status, duration_ms, path_ms: duration_ms, retries: 1, cached: false }],
      shape: null,
    });
  }
  return figures;
}

const RAG = figuresOf([
  ["completed", 4],
  ["completed", 5],
  ["failed", 1_000],
  ["completed", 999_999],
]);

const families = familiesOf(
  new Map([
    ["rag", RAG],
    ["other.one", figuresOf([["cancelled", 0]])],
  ]),
  3,
);

describe("Prometheus text", () => {
  const text = exposition(families, "prometheus");
  const parsed = new Map(parsePrometheus(text).map((family) => [family.name, family]));

  test("has the names and types of the contract", () => {
    expect(Array.from(parsed.values(), ({ name, type }) => [name, type])).toEqual([
      ["pipeline_executions_total", "COUNTER"],
      ["pipeline_duration_seconds", "HISTOGRAM"],
      ["pipeline_success_rate", "GAUGE"],
      ["pipeline_stage_duration_seconds", "HISTOGRAM"],
      ["pipeline_stage_retries_total", "COUNTER"],
      ["pipeline_executions_in_progress", "GAUGE"],
    ]);
    expect(parsed.get("pipeline_executions_total")?.metrics).toEqual([
      { labels: { pipeline: "rag", status: "completed" }, value: "3" },
      { labels: { pipeline: "rag", status: "failed" }, value: "1" },
      { labels: { pipeline: "other.one", status: "cancelled" }, value: "1" },
    ]);
    expect(parsed.get("pipeline_success_rate")?.metrics).toEqual([{ value: "0.6" }]);
    expect(parsed.get("pipeline_executions_in_progress")?.metrics).toEqual([{ value: "3" }]);
  });

  test("a value at a bound is within it, and what is beyond every bound is counted", () => {
    // The parser does not keep labelled histograms apart, and drops their sum and count: one alone, and those as text.
    const alone = exposition(familiesOf(new Map([["rag", RAG]]), 0), "prometheus");
    const duration = parsePrometheus(alone).find(({ name }) => name === "pipeline_duration_seconds");
    const [rag] = duration?.metrics ?? [];
    expect(rag?.buckets["0.005"]).toBe("2");
    expect(rag?.buckets["0.5"]).toBe("2");
    expect(rag?.buckets["1.0"]).toBe("3");
    expect(rag?.buckets["300.0"]).toBe("3");
    expect(rag?.buckets["+Inf"]).toBe("4");
    const lines = alone.split("\n");
    expect(lines).toContain('pipeline_duration_seconds_sum{pipeline="rag"} 1001.008');
    expect(lines).toContain('pipeline_duration_seconds_count{pipeline="rag"} 4');
  });

  test("a line that is broken is refused by the parser: it would notice", () => {
    expect(() => parsePrometheus(text.replace('="rag"', "=rag"))).toThrow();
  });
});

describe("OpenMetrics", () => {
  const text = exposition(families, "openmetrics");

  test("is valid, and says the same", () => {
    const parsed = parseOpenMetrics(text);
    expect(Array.from(parsed, ([name, { type, unit }]) => [name, type, unit])).toEqual([
      ["pipeline_executions", "counter", null],
      ["pipeline_duration_seconds", "histogram", "seconds"],
      ["pipeline_success_rate", "gauge", null],
      ["pipeline_stage_duration_seconds", "histogram", "seconds"],
      ["pipeline_stage_retries", "counter", null],
      ["pipeline_executions_in_progress", "gauge", null],
    ]);
    expect(parsed.get("pipeline_executions")?.samples[0]).toEqual({
      name: "pipeline_executions_total",
      labels: { pipeline: "rag", status: "completed" },
      value: 3,
    });
  });

  test.each([
    ["no end", (whole: string) => whole.replace("# EOF\n", "")],
    ["a counter without _total", (whole: string) => whole.replaceAll("executions_total", "executions")],
    ["a bound that is no float", (whole: string) => whole.replace('le="1.0"', 'le="1"')],
    ["a bucket that falls", (whole: string) => whole.replace('le="300.0"} 3', 'le="300.0"} 1')],
    ["a raw quote", (whole: string) => whole.replace('"rag"', '"r"g"')],
    ["a blank line", (whole: string) => whole.replace("# HELP", "\n# HELP")],
    ["a sample twice", (whole: string) => whole.replace(/^(pipeline_success_rate .*)$/m, "$1\n$1")],
  ])("%s is refused", (_name, spoil) => {
    expect(spoil(text)).not.toBe(text);
    expect(() => parseOpenMetrics(spoil(text))).toThrow();
  });

  test("labels are escaped", () => {
    const odd = familiesOf(new Map([['a"b\\c\nd', figuresOf([["completed", 1]])]]), 0);
    const [sample] =
      parseOpenMetrics(exposition(odd, "openmetrics")).get("pipeline_executions")?.samples ?? [];
    expect(sample?.labels["pipeline"]).toBe('a"b\\c\nd');
  });

  test("of nothing there is a valid exposition", () => {
    const empty = familiesOf(new Map(), 0);
    expect(parseOpenMetrics(exposition(empty, "openmetrics")).get("pipeline_success_rate")?.samples).toEqual([
      { name: "pipeline_success_rate", labels: {}, value: 1 },
    ]);
    expect(() => parsePrometheus(exposition(empty, "prometheus"))).not.toThrow();
  });
});
