// Alerts: readings against thresholds, with hysteresis: an alert resolves only once the value is back by a margin, so
// that a value near its threshold does not fire and resolve over and over.
import type { CoordinatorConfig } from "../../../contract/config.ts";
import type { Alert, AlertName } from "../../../contract/metrics.ts";
import { costOf, emptySpent, type Spent } from "./costs/spending.ts";
import { type MetricTotals, emptyTotals, mergeTotals } from "./run-metrics.ts";
import { errorRate } from "./metrics.ts";
import { mean } from "./sketch.ts";

type Thresholds = CoordinatorConfig["alert_thresholds"];

/** The value that an alert is evaluated from. */
export interface Reading {
  name: AlertName;
  stage?: string | undefined;
  /** Null if no execution has ended that gives a value. */
  value: number | null;
}

export interface AlertEvaluation {
  alerts: Alert[];
  /** Those that have begun or ceased to fire. */
  changes: Alert[];
}

/** The way back, as a share: of the threshold, or for a rate that must be high, of what it lacks to 1. */
const MARGIN = 0.1;
const MB = 1024 * 1024;

/**
 * @param open executions that have begun, have not ended and do not wait: a thousand approvals are no load
 * @param oldest how long the oldest open question has been open, in ms; null where there is none
 * @param hour what the executions that have ended in the last hour have used
 */
export function readingsOf(
  byPipeline: ReadonlyMap<string, MetricTotals>,
  open: number,
  oldest: number | null = null,
  hour: Spent = emptySpent(),
): Reading[] {
  const all = emptyTotals();
  for (const totals of byPipeline.values()) mergeTotals(all, totals);
  const completed = all.by.get("completed") ?? 0;
  // A cancelled execution is neither a success nor a failure.
  const judged = completed + (all.by.get("failed") ?? 0);
  const ended = all.durations.count > 0;
  return [
    { name: "execution_success_rate", value: judged === 0 ? null : completed / judged },
    { name: "avg_execution_time_ms", value: ended ? mean(all.durations) : null },
    ...Array.from(all.stages, ([stage, totals]) => ({
      name: "stage_error_rate" as const,
      stage,
      value: errorRate(totals),
    })),
    { name: "concurrent_executions", value: open },
    { name: "memory_usage_mb", value: ended ? all.context_bytes / MB : null },
    { name: "wait_age_seconds", value: oldest === null ? null : Math.max(0, oldest) / 1_000 },
    { name: "cost_usd_per_hour", value: costOf(hour) },
  ];
}

/** @param before the alerts as they were last judged @param now ms since the epoch */
export function evaluateAlerts(
  before: readonly Alert[],
  readings: readonly Reading[],
  thresholds: Thresholds,
  now: number,
): AlertEvaluation {
  const known = new Map(before.map((alert) => [keyOf(alert), alert]));
  const read = new Set(readings.map(keyOf));
  // A stage without recent runs has no error rate any more; if its alert fired, that is over.
  const silent = before
    .filter((alert) => alert.firing && !read.has(keyOf(alert)))
    .map(({ name, stage }) => ({ name, ...(stage === undefined ? {} : { stage }), value: null }));
  const alerts = [...readings, ...silent].map((reading): Alert => {
    const last = known.get(keyOf(reading));
    const was = last?.firing ?? false;
    const threshold = thresholds[reading.name];
    const firing = reading.value !== null && fires(reading.name, reading.value, threshold, was);
    const since = firing ? (was ? (last?.since ?? null) : new Date(now).toISOString()) : null;
    return { ...reading, threshold, firing, since };
  });
  return {
    alerts,
    changes: alerts.filter((alert) => alert.firing !== (known.get(keyOf(alert))?.firing ?? false)),
  };
}

function fires(name: AlertName, value: number, threshold: number, was: boolean): boolean {
  if (name === "execution_success_rate") {
    return value < (was ? threshold + MARGIN * (1 - threshold) : threshold);
  }
  return value > (was ? threshold - MARGIN * threshold : threshold);
}

function keyOf({ name, stage }: Pick<Reading, "name" | "stage">): string {
  return `${name} ${stage ?? ""}`;
}
