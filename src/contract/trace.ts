// The trace of an execution (API.md section 7): its events with their timing, for reading and not for folding.
import * as z from "zod";
import { LIFECYCLE_TYPES } from "./event.ts";
import { JsonObject } from "./json.ts";

const TraceEvent = z.object({
  timestamp: z.iso.datetime(),
  seq: z.number().int().min(1),
  /** Null for what concerns the whole execution. */
  stage: z.string().nullable(),
  event_type: z.enum(LIFECYCLE_TYPES),
  attempt: z.number().int().nullable(),
  data: JsonObject,
  /** What went wrong, where something did. */
  error: JsonObject.nullable(),
});

export const ExecutionTrace = z.object({ execution_id: z.string(), events: z.array(TraceEvent) });
export type ExecutionTrace = z.infer<typeof ExecutionTrace>;
