// The list of a tenant's executions (GET /v1/executions) and its clean-up: API.md section 1.
import * as z from "zod";
import { ErrorInfo, ExecutionStatus } from "./execution.ts";

/** An execution in the list; the whole of it is at its own path. */
export const ExecutionSummary = z.object({
  execution_id: z.string(),
  status: ExecutionStatus,
  /** Its beginning; the whole question stands in the execution. */
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: z.number().int(),
  start_time: z.iso.datetime(),
  end_time: z.iso.datetime().nullable(),
  duration_ms: z.number().nullable(),
  error_info: ErrorInfo.nullable(),
});
export type ExecutionSummary = z.infer<typeof ExecutionSummary>;

export const ExecutionList = z.object({
  data: z.array(ExecutionSummary),
  has_more: z.boolean(),
  /** Opaque; null on the last page. */
  next_cursor: z.string().nullable(),
});

/** How many a page has where nobody says. */
const PAGE = 20;

/** The query of GET /v1/executions. */
export const ExecutionFilter = z.object({
  status: ExecutionStatus.optional(),
  pipeline: z.string().max(64).optional(),
  conversation_id: z.string().max(128).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(PAGE),
  cursor: z.string().max(256).optional(),
});
export type ExecutionFilter = z.infer<typeof ExecutionFilter>;

/** The body of POST /v1/executions/cleanup. */
export const CleanupRequest = z.strictObject({
  /** Counted from an execution's end. */
  older_than_seconds: z
    .number()
    .min(0)
    .max(10 * 365 * 86_400),
});

export const CleanupResult = z.object({ deleted: z.number().int(), has_more: z.boolean() });
