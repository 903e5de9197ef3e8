// Time of a run's stages, and its critical path: the coordinator computes it, and it is known once the run has ended.
import type { RunView, StageView } from "../../client/index.ts";

/** Time spent on tries, the waits between them and those for answers from outside, up to `now`. */
export function timeOf(stage: StageView, now: number): number {
  return stage.spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to ?? now, now) - from), 0);
}

/** The stages on the critical path; none while the run goes on. */
export function criticalPath(runView: RunView): ReadonlySet<string> {
  return new Set(runView.execution?.performance_metrics.critical_path);
}
