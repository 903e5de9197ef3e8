// LogEvent: a lifecycle event as the log keeps it. Its public part is what readers get, byte for byte; `internal`
// is what only the fold needs and never leaves the object.
import type { LifecycleEvent } from "../../contract/event.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { PrivateSpec } from "./run-spec.ts";

/** When a call was sent, in ms since the epoch; its end is the event's own timestamp. */
interface CallEnd {
  began_at?: number;
  /** The answer broke the contract: the next such answer is the last. */
  contract?: true;
}

export interface Internal extends CallEnd {
  spec?: PrivateSpec;
  /** What the agent's answer adds to the execution's context. */
  context?: JsonObject;
  /** UTF-8 bytes that a stage's data and context patch hold. */
  bytes?: number;
  /** The call has the same attempt as the one before it, which a crash or a pause cut short. */
  repeated?: true;
}

export type LogEvent = LifecycleEvent & { internal?: Internal };

/** The event as readers get it, as JSON. */
export function wireJson(event: LogEvent): string {
  if (event.internal === undefined) return JSON.stringify(event);
  const { internal: _, ...wire } = event;
  return JSON.stringify(wire);
}
