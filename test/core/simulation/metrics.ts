// The figures of an ended run against those of the observer: the critical path by looking at every path's end, the
// overhead by knowing that a simulated coordinator takes no time.
import type { PipelineExecution } from "../../../src/contract/execution.ts";
import { hold } from "./observer.ts";
import type { World } from "./world.ts";

export function auditMetrics(world: World, view: PipelineExecution): void {
  const { observer, scenario } = world;
  const { stages } = scenario.spec;
  const metrics = view.performance_metrics;
  const weights = new Map<string, number>();
  for (const [name, seen] of observer.stages) if (seen.calls > 0) weights.set(name, seen.worked);
  const told = Object.entries(metrics.stage_ms).map(([name, ms]) => `${name}=${ms}`);
  const made = [...weights].map(([name, ms]) => `${name}=${ms}`);
  hold(
    "metrics",
    told.toSorted().join() === made.toSorted().join(),
    () => `stage_ms ${told.join()} is not ${made.join()}`,
  );

  const longest = new Map<string, number>();
  const measure = (name: string): number => {
    const known = longest.get(name);
    if (known !== undefined) return known;
    const before = stages.find((stage) => stage.name === name)?.depends_on.map(measure) ?? [];
    const total = Math.max(0, ...before) + (weights.get(name) ?? 0);
    longest.set(name, total);
    return total;
  };
  const heaviest = Math.max(...stages.map((stage) => measure(stage.name)));
  hold(
    "metrics",
    metrics.critical_path_ms === heaviest,
    () => `critical path ${metrics.critical_path_ms}, not ${heaviest}`,
  );
  const sum = metrics.critical_path.reduce((total, name) => total + (weights.get(name) ?? Number.NaN), 0);
  hold("metrics", sum === heaviest, () => `the path's stages take ${sum} ms, not ${heaviest}`);
  for (const [at, name] of metrics.critical_path.entries()) {
    const next = metrics.critical_path[at + 1];
    hold(
      "metrics",
      next === undefined || world.depends(next, name),
      () => `${next} does not depend on ${name}`,
    );
  }

  const duration = view.duration_ms as number;
  const { overhead_ms } = metrics;
  hold(
    "metrics",
    overhead_ms >= 0 && overhead_ms <= duration,
    () => `overhead ${overhead_ms} of ${duration}`,
  );
  hold("metrics", !world.exact || overhead_ms === 0, () => `overhead ${overhead_ms} ms where none was`);
  const retries = [...observer.stages.values()].reduce(
    (total, seen) => total + Math.max(0, seen.tries - 1),
    0,
  );
  hold("metrics", metrics.retries === retries, () => `${metrics.retries} retries told, ${retries} made`);
}
