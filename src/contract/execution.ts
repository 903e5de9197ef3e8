// An execution's nouns: the request that starts one and the PipelineExecution that is answered of it.
// API.md section 2.
import * as z from "zod";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { ExecutionId, Name } from "./names.ts";
import { PipelineStage, StageOverride, StageResult, Usage } from "./stage.ts";

export const OnDisconnect = z.enum(["continue", "cancel"]);
export type OnDisconnect = z.infer<typeof OnDisconnect>;

const Query = z.string().min(1).max(LIMITS.QUERY_CHARS);
const ConversationId = z.string().min(1).max(LIMITS.CONVERSATION_ID_CHARS);

/** The body of POST /v1/executions. */
export const ExecutionRequest = z.strictObject({
  query: Query,
  conversation_id: ConversationId,
  pipeline: Name.default("rag"),
  pipeline_config: z.record(Name, StageOverride).default({}),
  /** The least version to run. */
  pipeline_version: z.number().int().min(1).optional(),
  context: JsonObject.default({}),
  execution_id: ExecutionId.optional(),
  on_disconnect: OnDisconnect.default("continue"),
});
export type ExecutionRequest = z.infer<typeof ExecutionRequest>;

/** The body of POST /v1/stages/execute. */
export const StageExecutionRequest = z.strictObject({
  stage: PipelineStage,
  query: Query,
  conversation_id: ConversationId.default("stages"),
  /** What its dependencies would have given. */
  inputs: z.record(Name, JsonObject.nullable()).default({}),
  context: JsonObject.default({}),
});
export type StageExecutionRequest = z.infer<typeof StageExecutionRequest>;

export const PauseMode = z.enum(["drain", "abort"]);
export type PauseMode = z.infer<typeof PauseMode>;

/** The body of POST /v1/executions/:id/pause; may be left out. */
export const PauseRequest = z.strictObject({ mode: PauseMode.default("drain") });

export const ExecutionStatus = z.enum(["running", "paused", "completed", "failed", "cancelled"]);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** One earlier question of the conversation with its answer. */
export const ConversationTurn = z.object({ query: z.string(), answer: z.unknown() });
export type ConversationTurn = z.infer<typeof ConversationTurn>;

export const ErrorInfo = z.object({
  code: z.string(),
  message: z.string(),
  failed_stage: z.string().nullable(),
  retry_attempts: z.number().int(),
});
export type ErrorInfo = z.infer<typeof ErrorInfo>;

export const PerformanceMetrics = z.object({
  critical_path: z.array(z.string()),
  critical_path_ms: z.number(),
  /** Time in which no agent was at work, no retry waited and no pause stood: the coordinator's own. */
  overhead_ms: z.number(),
  stage_ms: z.record(z.string(), z.number()),
  retries: z.number().int(),
  cache_hits: z.number().int(),
});
export type PerformanceMetrics = z.infer<typeof PerformanceMetrics>;

export const PipelineExecution = z.object({
  execution_id: ExecutionId,
  status: ExecutionStatus,
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: z.number().int(),
  start_time: z.iso.datetime(),
  end_time: z.iso.datetime().nullable(),
  /** Pauses included. */
  duration_ms: z.number().nullable(),
  current_stage: z.string().nullable(),
  current_stages: z.array(z.string()),
  stage_results: z.record(z.string(), StageResult),
  final_result: z.unknown(),
  context_data: JsonObject,
  performance_metrics: PerformanceMetrics,
  error_info: ErrorInfo.nullable(),
  usage: Usage,
  execution_metadata: z.object({
    recoveries: z.number().int(),
    storage: z.enum(["durable_object", "memory"]),
    traceparent: z.string().nullable(),
    config: JsonObject,
  }),
  truncated: z.literal(true).optional(),
});
export type PipelineExecution = z.infer<typeof PipelineExecution>;
