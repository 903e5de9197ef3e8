// Until when an execution that has ended, and what it leaves, is kept.
import { TIMINGS } from "../../timings.ts";
import type { RunSpec } from "../run-spec.ts";
import type { ExecutionState } from "../state.ts";

/**
 * When what an execution leaves is forgotten, ms since the epoch; whole, as storage keeps an alarm's time. The execution
 * itself goes earlier where it has no storage: see `retainedUntil`.
 */
export function retentionEnd(ended_at: number, { config }: Pick<RunSpec, "config">): number {
  return Math.floor(ended_at + config.retention_seconds * 1_000);
}

/** When an execution that has ended is forgotten, ms since the epoch. */
export function retainedUntil({ ended_at, spec }: ExecutionState): number {
  if (spec.storage === "memory") return Math.floor((ended_at ?? 0) + TIMINGS.MEMORY_KEPT_MS);
  return retentionEnd(ended_at ?? 0, spec);
}

/**
 * Whether the execution index deletes it when its retention is over: one whose end the index has needs no alarm for it.
 * A run without storage deletes itself, and so do those of versions whose runs had an alarm for it.
 */
export function isDeletedByIndex({ spec }: Pick<ExecutionState, "spec">): boolean {
  return spec.storage === "durable_object" && spec.index_shards !== undefined;
}
