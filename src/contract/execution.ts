// An execution's nouns: the request that starts one and the PipelineExecution that is answered of it.
// API.md section 2.
import * as z from "./zod.ts";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { ExecutionId, Name } from "./names.ts";
import { PipelineStage, StageOverride, StageResult, Usage } from "./stage.ts";

export const OnDisconnect = z.enum(["continue", "cancel"]);
export type OnDisconnect = z.infer<typeof OnDisconnect>;

const Query = z.string().check(z.minLength(1), z.maxLength(LIMITS.QUERY_CHARS));
const ConversationId = z.string().check(z.minLength(1), z.maxLength(LIMITS.CONVERSATION_ID_CHARS));

/** The body of POST /v1/executions. */
export const ExecutionRequest = z.strictObject({
  query: Query,
  conversation_id: ConversationId,
  pipeline: z._default(Name, "rag"),
  pipeline_config: z._default(z.record(Name, StageOverride), {}),
  /** The least version to run. */
  pipeline_version: z.optional(z.number().check(z.int(), z.gte(1))),
  context: z._default(JsonObject, {}),
  execution_id: z.optional(ExecutionId),
  on_disconnect: z._default(OnDisconnect, "continue"),
});
export type ExecutionRequest = z.infer<typeof ExecutionRequest>;

/** The body of POST /v1/stages/execute. */
export const StageExecutionRequest = z.strictObject({
  stage: PipelineStage,
  query: Query,
  conversation_id: z._default(ConversationId, "stages"),
  /** What its dependencies would have given. */
  inputs: z._default(z.record(Name, z.nullable(JsonObject)), {}),
  context: z._default(JsonObject, {}),
});
export type StageExecutionRequest = z.infer<typeof StageExecutionRequest>;

export const PauseMode = z.enum(["drain", "abort"]);
export type PauseMode = z.infer<typeof PauseMode>;

/** The body of POST /v1/executions/:id/pause; may be left out. */
export const PauseRequest = z.strictObject({ mode: z._default(PauseMode, "drain") });

export const ExecutionStatus = z.enum(["running", "paused", "completed", "failed", "cancelled"]);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** One earlier question of the conversation with its answer. */
export const ConversationTurn = z.object({ query: z.string(), answer: z.unknown() });
export type ConversationTurn = z.infer<typeof ConversationTurn>;

export const ErrorInfo = z.object({
  code: z.string(),
  message: z.string(),
  failed_stage: z.nullable(z.string()),
  retry_attempts: z.number().check(z.int()),
});
export type ErrorInfo = z.infer<typeof ErrorInfo>;

export const PerformanceMetrics = z.object({
  critical_path: z.array(z.string()),
  critical_path_ms: z.number(),
  /** Time in which no agent was at work, no retry waited and no pause stood: the coordinator's own. */
  overhead_ms: z.number(),
  stage_ms: z.record(z.string(), z.number()),
  retries: z.number().check(z.int()),
  cache_hits: z.number().check(z.int()),
});
export type PerformanceMetrics = z.infer<typeof PerformanceMetrics>;

export const PipelineExecution = z.object({
  execution_id: ExecutionId,
  status: ExecutionStatus,
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: z.number().check(z.int()),
  start_time: z.iso.datetime(),
  end_time: z.nullable(z.iso.datetime()),
  /** Pauses included. */
  duration_ms: z.nullable(z.number()),
  current_stage: z.nullable(z.string()),
  current_stages: z.array(z.string()),
  stage_results: z.record(z.string(), StageResult),
  final_result: z.unknown(),
  context_data: JsonObject,
  performance_metrics: PerformanceMetrics,
  error_info: z.nullable(ErrorInfo),
  usage: Usage,
  execution_metadata: z.object({
    recoveries: z.number().check(z.int()),
    storage: z.enum(["durable_object", "memory"]),
    traceparent: z.nullable(z.string()),
    config: JsonObject,
  }),
  truncated: z.optional(z.literal(true)),
});
export type PipelineExecution = z.infer<typeof PipelineExecution>;
