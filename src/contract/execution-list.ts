// The responses of the list of executions and of its clean-up: src/contract/README.md section 1.
import * as z from "./zod.ts";
import { ErrorInfo, ExecutionStatus, LogPlace, ParentStage } from "./execution.ts";

/** What an execution has used, the executions of its stages included. */
const UsageSummary = z.object({
  /** Null where it is not known. */
  cost_usd: z.nullable(z.number()),
  input_tokens: z.number(),
  output_tokens: z.number(),
  /** Of models without a price: `cost_usd` is a lower bound. Absent where there are none. */
  unpriced_tokens: z.optional(z.number()),
});
export type UsageSummary = z.infer<typeof UsageSummary>;

/** An execution in the list; the whole of it is at its own path. */
export const ExecutionSummary = z.object({
  execution_id: z.string(),
  status: ExecutionStatus,
  /** Its beginning; the execution holds the whole question. */
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: z.number().check(z.int()),
  start_time: z.iso.datetime(),
  end_time: z.nullable(z.iso.datetime()),
  duration_ms: z.nullable(z.number()),
  error_info: z.nullable(ErrorInfo),
  /** Absent where it is no fork. */
  forked_from: z.optional(LogPlace),
  /** Of one that a stage of another execution runs. */
  parent: z.optional(ParentStage),
  /** Absent where nothing was used, and in entries of earlier versions. */
  usage: z.optional(UsageSummary),
});
export type ExecutionSummary = z.infer<typeof ExecutionSummary>;

export const ExecutionList = z.object({
  data: z.array(ExecutionSummary),
  has_more: z.boolean(),
  /** Opaque; null on the last page. */
  next_cursor: z.nullable(z.string()),
});

export const CleanupResult = z.object({ deleted: z.number().check(z.int()), has_more: z.boolean() });
