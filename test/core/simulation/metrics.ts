// The figures of an ended run against those of the observer: the critical path by its sum and its edges, the overhead
// by knowing that a simulated coordinator takes no time.
import type { PipelineExecution } from "../../../src/contract/execution.ts";
import type { Usage } from "../../../src/contract/stage.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { hold } from "./observed/hold.ts";
import { workOf } from "./observed/items.ts";
import type { World } from "./world.ts";

export function auditMetrics(world: World, view: PipelineExecution): void {
  const { observer } = world;
  const metrics = view.performance_metrics;
  const weights = new Map<string, number>();
  for (const [name, seen] of observer.stages) {
    const { calls, worked } = workOf(seen);
    if (calls > 0) weights.set(name, worked);
  }
  const told = Object.entries(metrics.stage_ms).map(([name, ms]) => `${name}=${ms}`);
  const made = [...weights].map(([name, ms]) => `${name}=${ms}`);
  hold(
    "metrics",
    told.toSorted().join() === made.toSorted().join(),
    () => `stage_ms ${told.join()} is not ${made.join()}`,
  );

  const duration = view.duration_ms as number;
  auditPath(world, view);
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

/** I20: what the answers that were taken had used is the usage of their stage and of the run, each once. */
export function auditUsage(world: World, view: PipelineExecution, log: readonly LogEvent[]): void {
  const used = new Map<string, number>();
  const add = (of: string, usage: Usage = {}) => {
    for (const [name, amount] of Object.entries(usage)) {
      if (typeof amount !== "number") continue;
      const key = `${of} ${name}`;
      used.set(key, (used.get(key) ?? 0) + amount);
    }
  };
  for (const { seq, stage = "" } of log) {
    add("the run:", world.used.get(seq));
    add(`${stage}:`, world.used.get(seq));
  }
  const told = new Map<string, number>();
  const tell = (of: string, usage: Usage | null) => {
    for (const [name, amount] of Object.entries(usage ?? {}))
      if (typeof amount === "number") told.set(`${of} ${name}`, amount);
  };
  tell("the run:", view.usage);
  for (const [stage, { usage }] of Object.entries(view.stage_results)) tell(`${stage}:`, usage);
  const text = (of: ReadonlyMap<string, number>) =>
    [...of]
      .map(([key, amount]) => `${key}=${amount}`)
      .toSorted()
      .join();
  hold("I20", text(told) === text(used), () => `used was ${text(used)}, told is ${text(told)}`);
}

/** The links add up to the duration, and between two stages without an edge is a wait for a place. */
function auditPath(world: World, view: PipelineExecution): void {
  const { critical_path, critical_path_ms, critical_path_links: links, stage_ms } = view.performance_metrics;
  const sum = links.reduce((total, { ms }) => total + ms, 0);
  hold("metrics", sum === view.duration_ms, () => `the path's links are ${sum} of ${view.duration_ms} ms`);
  hold(
    "metrics",
    links.every(({ ms }) => ms >= 0),
    () => `a link is negative: ${JSON.stringify(links)}`,
  );
  const stages = links.filter(({ kind }) => kind === "stage");
  const named = stages.map(({ stage }) => stage);
  hold(
    "metrics",
    named.join() === critical_path.join(),
    () => `${named.join()} is not ${critical_path.join()}`,
  );
  const worked = stages.reduce((total, { ms }) => total + ms, 0);
  hold("metrics", worked === critical_path_ms, () => `${worked} ms is not ${critical_path_ms}`);
  for (const { stage, ms } of stages) {
    const most = new Map(Object.entries(stage_ms)).get(stage ?? "") ?? 0;
    hold("metrics", ms <= most, () => `${stage} has ${ms} ms of its ${most} on the path`);
  }
  for (const [at, name] of critical_path.entries()) {
    const before = critical_path[at - 1];
    if (before === undefined || world.depends(name, before)) continue;
    const waited = links.some(({ kind, stage }) => kind === "concurrency_wait" && stage === name);
    hold("metrics", waited, () => `${name} neither depends on ${before} nor waited for its place`);
  }
}
