// Where the time went, told of runs of the real driver: the specification's own figures, and a pipeline for each cause.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../../../src/contract/config.ts";
import { metricsOf } from "../../../../../src/core/monitoring/metrics/metrics.ts";
import { simulate } from "../../../../../src/core/monitoring/metrics/analysis/simulate.ts";
import { resolveStage } from "../../../../../src/core/pipeline/plan.ts";
import { RAG } from "../../../../../src/pipelines/rag.ts";
import { makeStage } from "../../../simulation/spec.ts";
import { recorded, type Recorded, type Took } from "../../runs.ts";

interface Fixture {
  averages_ms: Record<string, number>;
  runs: Record<string, number>[];
  bottlenecks: Record<string, number>;
}

const FIXTURE = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../../../fixtures/metrics/specification.json"), "utf8"),
) as Fixture;

const analysed = ({ figures, shapes }: Recorded) => metricsOf(new Map([["p", figures]]), 0, shapes);
const times = (count: number, took: Took): Took[] => Array.from({ length: count }, () => took);

describe("the specification's metrics", async () => {
  const stages = RAG.stages.map((stage) => resolveStage(stage, DEFAULT_CONFIG));
  const metrics = analysed(await recorded(stages, FIXTURE.runs));

  test("go in as published", () => {
    for (const [stage, ms] of Object.entries(FIXTURE.averages_ms)) {
      expect(metrics.stage_metrics[stage]?.avg_duration_ms, stage).toBe(ms);
    }
  });

  test("its published bottlenecks come out: answer_generation 68 %, source_retrieval 25 %", () => {
    const { bottlenecks } = metrics.performance_analytics;
    expect(bottlenecks.map(({ stage, percentage_of_total }) => [stage, percentage_of_total])).toEqual(
      Object.entries(FIXTURE.bottlenecks),
    );
    expect(bottlenecks.map(({ impact }) => impact)).toEqual(["high", "medium"]);
    // The critical path leaves out the decision, which ran beside the longer rewriting.
    expect(bottlenecks[0]?.impact_score).toBeCloseTo(2_200 / 3_120, 10);
    expect(bottlenecks[1]?.impact_score).toBeCloseTo(800 / 3_120, 10);
    for (const bottleneck of bottlenecks) {
      expect(bottleneck.cause).toMatch(/^slow agent: /);
      expect(bottleneck.recommendation).toContain("ms sooner");
      // Each text has the specification's name, too.
      expect(bottleneck.root_cause).toBe(bottleneck.cause);
      expect(bottleneck.optimization_recommendation).toBe(bottleneck.recommendation);
    }
  });
});

describe("the cause of a bottleneck", () => {
  const worst = async (recording: Promise<Recorded>) => {
    const found = analysed(await recording).performance_analytics;
    return { ...found.bottlenecks[0], opportunities: found.optimization_opportunities };
  };

  test("retries", async () => {
    const bottleneck = await worst(recorded([makeStage("one")], times(10, { one: [300, 300, 100] })));
    expect(bottleneck.cause).toMatch(/^retries: in 100 % of runs/);
    expect(bottleneck.recommendation).toMatch(/would end 60[0-9] ms sooner/);
  });

  test("no overlap with an independent stage", async () => {
    const stages = [makeStage("one"), makeStage("two"), makeStage("end", { depends_on: ["one", "two"] })];
    const { stage, cause, recommendation, opportunities } = await worst(
      recorded(stages, times(10, { one: 200, two: 300, end: 50 })),
    );
    expect(stage).toBe("two");
    expect(cause).toMatch(/^no overlap with an independent stage: it waited 200 ms a run for one/);
    expect(recommendation).toMatch(/parallel: true on two and one: .* 200 ms sooner/);
    expect(opportunities).toEqual([
      { type: "parallel_execution", potential_improvement_ms: 200, implementation_complexity: "low" },
    ]);
  });

  test("waiting for a slot", async () => {
    const stages = ["a", "b", "c"].map((name) => makeStage(name, { parallel: true }));
    const bottleneck = await worst(
      recorded(stages, times(5, { a: 100, b: 100, c: 150 }), (run) => ({
        config: { max_concurrent_stages: 2 },
        fields: { query: `question ${run}` },
      })),
    );
    expect(bottleneck.stage).toBe("c");
    expect(bottleneck.cause).toMatch(/^waiting for a slot: it waited 100 ms a run for one of 2 places/);
    expect(bottleneck.opportunities).toEqual([
      { type: "more_concurrent_stages", potential_improvement_ms: 100, implementation_complexity: "low" },
    ]);
  });

  test("a cache that could have hit", async () => {
    const bottleneck = await worst(
      recorded([makeStage("one")], times(10, { one: 400 }), () => ({ fields: { query: "always the same" } })),
    );
    expect(bottleneck.cause).toMatch(/^cache that could have hit: 90 % of runs/);
    expect(bottleneck.recommendation).toMatch(/Cache the results of one .* 360 ms sooner/);
    expect(bottleneck.opportunities[0]).toEqual({
      type: "result_caching",
      potential_improvement_ms: 360,
      implementation_complexity: "low",
    });
  });

  test("items that take turns", async () => {
    const map = { over: "context.list", max_items: 100, concurrency: 2, on_error: "fail" as const };
    const context = { list: [1, 2, 3, 4, 5, 6] };
    const bottleneck = await worst(
      recorded([makeStage("each", { map })], times(3, { each: 100 }), (run) => ({
        fields: { query: `question ${run}`, context },
      })),
    );
    expect(bottleneck.cause).toBe("items that take turns: of 6 items a run, 2 are called at a time");
    expect(bottleneck.recommendation).toMatch(/map.concurrency of each from 2 to 6: .* 20[0-9] ms sooner/);
  });

  test("a slow agent, where nothing else explains it", async () => {
    const bottleneck = await worst(recorded([makeStage("one")], times(5, { one: 1_000 })));
    expect(bottleneck.cause).toMatch(/^slow agent: its calls take 1000 ms/);
    expect(bottleneck.recommendation).toContain("500 ms sooner");
    expect(bottleneck.opportunities).toEqual([]);
  });

  test("a timeout far above what tries need is worth trimming", async () => {
    const hanging: Took[] = [...times(99, { one: 100 }), { one: [20_000, 100] }];
    const { opportunities } = await worst(recorded([makeStage("one", { timeout_seconds: 20 })], hanging));
    const trimmed = opportunities.find(({ type }) => type === "timeout_tuning");
    // One run in a hundred would not have waited 20 s, but 100 ms.
    expect(trimmed?.potential_improvement_ms).toBeCloseTo(199, 0);
  });
});

test("a simulated run takes what the real driver took", async () => {
  const stages = [
    makeStage("a", { parallel: true }),
    makeStage("b", { parallel: true }),
    makeStage("alone", { depends_on: ["a"] }),
    makeStage("c", { parallel: true, depends_on: ["a"] }),
    makeStage("end", { depends_on: ["alone", "b", "c"] }),
  ];
  const { figures, shapes } = await recorded(stages, [
    { a: 100, b: 400, alone: 70, c: 30, end: 5 },
    { a: 400, b: 100, alone: 70, c: [30, 30], end: 5 },
  ]);
  expect(shapes.map(simulate).reduce((sum, ms) => sum + ms)).toBe(figures.durations.sum);
});
