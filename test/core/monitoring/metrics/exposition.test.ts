// The exposition in both formats, read back by the strict readers of Prometheus' own authors, which are shown to be
// strict: what is spoilt they refuse.
import { addWaits } from "../../../../src/core/monitoring/metrics/waits.ts";
import { describe, expect, test } from "vitest";
import { exposition } from "../../../../src/core/monitoring/metrics/exposition.ts";
import { familiesOf } from "../../../../src/core/monitoring/metrics/families.ts";
import { addReport, emptyTotals } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import type { RunEnd } from "../../../../src/core/monitoring/metrics/report.ts";
import { report } from "./reports.ts";
import { familiesIn, promtoolOn, readMetrics, type ReadFamily } from "../../../support/clients/prometheus.ts";

function figuresOf(runs: readonly (readonly [RunEnd, number])[]) {
  const figures = emptyTotals();
  for (const [status, duration_ms] of runs) {
    addReport(figures, {
      pipeline: "p",
      status,
      duration_ms,
      context_bytes: 10,
      stages: [{ stage: "only", status, duration_ms, path_ms: duration_ms, retries: 1, cached: false }],
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

const ASKING = figuresOf([["cancelled", 0]]);
ASKING.waits = new Map();
addWaits(ASKING.waits, [
  { stage: "approval", expired: false, ms: 90_000 },
  { stage: "approval", expired: true, ms: 86_400_000 },
]);

const NAME = 'acme "large"\\v2\n';
const COSTLY = emptyTotals();
for (const [model, cost_usd] of [
  [NAME, 0.25],
  [NAME, 0.5],
  ["", 0],
  ["new", null],
] as const) {
  const used = {
    model,
    cost_usd,
    input_tokens: 2,
    output_tokens: 1,
    unpriced_tokens: cost_usd === null ? 3 : 0,
  };
  const stages = report("p", ["only"]).stages.map((stage) => ({ ...stage, used }));
  addReport(COSTLY, { ...report("p"), stages });
}

const families = familiesOf(
  new Map([
    ["rag", RAG],
    ["other.one", ASKING],
    ["costly", COSTLY],
  ]),
  3,
  new Map([["asks", { open: 2, since: 0 }]]),
);

const prometheus = exposition(families, "prometheus");
const openMetrics = exposition(families, "openmetrics");

/** A family's samples of one name, by the labels that tell them apart. */
function valuesOf(
  family: ReadFamily | undefined,
  name: string,
  by: (labels: Record<string, string>) => string,
) {
  const samples = family?.samples.filter((sample) => sample.name === name) ?? [];
  return Object.fromEntries(samples.map(({ labels, value }) => [by(labels), value]));
}

describe("Prometheus text", () => {
  const read = familiesIn(prometheus, "prometheus");

  test("has the names and types of the contract, and promtool has nothing against them", () => {
    expect(promtoolOn(prometheus)).toBe("");
    expect(Array.from(prometheus.matchAll(/^# TYPE (.*)$/gm), ([, told]) => told)).toEqual([
      "pipeline_executions_total counter",
      "pipeline_duration_seconds histogram",
      "pipeline_success_rate gauge",
      "pipeline_stage_duration_seconds histogram",
      "pipeline_stage_retries_total counter",
      "pipeline_cost_usd_total counter",
      "pipeline_unpriced_tokens_total counter",
      "pipeline_executions_in_progress gauge",
      "pipeline_waits_open gauge",
      "pipeline_wait_duration_seconds histogram",
      "pipeline_waits_expired_total counter",
    ]);
    expect(
      valuesOf(read.get("pipeline_executions"), "pipeline_executions_total", (at) => JSON.stringify(at)),
    ).toEqual({
      '{"pipeline":"rag","status":"completed"}': 3,
      '{"pipeline":"rag","status":"failed"}': 1,
      '{"pipeline":"other.one","status":"cancelled"}': 1,
      '{"pipeline":"costly","status":"completed"}': 4,
    });
    expect(read.get("pipeline_success_rate")?.samples).toMatchObject([{ labels: {}, value: 7 / 9 }]);
    expect(read.get("pipeline_executions_in_progress")?.samples).toMatchObject([{ labels: {}, value: 3 }]);
  });

  test("costs are there by model, as far as they are known", () => {
    const models = (name: string) => valuesOf(read.get(name), `${name}_total`, ({ model }) => model ?? "-");
    expect(models("pipeline_cost_usd")).toEqual({ [NAME]: 0.75, "": 0 });
    expect(models("pipeline_unpriced_tokens")).toEqual({ new: 3 });
    expect(prometheus).toContain(
      'pipeline_cost_usd_total{pipeline="costly",stage="only",model="acme \\"large\\"\\\\v2\\n"} 0.75\n',
    );
  });

  test("a value at a bound is within it, and what is beyond every bound is counted", () => {
    const duration = read.get("pipeline_duration_seconds");
    const of = (suffix: string, label: string) =>
      valuesOf(
        duration && {
          ...duration,
          samples: duration.samples.filter((at) => at.labels["pipeline"] === "rag"),
        },
        `pipeline_duration_seconds_${suffix}`,
        (labels) => labels[label] ?? "",
      );
    expect(of("bucket", "le")).toMatchObject({
      "0.005": 2,
      "0.5": 2,
      "1.0": 3,
      "300.0": 3,
      "+Inf": 4,
    });
    expect(of("sum", "pipeline")).toEqual({ rag: 1_001.008 });
    expect(of("count", "pipeline")).toEqual({ rag: 4 });
  });

  test.each([
    ["a family that is declared twice", "second HELP line", (whole: string) => `${whole}${header(whole)}`],
    ["a label twice", "duplicate label names", (whole: string) => whole.replace(",status=", ",pipeline=")],
    ["a raw quote", "text format parsing error", (whole: string) => whole.replace('"rag"', '"r"g"')],
    ["no quotes", "text format parsing error", (whole: string) => whole.replace('="rag"', "=rag")],
    ["a counter without _total", '"_total" suffix', (whole: string) => whole.replaceAll("s_total", "s")],
  ])("%s is refused", (_name, words, spoil) => {
    expect(spoil(prometheus)).not.toBe(prometheus);
    expect(promtoolOn(spoil(prometheus))).toContain(words);
  });
});

describe("OpenMetrics", () => {
  test("is valid, and says the same", () => {
    const read = familiesIn(openMetrics, "openmetrics");
    expect(Array.from(read, ([name, { type, unit }]) => [name, type, unit])).toEqual([
      ["pipeline_executions", "counter", ""],
      ["pipeline_duration_seconds", "histogram", "seconds"],
      ["pipeline_success_rate", "gauge", ""],
      ["pipeline_stage_duration_seconds", "histogram", "seconds"],
      ["pipeline_stage_retries", "counter", ""],
      ["pipeline_cost_usd", "counter", ""],
      ["pipeline_unpriced_tokens", "counter", ""],
      ["pipeline_executions_in_progress", "gauge", ""],
      ["pipeline_waits_open", "gauge", ""],
      ["pipeline_wait_duration_seconds", "histogram", "seconds"],
      ["pipeline_waits_expired", "counter", ""],
    ]);
    // The strict one's word so holds for the older text, of which its parser says that it is lax.
    const plain = familiesIn(prometheus, "prometheus");
    expect(new Map(Array.from(read, ([name, family]) => [name, { ...family, unit: "" }]))).toEqual(plain);
  });

  test("bounds are floats, written in their one canonical way", () => {
    const bounds = Array.from(openMetrics.matchAll(/le="([^"]*)"/g), ([, le]) => le);
    expect(bounds.length).toBeGreaterThan(0);
    for (const le of bounds) expect(le).toMatch(/^(\d+\.\d+|\+Inf)$/);
  });

  test.each([
    ["no end", "Missing # EOF at end", (whole: string) => whole.replace("# EOF\n", "")],
    ["something after the end", "Received line after # EOF", (whole: string) => `${whole}${header(whole)}`],
    [
      "a family that is declared twice",
      "Received metadata after samples",
      (whole: string) => whole.replace("# EOF\n", `${header(whole)}# EOF\n`),
    ],
    [
      "a family in two pieces",
      "Clashing name: pipeline_success_rate",
      (whole: string) => {
        const [piece = ""] = /# HELP pipeline_success_rate .*\n.*\n.*\n/.exec(whole) ?? [];
        return whole.replace("# EOF\n", `${piece}# EOF\n`);
      },
    ],
    [
      "a bucket that falls",
      "Bucket values out of order",
      (whole: string) => whole.replace('le="300.0"} 3', 'le="300.0"} 1'),
    ],
    [
      "a histogram without +Inf",
      "+Inf bucket missing",
      (whole: string) => whole.replaceAll(/.*\+Inf.*\n/g, ""),
    ],
    [
      "a count that is not +Inf's",
      "Count does not match",
      (whole: string) => whole.replace(/(_count.*) 4/, "$1 5"),
    ],
    [
      "a count that is not there",
      "_count must be present",
      (whole: string) => whole.replaceAll(/.*_count.*\n/g, ""),
    ],
    ["a counter without _total", "Clashing name", (whole: string) => whole.replaceAll("s_total", "s")],
    ["a counter below 0", "cannot be negative", (whole: string) => whole.replace(/(s_total.*) 3/, "$1 -3")],
    [
      "another unit",
      "Unit does not match",
      (whole: string) => whole.replace("seconds seconds", "seconds bytes"),
    ],
    ["a raw quote", "Invalid labels", (whole: string) => whole.replace('"rag"', '"r"g"')],
    ["a blank line", "blank line", (whole: string) => whole.replace("# HELP", "\n# HELP")],
  ])("%s is refused", (_name, words, spoil) => {
    expect(spoil(openMetrics)).not.toBe(openMetrics);
    expect(readMetrics(spoil(openMetrics), "openmetrics")).toEqual({
      refused: expect.stringContaining(words),
    });
  });

  test("a sample that is there twice is refused in both formats", () => {
    const twice = (text: string) => text.replace(/^(pipeline_success_rate .*)$/m, "$1\n$1");
    expect(() => familiesIn(twice(openMetrics), "openmetrics")).toThrow("a sample twice");
    expect(() => familiesIn(twice(prometheus), "prometheus")).toThrow("a sample twice");
  });
});

describe.each(["prometheus", "openmetrics"] as const)("as %s", (format) => {
  test.each(['a"b', "c\\d", "e\nf", 'all of them: "\\"\n\\n\\', "{},= # EOF", "größer 🙂", ""])(
    "a label comes back as it was: %j",
    (label) => {
      const text = exposition(familiesOf(new Map([[label, figuresOf([["completed", 1]])]]), 0), format);
      if (format === "prometheus") expect(promtoolOn(text)).toBe("");
      const [sample] = familiesIn(text, format).get("pipeline_executions")?.samples ?? [];
      expect(sample).toMatchObject({ labels: { pipeline: label, status: "completed" }, value: 1 });
    },
  );

  test("of nothing there is a valid exposition", () => {
    const text = exposition(familiesOf(new Map(), 0), format);
    if (format === "prometheus") expect(promtoolOn(text)).toBe("");
    const read = familiesIn(text, format);
    expect(read.get("pipeline_success_rate")?.samples).toMatchObject([{ labels: {}, value: 1 }]);
    expect(read.get("pipeline_duration_seconds")?.samples).toEqual([]);
  });
});

/** What is told of the last family before its samples. */
function header(text: string): string {
  return /# HELP pipeline_waits_expired\w* .*\n# TYPE .*\n/.exec(text)?.[0] ?? "";
}
