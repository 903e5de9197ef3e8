// What the coordinator says of itself, as src/contract/README.md sections 6 and 7 write it: the contract's own types,
// under the names that a client imports.
import type { CoordinatorConfig } from "../contract/config.ts";
import type { Metrics } from "../contract/metrics.ts";

export type { Alert, Bottleneck, Metrics } from "../contract/metrics.ts";
export type StageMetrics = Metrics["stage_metrics"][string];

/** Any part of the config; null gives a key its default back. */
export type ConfigPatch = { [Key in keyof CoordinatorConfig]?: Patched<CoordinatorConfig[Key]> | null };
type Patched<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Key in keyof Value]?: Value[Key] | null }
    : Value;

/** Which executions the metrics count. */
export interface MetricsWindow {
  /** Those of one pipeline; of all where it is left out. */
  pipeline?: string;
  /** Those that ended in the last so many seconds, 1 to 86,400; a day where it is left out. */
  window_seconds?: number;
}
