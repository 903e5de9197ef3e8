// Waits for an agent as the cause of a bottleneck: which limit to raise, and what that saves.
import { OPEN_GATES } from "../../../../../src/core/execution/gates/gates.ts";
import { describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../../../src/contract/agent.ts";
import type { Metrics } from "../../../../../src/contract/metrics.ts";
import { metricsOf } from "../../../../../src/core/monitoring/metrics/metrics.ts";
import {
  runReport,
  type RunShape,
  type StageShape,
} from "../../../../../src/core/monitoring/metrics/report.ts";
import { addReport, emptyTotals } from "../../../../../src/core/monitoring/metrics/run-metrics.ts";
import { report } from "../reports.ts";
import { Play, side } from "../../../rules/play.ts";

type Reason = "concurrency" | "rate" | "retry_after";

/** Runs of two stages that call the same agent, each of which waited for it so long, and then took 1,160 ms. */
function analysed(limits: AgentLimits | undefined, waits: readonly (readonly [Reason, number])[]): Metrics {
  const totals = emptyTotals();
  const shapes: RunShape[] = [];
  for (let run = 0; run < 5; run += 1) {
    const agents = {
      X: { url: "https://agent.test", protocol: "native" as const, ...(limits && { limits }) },
    };
    const fields = { agents, query: `question ${run}` };
    const stages = [side("one", { agent_type: "X" }), side("two", { agent_type: "X", depends_on: ["one"] })];
    const open = OPEN_GATES;
    const closed = { ...open, hasPlace: () => false };
    const play = new Play(stages, {}, fields, open);
    play.after(1_160);
    play.gates = closed;
    for (const [at, [reason, ms]] of waits.entries()) {
      if (reason === "retry_after") {
        const until = play.now + ms;
        play.gates = { ...closed, heldUntil: () => until };
        if (at === 0) play.answer("one");
        else play.tick();
      } else {
        if (at === 0) play.answer("one");
        play.gates = closed;
        play.submit({ type: "no_place", stage: "two", reason, until: null });
      }
      play.after(ms);
    }
    play.gates = open;
    play.tick();
    play.after(1_160).answer("two");
    const report = runReport(play.state);
    if (report?.shape == null) throw new Error("no sample");
    addReport(totals, report);
    shapes.push(report.shape);
  }
  return metricsOf(new Map([["tested", totals]]), 0, shapes);
}

const causeOf = ({ performance_analytics: { bottlenecks } }: Metrics, name = "two") => {
  const found = bottlenecks.find(({ stage }) => stage === name);
  return [found?.cause, found?.recommendation];
};

describe("a stage that waited for its agent", () => {
  test("needs more places", () => {
    const metrics = analysed({ concurrency: 2 }, [["concurrency", 806]]);
    expect(causeOf(metrics)).toEqual([
      "waits for a place at agent X: 41 % of the time",
      "At agent X, raise `concurrency` from 2 to 4: saves 403 ms a run.",
    ]);
    // The stage before had its place at once.
    expect(causeOf(metrics, "one")[0]).toMatch(/^slow agent/);
    const [worst] = metrics.performance_analytics.bottlenecks;
    expect(worst?.stage).toBe("two");
    expect(worst?.impact_score).toBeCloseTo(1_966 / 3_126, 10);
    expect(metrics.performance_analytics.optimization_opportunities).toEqual([
      { type: "higher_agent_limits", potential_improvement_ms: 403, implementation_complexity: "medium" },
    ]);
  });

  test("needs more calls in a period", () => {
    const limits = { concurrency: 900, rate: { calls: 600, per_seconds: 60 } };
    const [cause, recommendation] = causeOf(
      analysed(limits, [
        ["concurrency", 100],
        ["rate", 1_000],
      ]),
    );
    expect(cause).toBe("waits for a place at agent X: 49 % of the time");
    // Two thirds more are all that may be.
    expect(recommendation).toBe("At agent X, raise `rate.calls` from 600 to 1000: saves 440 ms a run.");
  });

  test("was held back by its agent's Retry-After", () => {
    const metrics = analysed({ concurrency: 2 }, [
      ["concurrency", 100],
      ["retry_after", 900],
    ]);
    const [cause, recommendation] = causeOf(metrics);
    expect(cause).toBe("is held back by Retry-After: agent X asked not to be called for 46 % of the time");
    expect(recommendation).toMatch(/^Give agent X a limit .* would end 1000 ms sooner\.$/);
    const without = analysed(undefined, [["retry_after", 900]]);
    expect(causeOf(without)[0]).toMatch(/^is held back by Retry-After/);
    // No limit is there to be raised.
    expect(without.performance_analytics.optimization_opportunities).toEqual([]);
  });

  test("whose items waited for each other's places needs more of them, not more items at a time", () => {
    const queue = { agent: "X", ms: 0, reasons: { concurrency: 400 }, limits: { concurrency: 1 } };
    const map = { concurrency: 4, items: 4, items_ms: [200, 200, 200, 200] };
    const stage: StageShape = {
      stage: "each",
      depends_on: [],
      parallel: true,
      timeout_ms: 1_000,
      tries_ms: [800],
      waits_ms: 0,
      cached: false,
      asked: "each",
      map,
      queue,
    };
    const run: RunShape = { started_at: 0, max_concurrent_stages: 3, cache_ttl_ms: 0, stages: [stage] };
    const totals = emptyTotals();
    addReport(totals, { ...report("p", ["each"]), duration_ms: 800 });
    expect(causeOf(metricsOf(new Map([["p", totals]]), 0, [run]), "each")).toEqual([
      "waits for a place at agent X: 33 % of the time",
      "At agent X, raise `concurrency` from 1 to 2: saves 400 ms a run.",
    ]);
  });

  test("for so little time that its calls matter more is not said to", () => {
    const [cause] = causeOf(analysed({ concurrency: 2 }, [["concurrency", 20]]));
    expect(cause).toMatch(/^slow agent/);
  });

  test("at an agent whose limit cannot be raised is not advised to", () => {
    const [cause] = causeOf(analysed({ concurrency: 1_000 }, [["concurrency", 806]]));
    expect(cause).toMatch(/^slow agent/);
  });
});
