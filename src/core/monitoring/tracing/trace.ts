// The trace: a view of the events, without further data.
import type { LifecycleEvent } from "../../../contract/event.ts";
import type { TraceEvent } from "../../../contract/trace.ts";

/** One event as the trace has it. */
export function traceEvent({ timestamp, seq, stage, item, type, attempt, data }: LifecycleEvent): TraceEvent {
  return {
    timestamp,
    seq,
    stage: stage ?? null,
    ...(item === undefined ? {} : { item }),
    event_type: type,
    attempt: attempt ?? null,
    data,
    error: errorIn(data),
  };
}

/** A stage's error, or the execution's. */
function errorIn(data: LifecycleEvent["data"]): TraceEvent["error"] {
  if ("error" in data) return data.error;
  return "error_info" in data ? data.error_info : null;
}
