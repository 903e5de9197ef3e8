// LogEvent: a lifecycle event as the log keeps it. Its public part is what readers get, byte for byte; `internal`
// is what only the fold needs and never leaves the object.
import type { LifecycleEvent } from "../../contract/event.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StageError, StageResult } from "../../contract/stage.ts";
import type { PrivateSpec } from "./run-spec.ts";

/** When a call was sent, in ms since the epoch; its end is the event's own timestamp. */
interface CallEnd {
  began_at?: number;
  /** The answer broke the contract: the next such answer is the last. */
  contract?: true;
}

export interface Internal extends CallEnd {
  spec?: PrivateSpec;
  /** The answer's additions to the execution's context. */
  context?: JsonObject;
  /** UTF-8 bytes that a stage's data, usage and context patch add, less those of the context that was overwritten. */
  bytes?: number;
  /** The deltas of a completed call, for readers that received a part of them; the key of `data` that holds it … */
  text_in?: string;
  /** … or the text, where `data` does not hold it. */
  text?: string;
  /** The call has the same attempt as the one before it: a crash or a pause cut that short, or this is the fallback's. */
  repeated?: true;
  /** What was begun with stage.started came to no call: a breaker refused it, or the result cache answered. */
  uncalled?: true;
  /** Why the stage would have failed, where its fallback takes over. */
  rescued?: StageError;
}

export type LogEvent = LifecycleEvent & { internal?: Internal };

/** A text beyond this, in UTF-16 units, is not kept where the stage's data does not hold it anyway. */
const KEPT_TEXT_CHARS = 64 * 1024;

/** How a completed call's text is kept: by the key of the data that holds it, else as it is. */
export function keepText(text: string | undefined, data: JsonObject): Pick<Internal, "text" | "text_in"> {
  if (text === undefined) return {};
  const held = Object.entries(data).find(([, value]) => value === text);
  if (held !== undefined) return { text_in: held[0] };
  return text.length <= KEPT_TEXT_CHARS ? { text } : {};
}

/** The streamed text of the call that this stage.completed ends; null if it is not known. */
export function keptText({ internal, data }: LogEvent): string | null {
  if (internal?.text !== undefined) return internal.text;
  if (internal?.text_in === undefined) return null;
  return (data as unknown as StageResult).data?.[internal.text_in] as string;
}

/** The event as readers get it, as JSON. */
export function wireJson(event: LogEvent): string {
  if (event.internal === undefined) return JSON.stringify(event);
  const { internal: _, ...wire } = event;
  return JSON.stringify(wire);
}
