// Metrics (src/contract/README.md section 7): the responses of GET /v1/metrics and GET /v1/alerts.
import * as z from "./zod.ts";

const Count = z.number().check(z.int(), z.gte(0));
const Ms = z.number().check(z.gte(0));
const Share = z.number().check(z.gte(0), z.lte(1));

const Usd = z.number().check(z.gte(0));
/** Null where something was used, and no cost of it is known. */
const Cost = z.nullable(Usd);
const Tokens = z.number().check(z.gte(0));

const spent = {
  cost_usd: Cost,
  input_tokens: Tokens,
  output_tokens: Tokens,
  /** Of models without a price: where there are some, `cost_usd` is a lower bound. */
  unpriced_tokens: Tokens,
};

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
  ...spent,
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
  ...spent,
  /** Of its executions whose cost is known; null where there are none. */
  p50_cost_usd: Cost,
  p95_cost_usd: Cost,
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
  type: z.enum([
    "parallel_execution",
    "result_caching",
    "timeout_tuning",
    "more_concurrent_stages",
    "higher_agent_limits",
  ]),
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

/** What a recorded run cost, by stage; stages that used nothing are left out. */
export const CostRun = z.object({ by_stage: z.record(z.string(), Usd) });
export type CostRun = z.infer<typeof CostRun>;

/** What the executions cost, each stage once: one that runs a pipeline has none of its own. */
const CostMetrics = z.object({
  total_usd: Cost,
  unpriced_tokens: Tokens,
  by_pipeline: z.record(z.string(), Usd),
  /** By the name that agents report; "" where they report none. */
  by_model: z.record(z.string(), z.object(spent)),
  /** By `key=value`: an execution counts for each of its tags. */
  by_tag: z.record(z.string(), Usd),
  /** With `pipeline`: the last ones of it whose costs are all known. */
  recent_runs: z.array(CostRun),
});
export type CostMetrics = z.infer<typeof CostMetrics>;

export const Metrics = z.object({
  execution_metrics: ExecutionMetrics,
  stage_metrics: z.record(z.string(), StageMetrics),
  waits: WaitMetrics,
  cost: CostMetrics,
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
  "cost_usd_per_hour",
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
