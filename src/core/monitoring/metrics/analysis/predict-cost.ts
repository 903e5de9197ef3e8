// What the rest of a run will cost, by recorded runs of its pipeline: what the stages that have not ended in this one
// cost in each of them.
import type { CostRun } from "../../../../contract/metrics.ts";
import { mostOf } from "./simulate.ts";

interface CostPrediction {
  p50_usd: number;
  p95_usd: number;
  /** How many runs it is from. */
  runs: number;
}

/** @param ended the stages that have ended in this run @returns null where no run was recorded */
export function predictCost(runs: readonly CostRun[], ended: ReadonlySet<string>): CostPrediction | null {
  if (runs.length === 0) return null;
  const rest = runs.map(({ by_stage }) =>
    Object.entries(by_stage).reduce((sum, [stage, usd]) => (ended.has(stage) ? sum : sum + usd), 0),
  );
  return { p50_usd: mostOf(rest, 0.5), p95_usd: mostOf(rest, 0.95), runs: runs.length };
}
