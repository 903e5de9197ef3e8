// The list of a tenant's executions (GET /v1/executions) and its clean-up: API.md section 1.
import * as z from "./zod.ts";
import { ErrorInfo, ExecutionStatus } from "./execution.ts";

/** An execution in the list; the whole of it is at its own path. */
export const ExecutionSummary = z.object({
  execution_id: z.string(),
  status: ExecutionStatus,
  /** Its beginning; the whole question stands in the execution. */
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: z.number().check(z.int()),
  start_time: z.iso.datetime(),
  end_time: z.nullable(z.iso.datetime()),
  duration_ms: z.nullable(z.number()),
  error_info: z.nullable(ErrorInfo),
});
export type ExecutionSummary = z.infer<typeof ExecutionSummary>;

export const ExecutionList = z.object({
  data: z.array(ExecutionSummary),
  has_more: z.boolean(),
  /** Opaque; null on the last page. */
  next_cursor: z.nullable(z.string()),
});

/** How many a page has where nobody says. */
const PAGE = 20;

/** The query of GET /v1/executions. */
export const ExecutionFilter = z.object({
  status: z.optional(ExecutionStatus),
  pipeline: z.optional(z.string().check(z.maxLength(64))),
  conversation_id: z.optional(z.string().check(z.maxLength(128))),
  limit: z._default(z.coerce.number().check(z.int(), z.gte(1), z.lte(100)), PAGE),
  cursor: z.optional(z.string().check(z.maxLength(256))),
});
export type ExecutionFilter = z.infer<typeof ExecutionFilter>;

/** The body of POST /v1/executions/cleanup. */
export const CleanupRequest = z.strictObject({
  /** Counted from an execution's end. */
  older_than_seconds: z.number().check(z.gte(0), z.lte(10 * 365 * 86_400)),
});

export const CleanupResult = z.object({ deleted: z.number().check(z.int()), has_more: z.boolean() });
