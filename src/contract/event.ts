// The events of an execution (src/contract/README.md section 3): lifecycle events, which are logged and numbered, and
// the transient ones, which are neither.
import * as z from "./zod.ts";
import { JsonObject } from "./json.ts";
import { LIFECYCLE_TYPES } from "./lifecycle.ts";

/** A lifecycle event, as it is stored and as a reader gets it: the same bytes at every replay. */
export const LifecycleEvent = z.object({
  execution_id: z.string(),
  /** 1, 2, 3 … without a gap. */
  seq: z.number().check(z.int(), z.gte(1)),
  timestamp: z.iso.datetime(),
  type: z.enum(LIFECYCLE_TYPES),
  stage: z.optional(z.string()),
  status: z.string(),
  attempt: z.optional(z.number().check(z.int())),
  message: z.string(),
  data: JsonObject,
});
export type LifecycleEvent = z.infer<typeof LifecycleEvent>;

/** A piece of a running stage's text; `offset` in UTF-16 units from the start of that attempt's text. */
export const StageDelta = z.object({
  execution_id: z.string(),
  type: z.literal("stage.delta"),
  stage: z.string(),
  attempt: z.number().check(z.int()),
  status: z.literal("running"),
  data: z.object({ partial_answer: z.string(), offset: z.number().check(z.int(), z.gte(0)) }),
});
export type StageDelta = z.infer<typeof StageDelta>;

export const StageProgress = z.object({
  execution_id: z.string(),
  type: z.literal("stage.progress"),
  stage: z.string(),
  attempt: z.number().check(z.int()),
  status: z.literal("running"),
  message: z.string(),
  data: z.object({ message: z.string(), fraction: z.optional(z.number()) }),
});
export type StageProgress = z.infer<typeof StageProgress>;

/** What GET …/events answers to whoever asks for JSON. */
export const EventList = z.object({ data: z.array(LifecycleEvent) });
