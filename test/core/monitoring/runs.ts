// Runs for tests of the figures: the real driver in virtual time, with stages that take what a test says.
import type { CoordinatorConfig } from "../../../src/contract/config.ts";
import type { ResolvedStage } from "../../../src/contract/stage.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import {
  emptyTotals,
  addReport,
  type MetricTotals,
} from "../../../src/core/monitoring/metrics/run-metrics.ts";
import { type RunReport, runReport, type RunShape } from "../../../src/core/monitoring/metrics/report.ts";
import { makeSpec } from "../simulation/spec.ts";
import { Bench, BUSY, later, said } from "../../engine/simulation/fair-weather.ts";

/** How long a stage's tries take; all but the last one fail. One number is one successful try. */
export type Took = Record<string, number | readonly number[]>;

export interface RunOptions {
  config?: Partial<CoordinatorConfig>;
  fields?: Partial<RunSpec>;
}

/** The state in which a run ends. */
export async function ran(
  stages: readonly ResolvedStage[],
  took: Took,
  { config = {}, fields = {} }: RunOptions = {},
): Promise<{ state: ExecutionState; bench: Bench }> {
  const bench = new Bench((request, _hooks, own) => {
    const tries = [took[request.call.stage] ?? 0].flat();
    const ms = tries[request.call.attempt - 1] ?? 0;
    return later(own, ms, request.call.attempt < tries.length ? BUSY : said({ stage: request.call.stage }));
  });
  await bench.start(makeSpec(stages, { retry_delay_seconds: 0.001, ...config }, fields));
  await bench.until();
  return { state: bench.driver.state as ExecutionState, bench };
}

export interface Recorded {
  figures: MetricTotals;
  shapes: RunShape[];
}

/** Many runs, one after another, as the execution index keeps them. */
export async function recorded(
  stages: readonly ResolvedStage[],
  runs: readonly Took[],
  options: (run: number) => RunOptions = (run) => ({ fields: { query: `question ${run}` } }),
): Promise<Recorded> {
  const figures = emptyTotals();
  const shapes: RunShape[] = [];
  for (const [at, took] of runs.entries()) {
    const { state } = await ran(stages, took, options(at));
    const report = runReport(state) as RunReport;
    addReport(figures, report);
    if (report.shape !== null) shapes.push(report.shape);
  }
  return { figures, shapes };
}
