// Responses about executions: src/contract/README.md section 2. Requests are in requests.ts.
import * as z from "./zod.ts";
import { Budget, Tags } from "./budget.ts";
import { JsonObject } from "./json.ts";
import { EXECUTION_STATUSES, ExecutionId } from "./names.ts";
import { StageResult, Usage } from "./stage.ts";

export const ExecutionStatus = z.enum(EXECUTION_STATUSES);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** One earlier question of the conversation with its answer. */
export const ConversationTurn = z.object({
  query: z.string(),
  answer: z.unknown(),
  /** What a run had said that was superseded by the next question. */
  partial: z.optional(z.literal(true)),
});
export type ConversationTurn = z.infer<typeof ConversationTurn>;

export const ErrorInfo = z.object({
  code: z.string(),
  message: z.string(),
  failed_stage: z.nullable(z.string()),
  retry_attempts: z.number().check(z.int()),
});
export type ErrorInfo = z.infer<typeof ErrorInfo>;

/** A part of the time of a run's critical path. */
const CriticalPathLink = z.object({
  /**
   * `stage`: the stage's calls; `retry_wait`: a delay before a further try, or a call that a pause interrupted;
   * `concurrency_wait`: from the end of the stage before, on which it does not depend, to the place that this freed;
   * `agent_wait`: for a place at the stage's agent, or until that may be called again; `wait`: for an answer from
   * outside; `pause`; `overhead`: the coordinator's own time.
   */
  kind: z.enum(["stage", "retry_wait", "concurrency_wait", "agent_wait", "wait", "pause", "overhead"]),
  /** The stage whose time it is; null before the first and after the last. */
  stage: z.nullable(z.string()),
  ms: z.number(),
});
export type CriticalPathLink = z.infer<typeof CriticalPathLink>;

export const PerformanceMetrics = z.object({
  /** The stages that determined when the run ended, in the order of time. */
  critical_path: z.array(z.string()),
  /** The time of their calls, waits excluded. */
  critical_path_ms: z.number(),
  /** Where the run's time went along the path: the `ms` of all add up to its duration. Earlier versions lack it. */
  critical_path_links: z._default(z.array(CriticalPathLink), []),
  /** Time in which no agent was at work, no retry waited and no pause lasted: the coordinator's own. */
  overhead_ms: z.number(),
  stage_ms: z.record(z.string(), z.number()),
  retries: z.number().check(z.int()),
  cache_hits: z.number().check(z.int()),
});
export type PerformanceMetrics = z.infer<typeof PerformanceMetrics>;

/** A place in the log of an execution. */
export const LogPlace = z.object({ execution_id: z.string(), seq: z.number().check(z.int()) });
export type LogPlace = z.infer<typeof LogPlace>;

/** The stage that runs an execution. */
export const ParentStage = z.object({ execution_id: z.string(), stage: z.string() });

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
  /** The data of the last stage; of several, an object by name, or null where that is larger than 1 MiB. */
  final_result: z.unknown(),
  /** The stages that no other stage depends on. Events of version 0.1.0 do not have it. */
  final_stages: z._default(z.array(z.string()), []),
  context_data: JsonObject,
  performance_metrics: PerformanceMetrics,
  error_info: z.nullable(ErrorInfo),
  usage: Usage,
  execution_metadata: z.object({
    recoveries: z.number().check(z.int()),
    storage: z.enum(["durable_object", "memory"]),
    /** Describes when an execution without storage loses its data. */
    storage_note: z.optional(z.string()),
    traceparent: z.nullable(z.string()),
    config: JsonObject,
    /** The execution whose question has superseded this one. */
    superseded_by: z.optional(z.string()),
  }),
  /** Labels that its caller has given it. Earlier versions lack it. */
  tags: z.optional(Tags),
  /** What it may spend, as raised last; absent where that is not bounded. */
  budget: z.optional(Budget),
  /** Absent where it is 0. */
  priority: z.optional(z.number().check(z.int())),
  /** What it is a fork of. Earlier versions lack it. */
  forked_from: z._default(z.nullable(LogPlace), null),
  /** Of an execution that a stage runs. */
  parent: z.optional(ParentStage),
  truncated: z.optional(z.literal(true)),
  /** Where to follow it: in answers about an execution that is not terminal, and in no event. */
  stream_url: z.optional(z.string()),
});
export type PipelineExecution = z.infer<typeof PipelineExecution>;
