// The critical path of an execution in words: the coordinator's own numbers, as the page and the terminal show them.
import type { CriticalPathLink, PipelineExecution } from "./execution.ts";

/** The parts of the run's time along the path. Executions that earlier versions wrote have none. */
function pathLinks({ performance_metrics }: PipelineExecution): readonly CriticalPathLink[] {
  const { critical_path_links }: { critical_path_links?: CriticalPathLink[] } = performance_metrics;
  return critical_path_links ?? [];
}

/** What a stage has of the path, in ms: the time of its calls. Null where it is not on it. */
export function pathShare(execution: PipelineExecution, name: string): number | null {
  return pathLinks(execution).find(({ kind, stage }) => kind === "stage" && stage === name)?.ms ?? null;
}

/**
 * The stages of the path with their shares, then the time that none of them has: "a 100 ms → b 300 ms, waits 20 ms".
 * @param duration of ms, in words
 */
export function pathText(execution: PipelineExecution, duration: (ms: number) => string): string {
  const { critical_path } = execution.performance_metrics;
  const stages = critical_path.map((name) => {
    const share = pathShare(execution, name);
    return share === null ? name : `${name} ${duration(share)}`;
  });
  const waited = pathLinks(execution).reduce((sum, { kind, ms }) => (kind === "stage" ? sum : sum + ms), 0);
  return `${stages.join(" → ")}${waited > 0 ? `, waits ${duration(waited)}` : ""}`;
}
