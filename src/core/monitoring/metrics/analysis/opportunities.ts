// What could be changed about runs, and what it would save: found by running the recorded runs again with the change
// made, and never by a formula over averages.
import type { Opportunity } from "../../../../contract/metrics.ts";
import { LIMITS } from "../../../../contract/limits.ts";
import type { RunShape } from "../report.ts";
import { changeStages, lastTries, mostOf, saving, simulate, withCache, withQueue } from "./simulate.ts";

/** A saving below this share of a run is not worth a word. */
const LEAST_SHARE = 0.01;

/** What is left of the waits for agents whose limits are doubled. */
const RAISED = 0.5;

/** @param runs in the order in which they began */
export function opportunitiesIn(runs: readonly RunShape[]): Opportunity[] {
  if (runs.length === 0) return [];
  const cached = withCache(runs);
  const limits = timeouts(runs);
  const found: Opportunity[] = [
    {
      type: "parallel_execution",
      potential_improvement_ms: saving(runs, (run) => changeStages(run, () => ({ parallel: true }))),
      // A flag; but agents must bear being called side by side.
      implementation_complexity: "low",
    },
    {
      type: "result_caching",
      potential_improvement_ms: saving(runs, (run, at) => cached[at] ?? run),
      implementation_complexity: "low",
    },
    {
      type: "timeout_tuning",
      potential_improvement_ms: saving(runs, (run) => trimmed(run, limits)),
      implementation_complexity: "medium",
    },
    {
      type: "more_concurrent_stages",
      potential_improvement_ms: saving(runs, (run) => ({
        ...run,
        max_concurrent_stages: LIMITS.CONCURRENT_STAGES,
      })),
      implementation_complexity: "low",
    },
    {
      type: "higher_agent_limits",
      potential_improvement_ms: saving(runs, (run) =>
        changeStages(run, (stage) => (stage.queue?.limits === undefined ? {} : withQueue(stage, RAISED))),
      ),
      // Only if the agents can take more calls.
      implementation_complexity: "medium",
    },
  ];
  const typical = mostOf(runs.map(simulate), 0.5);
  return found
    .filter(({ potential_improvement_ms: ms }) => ms >= 1 && ms >= LEAST_SHARE * typical)
    .toSorted((a, b) => b.potential_improvement_ms - a.potential_improvement_ms);
}

interface TryLimit {
  p99: number;
  typical: number;
}

/** Of each stage, how long 99 % of its successful tries take, and how long a typical one does. */
function timeouts(runs: readonly RunShape[]): Map<string, TryLimit> {
  const names = new Set(runs.flatMap((run) => run.stages.map((stage) => stage.stage)));
  return new Map(
    Array.from(names, (name) => {
      const tries = lastTries(runs, name);
      return [name, { p99: mostOf(tries, 0.99), typical: mostOf(tries, 0.5) }];
    }),
  );
}

/**
 * The run with each stage's timeout at the p99 of its tries: a try that ran into the old one ends at the new one; a
 * success that took longer than the new one is cut there and, tried again, takes what is typical.
 */
function trimmed(run: RunShape, limits: ReadonlyMap<string, TryLimit>): RunShape {
  return changeStages(run, ({ stage, tries_ms }) => {
    const limit = limits.get(stage);
    if (limit === undefined || tries_ms.length === 0) return {};
    const { p99, typical } = limit;
    const failed = tries_ms.slice(0, -1).map((ms) => Math.min(ms, p99));
    const last = tries_ms.at(-1) ?? 0;
    return { tries_ms: [...failed, ...(last > p99 ? [p99, typical] : [last])] };
  });
}
