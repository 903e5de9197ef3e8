// CoordinatorConfig (src/contract/README.md section 6): every key, its bounds and its default, once. Values come from
// PATCH, else from the environment, else from DEFAULT_CONFIG; a run pins the whole of it in its first event.
import * as z from "./zod.ts";
import { Prices, ScopeBudget } from "./budget.ts";
import type { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { Name } from "./names.ts";
import { FallbackStrategy } from "./stage.ts";

const Seconds = z.number().check(z.gte(0.001), z.lte(LIMITS.TIMEOUT_SECONDS));
export const OnBusy = z.enum(["parallel", "reject", "queue", "interrupt"]);
export type OnBusy = z.infer<typeof OnBusy>;

const Ratio = z.number().check(z.gte(0), z.lte(1));

export const CoordinatorConfig = z.strictObject({
  max_concurrent_stages: z.number().check(z.int(), z.gte(1), z.lte(LIMITS.CONCURRENT_STAGES)),
  stage_timeout_seconds: Seconds,
  pipeline_timeout_seconds: Seconds,
  enable_parallel_execution: z.boolean(),
  max_retry_attempts: z.number().check(z.int(), z.gte(1), z.lte(LIMITS.RETRY_ATTEMPTS)),
  retry_delay_seconds: z.number().check(z.gte(0), z.lte(LIMITS.TIMEOUT_SECONDS)),
  retry_backoff_factor: z.number().check(z.gte(1), z.lte(100)),
  enable_circuit_breaker: z.boolean(),
  enable_performance_monitoring: z.boolean(),
  enable_caching: z.boolean(),
  cache_ttl_seconds: Seconds,
  /** Bounds one execution's context; the default is what an isolate can hold, not a server's 2048. */
  memory_limit_mb: z.number().check(z.gte(0.001), z.lte(LIMITS.CONTEXT_MB)),
  /** False: readers get every lifecycle event, and no stage.delta and no stage.progress. */
  enable_streaming: z.boolean(),
  /** Events buffered for a slow reader; at most 64 KiB and one event, for any number. */
  stream_buffer_size: z.number().check(z.int(), z.gte(1), z.lte(65_536)),
  /** A reader that stalls this long with a full buffer is closed, and reconnects by Last-Event-ID. */
  stream_timeout_ms: z.number().check(z.int(), z.gte(1), z.lte(600_000)),
  /** False: a reader whose buffer is full is not waited for, but closed at once. */
  enable_backpressure: z.boolean(),
  enable_context_persistence: z.boolean(),
  context_storage_backend: z.enum(["durable_object", "memory"]),
  enable_state_recovery: z.boolean(),
  context_memory_size: z.number().check(z.int(), z.gte(0), z.lte(LIMITS.HISTORY_TURNS)),
  max_pause_seconds: z.number().check(z.gte(0.001), z.lte(LIMITS.PAUSE_SECONDS)),
  enable_detailed_logging: z.boolean(),
  log_level: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]),
  enable_metrics_collection: z.boolean(),
  metrics_export_interval: z.number().check(z.gte(1), z.lte(LIMITS.TIMEOUT_SECONDS)),
  circuit_breaker: z.strictObject({
    failure_threshold: z.number().check(z.int(), z.gte(1), z.lte(1_000)),
    recovery_timeout_seconds: Seconds,
  }),
  fallback_strategies: z.record(Name, FallbackStrategy),
  alert_thresholds: z.strictObject({
    execution_success_rate: Ratio,
    avg_execution_time_ms: z.number().check(z.gte(0)),
    stage_error_rate: Ratio,
    concurrent_executions: z.number().check(z.gte(0)),
    memory_usage_mb: z.number().check(z.gte(0)),
    /** How long the oldest open question has been open. */
    wait_age_seconds: z.number().check(z.gte(0)),
    /** What the runs of an hour cost. */
    cost_usd_per_hour: z.number().check(z.gte(0)),
  }),
  /** What happens to a question while another execution of its conversation has not ended. */
  on_busy: OnBusy,
  prices: Prices,
  budgets: z.array(ScopeBudget).check(z.maxLength(LIMITS.BUDGETS)),
  retention_seconds: z.number().check(z.gte(1), z.lte(365 * 86_400)),
});
export type CoordinatorConfig = z.infer<typeof CoordinatorConfig>;

export const DEFAULT_CONFIG: CoordinatorConfig = {
  max_concurrent_stages: 3,
  stage_timeout_seconds: 60,
  pipeline_timeout_seconds: 300,
  enable_parallel_execution: true,
  max_retry_attempts: 3,
  retry_delay_seconds: 1,
  retry_backoff_factor: 2,
  enable_circuit_breaker: true,
  enable_performance_monitoring: true,
  enable_caching: true,
  cache_ttl_seconds: 1_800,
  memory_limit_mb: LIMITS.CONTEXT_MB,
  enable_streaming: true,
  stream_buffer_size: 1_024,
  stream_timeout_ms: 5_000,
  enable_backpressure: true,
  enable_context_persistence: true,
  context_storage_backend: "durable_object",
  enable_state_recovery: true,
  context_memory_size: 5,
  max_pause_seconds: 604_800,
  enable_detailed_logging: true,
  // The platform's log product charges by the line: a line for each event would cost as much as the run.
  log_level: "WARN",
  enable_metrics_collection: true,
  metrics_export_interval: 60,
  circuit_breaker: { failure_threshold: 5, recovery_timeout_seconds: 60 },
  fallback_strategies: {},
  alert_thresholds: {
    execution_success_rate: 0.95,
    avg_execution_time_ms: 5_000,
    stage_error_rate: 0.1,
    concurrent_executions: 20,
    memory_usage_mb: LIMITS.CONTEXT_MB,
    wait_age_seconds: 86_400,
    cost_usd_per_hour: 100,
  },
  on_busy: "parallel",
  prices: {},
  budgets: [],
  retention_seconds: 604_800,
};

/** The same fields, each of which may be left out, or be null: back to its default. */
function patchOf(shape: z.core.$ZodLooseShape): z.ZodMiniType<JsonObject> {
  const fields = Object.entries(shape).map(([key, field]) => {
    const inner = field instanceof z.ZodMiniObject ? patchOf(field.shape) : (field as z.ZodMiniType);
    return [key, z.optional(z.nullable(inner))];
  });
  return z.strictObject(Object.fromEntries(fields));
}

/** The body of PATCH /v1/config. A strategy may be partial: the merged config is validated as a whole. */
export const ConfigPatch = z.lazy(() =>
  patchOf({
    ...CoordinatorConfig.shape,
    fallback_strategies: z.record(Name, z.unknown()),
  }),
);
