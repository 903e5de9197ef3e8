// The trace of an execution (src/contract/README.md section 7): its events with their timing, for reading and not for
// folding.
import * as z from "./zod.ts";
import { JsonObject } from "./json.ts";
import { LIFECYCLE_TYPES } from "./lifecycle.ts";

export const TraceEvent = z.object({
  timestamp: z.iso.datetime(),
  seq: z.number().check(z.int(), z.gte(1)),
  /** Null for what concerns the whole execution. */
  stage: z.nullable(z.string()),
  /** Of an event of one item of a stage with `map`: its place, from 0. */
  item: z.optional(z.number().check(z.int())),
  event_type: z.enum(LIFECYCLE_TYPES),
  attempt: z.nullable(z.number().check(z.int())),
  data: JsonObject,
  /** What went wrong, where something did. */
  error: z.nullable(JsonObject),
});
export type TraceEvent = z.infer<typeof TraceEvent>;

export const ExecutionTrace = z.object({ execution_id: z.string(), events: z.array(TraceEvent) });
export type ExecutionTrace = z.infer<typeof ExecutionTrace>;
