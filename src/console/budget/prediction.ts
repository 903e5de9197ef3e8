// What the rest of a paused run is expected to cost, by recorded runs of its pipeline.
import type { Metrics, StageView } from "../../client/index.ts";
import { predictCost } from "../../core/monitoring/metrics/analysis/predict-cost.ts";

export type Prediction = NonNullable<ReturnType<typeof predictCost>>;

const OPEN: ReadonlySet<StageView["status"]> = new Set(["pending", "running", "waiting", "retrying"]);

export function predictRest({ cost }: Metrics, stages: readonly StageView[]): Prediction | null {
  const ended = stages.filter(({ status }) => !OPEN.has(status)).map(({ name }) => name);
  // Earlier versions have no costs.
  return predictCost(cost?.recent_runs ?? [], new Set(ended));
}
