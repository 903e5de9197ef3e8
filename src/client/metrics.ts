// What the coordinator says of itself, as API.md sections 6 and 7 write it, in types.
import type { CoordinatorConfig } from "../contract/config.ts";

type Level = "high" | "medium" | "low";

export interface StageMetrics {
  executions: number;
  average_duration_ms: number;
  avg_duration_ms: number;
  p95_duration_ms: number;
  success_rate: number;
  error_rate: number;
  retries: number;
  cache_hits: number;
}

export interface Bottleneck {
  stage: string;
  /** The stage's share of the time on the critical path, 0 to 1. */
  impact_score: number;
  impact: Level;
  average_duration_ms: number;
  avg_duration_ms: number;
  percentage_of_total: number;
  cause: string;
  recommendation: string;
}

export interface Metrics {
  execution_metrics: {
    total_executions: number;
    successful_executions: number;
    failed_executions: number;
    cancelled_executions: number;
    success_rate: number;
    average_duration_ms: number;
    p50_duration_ms: number;
    p95_duration_ms: number;
    p99_duration_ms: number;
    concurrent_executions: number;
  };
  stage_metrics: Record<string, StageMetrics>;
  performance_analytics: {
    bottlenecks: Bottleneck[];
    optimization_opportunities: {
      type: string;
      potential_improvement_ms: number;
      implementation_complexity: string;
    }[];
  };
}

export interface Alert {
  name: string;
  stage?: string;
  threshold: number;
  value: number | null;
  firing: boolean;
  since: string | null;
}

/** Any part of the config; null gives a key its default back. */
export type ConfigPatch = { [Key in keyof CoordinatorConfig]?: Patched<CoordinatorConfig[Key]> | null };
type Patched<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Key in keyof Value]?: Value[Key] | null }
    : Value;
