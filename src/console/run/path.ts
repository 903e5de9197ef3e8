// Time of a run's stages, and its critical path: the coordinator computes it, and it is known once the run has ended.
import type { RunView, StageQueue, StageSpan, StageView } from "../../client/index.ts";

/** Time spent on tries, the waits between them and those for answers from outside, up to `now`. */
export function timeOf({ spans }: StageView, now: number): number {
  return lengthOf(
    spans.filter(({ kind }) => kind !== "queued"),
    now,
  );
}

/** Time in which its calls have waited until their agent may be called. */
export function queuedTimeOf({ spans }: StageView, now: number): number {
  return lengthOf(
    spans.filter(({ kind }) => kind === "queued"),
    now,
  );
}

function lengthOf(spans: readonly StageSpan[], now: number): number {
  return spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to ?? now, now) - from), 0);
}

/** What a call waits for, or has waited for. */
export function queueWords(reason: StageQueue["reason"] | undefined): string {
  switch (reason) {
    case "rate":
      return "its agent’s rate of calls (rate)";
    case "retry_after":
      return "the time its agent asked for (Retry-After)";
    default:
      return "a place at its agent (concurrency)";
  }
}

/** The stages on the critical path; none while the run goes on. */
export function criticalPath(runView: RunView): ReadonlySet<string> {
  return new Set(runView.execution?.performance_metrics.critical_path);
}
