// Which stages the run's length hangs on, while it runs: the chain of dependencies on which most time was spent. When
// it is over, the coordinator's own figures say it.
import type { StageView, RunView } from "../../client/index.ts";

/** Time spent on tries and the waits between them, up to `now`. */
export function timeOf(stage: StageView, now: number): number {
  return stage.spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to ?? now, now) - from), 0);
}

export function criticalPath(story: RunView, now: number): ReadonlySet<string> {
  if (story.execution !== null) return new Set(story.execution.performance_metrics.critical_path);
  const reached = new Map<string, { ms: number; path: readonly string[] }>();
  const visit = (stage: StageView): { ms: number; path: readonly string[] } => {
    const known = reached.get(stage.name);
    if (known !== undefined) return known;
    const before = story.stages
      .filter(({ name }) => stage.definition.depends_on.includes(name))
      .map(visit)
      .reduce((best, each) => (each.ms > best.ms ? each : best), { ms: 0, path: [] as readonly string[] });
    const own = timeOf(stage, now);
    const found = { ms: before.ms + own, path: own > 0 ? [...before.path, stage.name] : before.path };
    reached.set(stage.name, found);
    return found;
  };
  const longest = story.stages.map(visit).reduce((best, each) => (each.ms > best.ms ? each : best), {
    ms: 0,
    path: [] as readonly string[],
  });
  return new Set(longest.path);
}
