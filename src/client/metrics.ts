// The types of config, metrics and alerts (src/contract/README.md sections 6 and 7): the contract's own, under the
// names that a client imports.
import type { CoordinatorConfig } from "../contract/config.ts";
import type * as Budgets from "../contract/budget.ts";
import type * as Contract from "../contract/metrics.ts";

/**
 * A threshold of the config with its value now. `threshold` and `value` are in the unit that the name ends in, rates
 * from 0 to 1; `since` is RFC 3339.
 *
 * @example
 * const firing: Alert[] = (await client.getAlerts()).filter((alert) => alert.firing);
 */
export type Alert = Contract.Alert;

/**
 * A budget of the config, in US dollars: `spent_usd` by its executions in the last `window_seconds`, `lent_usd` in the
 * hands of running executions, which may spend it; null where one is not known now. `resets_at`, RFC 3339, is when all
 * that is spent now has left the period; null also where nothing is spent.
 *
 * @example
 * const left = ({ cost_usd, spent_usd }: BudgetState) => cost_usd - (spent_usd ?? 0);
 */
export type BudgetState = Budgets.BudgetState;

/**
 * A stage that runs spend their time in. Durations in ms, `impact_score` from 0 to 1, `percentage_of_total` from 0 to
 * 100.
 *
 * @example
 * const line = ({ stage, impact, root_cause }: Bottleneck) => `${stage} (${impact}): ${root_cause}`;
 */
export type Bottleneck = Contract.Bottleneck;

/**
 * What executions that have ended cost, in US dollars: null where no cost is known, a lower bound where
 * `unpriced_tokens` is not 0. `by_tag` is by `key=value`. `recent_runs`, with a `pipeline` alone, has what its last
 * recorded executions cost, by stage.
 *
 * @example
 * const { cost } = await client.getPerformanceMetrics({ pipeline: "rag" });
 * const ofUser = ({ by_tag }: CostMetrics, user: string) => by_tag[`user=${user}`] ?? 0;
 * console.log(ofUser(cost, "u1"));
 */
export type CostMetrics = Contract.CostMetrics;

/**
 * All metrics: of executions, of each stage, and what follows from them. Durations in ms, rates from 0 to 1, costs in US
 * dollars.
 *
 * @example
 * const { performance_analytics }: Metrics = await client.getPerformanceMetrics();
 * console.log(performance_analytics.optimization_opportunities);
 */
export type Metrics = Contract.Metrics;

/**
 * The metrics of one stage. Durations in ms, rates from 0 to 1, costs in US dollars: null where none is known.
 *
 * @example
 * const slow = ({ p95_duration_ms }: StageMetrics) => p95_duration_ms > 5_000;
 */
export type StageMetrics = Metrics["stage_metrics"][string];

/**
 * Any part of the config, in the units that the names end in; null gives a key its default back.
 *
 * @example
 * const patch: ConfigPatch = { stage_timeout_seconds: 30, circuit_breaker: { failure_threshold: null } };
 * await client.updateConfig(patch);
 */
export type ConfigPatch = { [Key in keyof CoordinatorConfig]?: Patched<CoordinatorConfig[Key]> | null };
type Patched<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Key in keyof Value]?: Value[Key] | null }
    : Value;

/**
 * Which executions the metrics count.
 *
 * @example
 * const lastHour: MetricsWindow = { pipeline: "rag", window_seconds: 3_600 };
 * const { total_executions } = await client.getExecutionMetrics(lastHour);
 */
export interface MetricsWindow {
  /** Those of one pipeline; of all where it is left out. */
  pipeline?: string;
  /** Executions that ended in the last this many seconds, 1 to 86,400; default: a day. */
  window_seconds?: number;
}
