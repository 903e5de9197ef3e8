// The stages of a pipeline have figures of their own up to a bound.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { addReport, emptyTotals } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import { OTHER } from "../../../../src/core/monitoring/metrics/names.ts";
import { names, report, stagesOf } from "./reports.ts";

describe("the stages of a pipeline", () => {
  test("have metrics of their own up to the bound, and none is lost", () => {
    const figures = emptyTotals();
    for (const stage of names("s", 2 * LIMITS.METRICS_STAGES)) addReport(figures, report("p", [stage]));
    for (const stage of names("s", 10)) addReport(figures, report("p", [stage]));
    expect(figures.stages.size).toBe(LIMITS.METRICS_STAGES + 1);
    expect(figures.stages.get("s0")?.durations.count).toBe(2);
    expect(figures.stages.get(OTHER)?.durations.count).toBe(LIMITS.METRICS_STAGES);
    expect(figures.stages.get(OTHER)?.retries).toBe(LIMITS.METRICS_STAGES);
    expect(stagesOf([figures])).toBe(2 * LIMITS.METRICS_STAGES + 10);
  });
});
