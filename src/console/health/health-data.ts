// The metrics of the Health page: fetched together, refreshed while the page is visible. What the API gives for a
// window is asked for several windows, one within the other: their differences are how much happened when.
import { signal } from "@preact/signals";
import { type Agent, type Alert, CoordinatorClientError, type Metrics } from "../../client/index.ts";
import { client } from "../lib/session.ts";

const RENEW_MS = 5_000;
/** Bars of the throughput. They are asked for more rarely than the rest: each is a call. */
const BUCKETS = 12;
const BUCKETS_EACH = 4;

export interface Bucket {
  /** Seconds before now at which it begins. */
  ago: number;
  succeeded: number;
  failed: number;
  other: number;
  /** As far as it is known. */
  cost_usd: number;
}

export interface HealthData {
  metrics: Metrics | null;
  alerts: readonly Alert[];
  agents: readonly Agent[];
  buckets: readonly Bucket[];
}

export function createHealthData(window_seconds: number) {
  const health = signal<HealthData | null>(null);
  const failure = signal<unknown>(null);
  const leaving = new AbortController();
  const { signal: left } = leaving;
  let round = 0;
  let buckets: readonly Bucket[] = [];

  const renew = async () => {
    const options = { signal: left };
    const [metrics, alerts, agents] = await Promise.all([
      orNull(client().getPerformanceMetrics({ window_seconds }, options)),
      orNull(client().getAlerts(options)),
      orNull(client().listAgents(options)),
    ]);
    if (metrics !== null && round % BUCKETS_EACH === 0) buckets = await readBuckets(window_seconds, left);
    round += 1;
    health.value = { metrics, alerts: alerts ?? [], agents: agents ?? [], buckets };
    failure.value = null;
  };
  const run = async () => {
    while (!left.aborted) {
      if (!document.hidden) {
        await renew().catch((cause: unknown) => {
          if (!left.aborted) failure.value = cause;
        });
      }
      await new Promise((resolve) => {
        setTimeout(resolve, RENEW_MS);
      });
    }
  };
  void run();
  return { health, failure, stop: () => leaving.abort() };
}

/** Null where this coordinator does not offer it. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof CoordinatorClientError && cause.status === 404) return null;
    throw cause;
  }
}

async function readBuckets(window_seconds: number, left: AbortSignal): Promise<Bucket[]> {
  const width = window_seconds / BUCKETS;
  const upTo = await Promise.all(
    Array.from({ length: BUCKETS }, async (_, at) => {
      const seconds = Math.round(width * (at + 1));
      const { execution_metrics } = await client().getPerformanceMetrics(
        { window_seconds: seconds },
        { signal: left },
      );
      return execution_metrics;
    }),
  );
  const buckets = upTo.map((wide, at) => {
    const narrow = upTo[at - 1];
    const between = (read: (metrics: Metrics["execution_metrics"]) => number) =>
      Math.max(0, read(wide) - (narrow === undefined ? 0 : read(narrow)));
    return {
      ago: Math.round(width * (at + 1)),
      succeeded: between((metrics) => metrics.successful_executions),
      failed: between((metrics) => metrics.failed_executions),
      other: between((metrics) => metrics.cancelled_executions),
      cost_usd: between((metrics) => metrics.cost_usd ?? 0),
    };
  });
  return buckets.toReversed();
}
