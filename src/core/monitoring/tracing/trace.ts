// The trace: a view of the events, without further data.
import type { LifecycleEvent } from "../../../contract/event.ts";
import type { JsonObject } from "../../../contract/json.ts";
import type { TraceEvent } from "../../../contract/trace.ts";

/** One event as the trace has it. */
export function traceEvent({ timestamp, seq, stage, type, attempt, data }: LifecycleEvent): TraceEvent {
  return {
    timestamp,
    seq,
    stage: stage ?? null,
    event_type: type,
    attempt: attempt ?? null,
    data,
    error: errorIn(data),
  };
}

/** A stage's error, or the execution's. */
function errorIn(data: JsonObject): JsonObject | null {
  const error = data["error"] ?? data["error_info"] ?? null;
  return error !== null && typeof error === "object" ? (error as JsonObject) : null;
}
