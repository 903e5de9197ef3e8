// Alerts against readings: what fires, what resolves, and what does neither while a value trembles.
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../../src/contract/config.ts";
import type { Alert, AlertName } from "../../../../src/contract/metrics.ts";
import { evaluateAlerts, readingsOf, type Reading } from "../../../../src/core/monitoring/metrics/alerts.ts";
import { emptySpent } from "../../../../src/core/monitoring/metrics/costs/spending.ts";
import { addReport, emptyTotals } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import type { RunEnd } from "../../../../src/core/monitoring/metrics/report.ts";

const THRESHOLDS = DEFAULT_CONFIG.alert_thresholds;
const NOW = 1_764_000_000_000;

/** Judges one alert by one value after another; whether it fired after each. */
function over(name: AlertName, values: readonly (number | null)[], stage?: string): boolean[] {
  let alerts: Alert[] = [];
  return values.map((value, at) => {
    const reading: Reading = { name, value, ...(stage === undefined ? {} : { stage }) };
    alerts = evaluateAlerts(alerts, [reading], THRESHOLDS, NOW + at).alerts;
    return alerts[0]?.firing ?? false;
  });
}

describe("hysteresis", () => {
  test.each<[AlertName, (number | null)[], boolean[]]>([
    [
      "execution_success_rate",
      [1, 0.95, 0.949, 0.951, 0.954, 0.955, 0.951],
      [false, false, true, true, true, false, false],
    ],
    [
      "avg_execution_time_ms",
      [5_000, 5_001, 4_999, 4_501, 4_500, 4_999],
      [false, true, true, true, false, false],
    ],
    ["stage_error_rate", [0.1, 0.11, 0.095, 0.09, 0.1], [false, true, true, false, false]],
    ["concurrent_executions", [20, 21, 19, 18, 20], [false, true, true, false, false]],
    ["memory_usage_mb", [16, 16.1, 15, 14.4], [false, true, true, false]],
    ["cost_usd_per_hour", [100, 100.01, 95, 90, null], [false, true, true, false, false]],
    ["wait_age_seconds", [86_400, 86_401, 80_000, 77_760, null], [false, true, true, false, false]],
    ["execution_success_rate", [null, 0, null], [false, true, false]],
  ])("%s over %j", (name, values, fired) => {
    expect(over(name, values)).toEqual(fired);
  });
});

test("since is the time at which it began to fire, and changes are reported once", () => {
  const judge = (before: Alert[], value: number, now: number) =>
    evaluateAlerts(before, [{ name: "avg_execution_time_ms", value }], THRESHOLDS, now);
  const first = judge([], 6_000, NOW);
  expect(first.alerts).toEqual([
    {
      name: "avg_execution_time_ms",
      threshold: 5_000,
      value: 6_000,
      firing: true,
      since: new Date(NOW).toISOString(),
    },
  ]);
  expect(first.changes).toEqual(first.alerts);
  const second = judge(first.alerts, 7_000, NOW + 60_000);
  expect(second.alerts[0]?.since).toBe(new Date(NOW).toISOString());
  expect(second.changes).toEqual([]);
  const third = judge(second.alerts, 10, NOW + 120_000);
  expect(third.changes).toMatchObject([{ firing: false, since: null }]);
});

test("a stage without further runs resolves, and is then not reported", () => {
  const fired = evaluateAlerts([], [{ name: "stage_error_rate", stage: "s", value: 0.5 }], THRESHOLDS, NOW);
  const gone = evaluateAlerts(fired.alerts, [], THRESHOLDS, NOW + 1);
  expect(gone.changes).toMatchObject([{ stage: "s", firing: false, value: null }]);
  expect(evaluateAlerts(gone.alerts, [], THRESHOLDS, NOW + 2)).toEqual({ alerts: [], changes: [] });
});

test("another threshold is judged at once", () => {
  const reading: Reading[] = [{ name: "concurrent_executions", value: 5 }];
  expect(evaluateAlerts([], reading, THRESHOLDS, NOW).alerts[0]?.firing).toBe(false);
  const lower = { ...THRESHOLDS, concurrent_executions: 4 };
  expect(evaluateAlerts([], reading, lower, NOW).alerts[0]).toMatchObject({ firing: true, threshold: 4 });
});

test("readings come from all pipelines; a cancellation is not a failure", () => {
  const figures = (runs: readonly RunEnd[]) => {
    const of = emptyTotals();
    for (const status of runs) {
      addReport(of, {
        pipeline: "p",
        status,
        duration_ms: 100,
        context_bytes: 3 * 1024 * 1024,
        stages: [{ stage: "s", status, duration_ms: 100, path_ms: 100, retries: 0, cached: false }],
      });
    }
    return of;
  };
  const byPipeline = new Map([
    ["a", figures(["completed", "cancelled"])],
    ["b", figures(["completed", "failed"])],
  ]);
  expect(readingsOf(byPipeline, 7)).toEqual([
    { name: "execution_success_rate", value: 2 / 3 },
    { name: "avg_execution_time_ms", value: 100 },
    { name: "stage_error_rate", stage: "s", value: 0.25 },
    { name: "concurrent_executions", value: 7 },
    { name: "memory_usage_mb", value: 3 },
    { name: "wait_age_seconds", value: null },
    { name: "cost_usd_per_hour", value: 0 },
  ]);
  expect(readingsOf(new Map(), 0).map(({ value }) => value)).toEqual([null, null, 0, null, null, 0]);
  expect(readingsOf(new Map(), 0, 90_500)).toContainEqual({ name: "wait_age_seconds", value: 90.5 });
  const hour = { ...emptySpent(), cost_usd: 2.5, priced: 1, unpriced_tokens: 7 };
  expect(readingsOf(new Map(), 0, null, hour)).toContainEqual({ name: "cost_usd_per_hour", value: 2.5 });
  const unknown = { ...emptySpent(), unpriced_tokens: 7 };
  expect(readingsOf(new Map(), 0, null, unknown)).toContainEqual({ name: "cost_usd_per_hour", value: null });
});
