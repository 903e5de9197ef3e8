// PipelineStage (what a definition says of a stage), ResolvedStage (what a run holds of it: the config's
// values filled in) and StageResult (what became of it). API.md section 2.
import * as z from "zod";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { Name } from "./names.ts";

const Seconds = z.number().min(0.001).max(LIMITS.TIMEOUT_SECONDS);

const FallbackByName = z.enum(["use_cached_results", "use_simple_model"]);

/** What to give instead of a stage's own answer when the stage would fail. */
export const FallbackStrategy = z.union([
  FallbackByName,
  z.strictObject({ strategy: z.literal("use_cached_results") }),
  z.strictObject({
    strategy: z.literal("use_simple_model"),
    agent_type: Name.optional(),
    config: JsonObject.optional(),
  }),
  z.strictObject({ strategy: z.literal("use_default"), data: JsonObject }),
]);
export type FallbackStrategy = z.infer<typeof FallbackStrategy>;

const CachePolicy = z.union([z.boolean(), z.strictObject({ ttl_seconds: Seconds })]);

const stageFields = {
  agent_type: Name,
  required: z.boolean(),
  parallel: z.boolean(),
  depends_on: z.array(Name).max(LIMITS.STAGES),
  config: JsonObject,
  timeout_seconds: Seconds.optional(),
  /** The total number of tries. */
  retry_attempts: z.number().int().min(1).max(LIMITS.RETRY_ATTEMPTS).optional(),
  /** A CEL expression over `query`, `results`, `context`; false skips the stage. */
  when: z.string().min(1).max(LIMITS.CONDITION_CHARS).optional(),
  fallback: FallbackStrategy.optional(),
  cache: CachePolicy.optional(),
  hedge_after_ms: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.TIMEOUT_SECONDS * 1000)
    .optional(),
  /** The longest silence between two pieces of a streamed answer. */
  idle_timeout_seconds: Seconds.optional(),
};

export const PipelineStage = z.strictObject({
  name: Name,
  ...stageFields,
  required: stageFields.required.default(true),
  parallel: stageFields.parallel.default(false),
  depends_on: stageFields.depends_on.default([]),
  config: stageFields.config.default({}),
});
export type PipelineStage = z.infer<typeof PipelineStage>;

/** One stage's entry of `pipeline_config`: any field but `name`, and `enabled`. */
export const StageOverride = z.strictObject({ ...stageFields, enabled: z.boolean() }).partial();
export type StageOverride = z.infer<typeof StageOverride>;

/** A stage as a run holds it: what the config supplies is filled in and pinned. */
export const ResolvedStage = PipelineStage.required({ timeout_seconds: true, retry_attempts: true });
export type ResolvedStage = z.infer<typeof ResolvedStage>;

export const StageStatus = z.enum(["pending", "running", "completed", "failed", "skipped", "cancelled"]);
export type StageStatus = z.infer<typeof StageStatus>;

export const StageError = z.object({
  code: z.string(),
  message: z.string(),
  /** The agent's HTTP status, where it gave one. */
  status: z.number().int().optional(),
  retryable: z.boolean(),
});
export type StageError = z.infer<typeof StageError>;

/** Numbers an agent reports of its own consumption (tokens, cost); summed by name. */
export const Usage = z.record(z.string(), z.unknown());
export type Usage = z.infer<typeof Usage>;

const Timestamp = z.iso.datetime();

export const StageResult = z.object({
  stage: Name,
  agent_type: Name,
  status: StageStatus,
  /** Tries made. */
  attempts: z.number().int(),
  start_time: Timestamp.nullable(),
  end_time: Timestamp.nullable(),
  duration_ms: z.number().nullable(),
  data: JsonObject.nullable(),
  error: StageError.nullable(),
  cached: z.boolean(),
  fallback: z.object({ strategy: z.string(), reason: z.string() }).nullable(),
  skip_reason: z.string().nullable(),
  usage: Usage.nullable(),
});
export type StageResult = z.infer<typeof StageResult>;
