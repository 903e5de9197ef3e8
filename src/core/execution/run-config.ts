// The part of the config that a run stores: the keys that affect it. They are written with its first event and shown
// in every answer about it, so what concerns other runs (64 KiB of strategies for stages that it does not have) or none
// (alerts, exports) is left out.
import type { Tags } from "../../contract/budget.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { ResolvedStage } from "../../contract/stage.ts";
import { budgetsWithin } from "../spending/run-budgets.ts";

/** What is judged or sent for all runs together; the monitor reads it when it needs it. */
const OF_ALL_RUNS = ["alert_thresholds", "metrics_export_interval"] as const;
type OfAllRuns = (typeof OF_ALL_RUNS)[number];

/** Whether a key of the config is none that a run is pinned to. */
export function isOfAllRuns(key: string): boolean {
  return OF_ALL_RUNS.some((other) => other === key);
}

/** Logs of earlier versions hold the whole config. */
export type RunConfig = Omit<CoordinatorConfig, OfAllRuns> & Partial<Pick<CoordinatorConfig, OfAllRuns>>;

/** @param of the pipelines that it runs, its own included, and its tags */
export function runConfig(
  config: CoordinatorConfig,
  stages: readonly ResolvedStage[],
  of: { pipelines: readonly string[]; tags?: Tags | undefined },
): RunConfig {
  const {
    alert_thresholds: _,
    metrics_export_interval: __,
    fallback_strategies: strategies,
    budgets: all,
    ...rest
  } = config;
  const budgets = budgetsWithin(all, of.pipelines, of.tags ?? {});
  // A stage's own fallback comes before the config's.
  const used = stages.filter(
    ({ name, fallback }) => fallback === undefined && Object.hasOwn(strategies, name),
  );
  const fallback_strategies = Object.fromEntries(used.map(({ name }) => [name, strategies[name]]));
  return { ...rest, budgets, fallback_strategies } as RunConfig;
}
