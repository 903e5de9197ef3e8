// Metrics (src/contract/README.md section 7): the responses of GET /v1/metrics and GET /v1/alerts.
import * as z from "./zod.ts";

const Count = z.number().check(z.int(), z.gte(0));
const Ms = z.number().check(z.gte(0));
const Share = z.number().check(z.gte(0), z.lte(1));

const ExecutionMetrics = z.object({
  total_executions: Count,
  successful_executions: Count,
  failed_executions: Count,
  cancelled_executions: Count,
  /** The share of ended executions that completed; 1 if none has ended. */
  success_rate: Share,
  average_duration_ms: Ms,
  avg_duration_ms: Ms,
  p50_duration_ms: Ms,
  p95_duration_ms: Ms,
  p99_duration_ms: Ms,
  concurrent_executions: Count,
});

const StageMetrics = z.object({
  executions: Count,
  average_duration_ms: Ms,
  avg_duration_ms: Ms,
  p95_duration_ms: Ms,
  success_rate: Share,
  error_rate: Share,
  retries: Count,
  cache_hits: Count,
});

const Level = z.enum(["high", "medium", "low"]);
export type Level = z.infer<typeof Level>;

const Bottleneck = z.object({
  stage: z.string(),
  /** The stage's share of the time on the critical path. */
  impact_score: Share,
  impact: Level,
  average_duration_ms: Ms,
  avg_duration_ms: Ms,
  /** The stage's share of the time of all stages, in percent. */
  percentage_of_total: z.number().check(z.gte(0), z.lte(100)),
  cause: z.string(),
  recommendation: z.string(),
  /** The specification's name for `cause`; the same text. */
  root_cause: z.string(),
  /** The specification's name for `recommendation`; the same text. */
  optimization_recommendation: z.string(),
});
export type Bottleneck = z.infer<typeof Bottleneck>;

const Opportunity = z.object({
  type: z.enum(["parallel_execution", "result_caching", "timeout_tuning", "more_concurrent_stages"]),
  /** Of one run, on average. */
  potential_improvement_ms: Ms,
  implementation_complexity: Level,
});
export type Opportunity = z.infer<typeof Opportunity>;

/** Questions to people: those that are open now, and those of executions that have ended. */
const WaitMetrics = z.object({
  open: Count,
  expired: Count,
  answered: Count,
  /** From a question to its answer or its expiry. */
  p50_ms: Ms,
  p95_ms: Ms,
});
export type WaitMetrics = z.infer<typeof WaitMetrics>;

export const Metrics = z.object({
  execution_metrics: ExecutionMetrics,
  stage_metrics: z.record(z.string(), StageMetrics),
  waits: WaitMetrics,
  performance_analytics: z.object({
    bottlenecks: z.array(Bottleneck),
    optimization_opportunities: z.array(Opportunity),
  }),
});
export type Metrics = z.infer<typeof Metrics>;

export const AlertName = z.enum([
  "execution_success_rate",
  "avg_execution_time_ms",
  "stage_error_rate",
  "concurrent_executions",
  "memory_usage_mb",
  "wait_age_seconds",
]);
export type AlertName = z.infer<typeof AlertName>;

export const Alert = z.object({
  name: AlertName,
  stage: z.optional(z.string()),
  threshold: z.number(),
  /** Null if too few executions have ended recently to compute it. */
  value: z.nullable(z.number()),
  firing: z.boolean(),
  since: z.nullable(z.iso.datetime()),
});
export type Alert = z.infer<typeof Alert>;

export const AlertList = z.object({ data: z.array(Alert) });
