// The Durable Object that monitors a tenant's metrics: evaluates the alerts when metrics change and when a caller
// asks, and passes every change to a delivery queue; pushes the metrics to a collector, if there is one.
//
// I13: a change is written together with the job that reports it, and the job stays until a delivery queue has it.
import type { MonitorRpc, DeliveryJob } from "../engine/worker-ports.ts";
import { DurableObject } from "cloudflare:workers";
import { metricsBody } from "../adapters/outbound/otlp-encode.ts";
import { exportTo } from "../adapters/outbound/otlp-export.ts";
import { alertJob, hasMetricsReceivers } from "../adapters/outbound/outbound.ts";
import { composeServices, type Services } from "../compose.ts";
import type { Env } from "../settings.ts";
import type { CoordinatorConfig } from "../contract/config.ts";
import type { Alert } from "../contract/metrics.ts";
import { effectiveConfig } from "../core/config/config.ts";
import { evaluateAlerts, readingsOf } from "../core/monitoring/metrics/alerts.ts";
import { familiesOf } from "../core/monitoring/metrics/families.ts";
import { oldestOf } from "../core/monitoring/metrics/waits.ts";
import { TIMINGS } from "../core/timings.ts";

const FIRING = "firing";
const PENDING = "owed";
/** When the metrics were last pushed, and whether they have changed since; ms since the epoch. */
const PUSHED = "pushed";
const CHANGED = "news";
const SERIES_START = "born";
/** Until when an earlier version's entries are kept, ms since the epoch: see earlierUntil. */
const EARLIER_UNTIL = "earlier_until";

export class MonitorObject extends DurableObject<Env> implements MonitorRpc {
  /** When a shard last reported that metrics have changed, ms since the epoch; null once all later changes are evaluated. */
  private changedAt: number | null = null;
  /** When the oldest open question reaches the alert's threshold, ms since the epoch; null where it has, or is not there. */
  private waitIsOldAt: number | null = null;

  async alerts(): Promise<Alert[]> {
    const services = composeServices(this.env);
    if (!services.ok) return [];
    const alerts = await this.evaluate(services.value, await this.config(services.value, 0));
    const sent = await this.sendPending(services.value);
    if (!sent || repeats(services.value, alerts)) await this.armBy(Date.now() + TIMINGS.ALERT_REPEAT_MS);
    return alerts;
  }

  /** Every version that had another layout of the index reported to its tenant's monitor, which has CHANGED since. */
  async earlierUntil(): Promise<number> {
    const known = this.kv.get<number>(EARLIER_UNTIL);
    if (known !== undefined) return known;
    let until = 0;
    if (this.kv.get(CHANGED) !== undefined) {
      const services = composeServices(this.env);
      if (!services.ok) throw new Error("the environment is not usable");
      const { retention_seconds } = await this.config(services.value);
      // The turns of runs without storage outlive their entries.
      const turns = Date.now() + retention_seconds * 1_000;
      until = Math.max(turns, await services.value.executionIndex.earlierUntil(this.tenant));
    }
    this.kv.put(EARLIER_UNTIL, until);
    return until;
  }

  async metricsChanged(): Promise<void> {
    // From here on CHANGED does not show that there was an earlier version.
    if (this.kv.get(CHANGED) === undefined && this.kv.get(EARLIER_UNTIL) === undefined)
      this.kv.put(EARLIER_UNTIL, 0);
    if (this.kv.get(CHANGED) !== true) this.kv.put(CHANGED, true);
    this.changedAt = Date.now();
    await this.armBy(Date.now() + TIMINGS.ALERT_EVALUATE_MS);
  }

  override async alarm(): Promise<void> {
    let next: number | null = Date.now() + TIMINGS.ALERT_REPEAT_MS;
    try {
      const services = composeServices(this.env);
      if (services.ok) next = await this.watch(services.value);
    } catch {
      // A shard that does not respond now is asked again.
    }
    if (next !== null) await this.armBy(next);
  }

  private get kv(): SyncKvStorage {
    return this.ctx.storage.kv;
  }

  private get tenant(): string {
    return this.ctx.id.name ?? "";
  }

  /** When to evaluate again, ms since the epoch; null if no alert fires and nothing is pending. */
  private async watch(services: Services): Promise<number | null> {
    const config = await this.config(services);
    const alerts = await this.evaluate(services, config);
    const sent = await this.sendPending(services);
    const again = this.evaluateAgainAt();
    const push = await this.push(services, config);
    const repeat = !sent || repeats(services, alerts) ? Date.now() + TIMINGS.ALERT_REPEAT_MS : null;
    // A question gets older without a report.
    const old = hasMetricsReceivers(services.outbound) ? this.waitIsOldAt : null;
    const times = [again, push, repeat, old].filter((at) => at !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** A shard does not report changes shortly after its last report: they are evaluated once more. */
  private evaluateAgainAt(): number | null {
    if (this.changedAt === null) return null;
    const at = this.changedAt + TIMINGS.ALERT_NOTIFY_MS + TIMINGS.ALERT_EVALUATE_MS;
    if (at > Date.now()) return at;
    this.changedAt = null;
    return null;
  }

  private async evaluate(
    { executionIndex, outbound }: Services,
    config: CoordinatorConfig,
  ): Promise<Alert[]> {
    const period = { window_seconds: TIMINGS.ALERT_WINDOW_SECONDS };
    const asked = { period, shapes: 0, hour: true } as const;
    const { by_pipeline, open, waits, hour } = await executionIndex.metrics(this.tenant, asked);
    const now = Date.now();
    const oldest = oldestOf(waits);
    const readings = readingsOf(by_pipeline, open, oldest === null ? null : now - oldest, hour);
    const before = this.kv.get<Alert[]>(FIRING) ?? [];
    const evaluated = evaluateAlerts(before, readings, config.alert_thresholds, now);
    const old = oldest === null ? null : oldest + config.alert_thresholds.wait_age_seconds * 1_000 + 1;
    this.waitIsOldAt = old !== null && old > now ? old : null;
    if (evaluated.changes.length > 0) {
      this.kv.put(
        FIRING,
        evaluated.alerts.filter(({ firing }) => firing),
      );
      const jobs = evaluated.changes.map((alert) => alertJob(outbound.webhook, this.tenant, alert, now));
      this.enqueue(jobs.filter((job) => job !== null));
    }
    return evaluated.alerts;
  }

  private enqueue(jobs: readonly DeliveryJob[]): void {
    if (jobs.length > 0) this.kv.put(PENDING, [...(this.kv.get<DeliveryJob[]>(PENDING) ?? []), ...jobs]);
  }

  /** False if a delivery queue accepts nothing now: reads of the alerts succeed regardless. */
  private async sendPending({ deliveryQueue }: Services): Promise<boolean> {
    try {
      for (const job of this.kv.get<DeliveryJob[]>(PENDING) ?? []) {
        await deliveryQueue.send(this.tenant, job);
        const left = (this.kv.get<DeliveryJob[]>(PENDING) ?? []).filter(({ id }) => id !== job.id);
        this.kv.put(PENDING, left);
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Pushes the metrics if that is due. Returns when it is due next, or null if there is nothing to push. */
  private async push(
    { executionIndex, outbound }: Services,
    config: CoordinatorConfig,
  ): Promise<number | null> {
    if (outbound.otlp === null || !config.enable_metrics_collection || this.kv.get(CHANGED) !== true)
      return null;
    const due = (this.kv.get<number>(PUSHED) ?? 0) + config.metrics_export_interval * 1_000;
    if (due > Date.now()) return due;
    this.kv.put(CHANGED, this.changedAt !== null);
    const { by_pipeline, open, waits } = await executionIndex.metrics(this.tenant, {
      period: "ever",
      shapes: 0,
    });
    const now = Date.now();
    const since = this.kv.get<number>(SERIES_START) ?? now;
    if (since === now) this.kv.put(SERIES_START, now);
    this.kv.put(PUSHED, now);
    const families = familiesOf(by_pipeline, open, waits);
    const body = metricsBody(families, this.tenant, outbound.otlp.version, { since, now });
    // Counts are of all time: the next push compensates a lost one.
    const outcome = await exportTo(outbound.otlp, "metrics", body);
    if (outcome !== "retryable") return null;
    this.kv.put(CHANGED, true);
    return now + config.metrics_export_interval * 1_000;
  }

  /** @param maxAgeMs 0 reads the current state */
  private async config({ catalogs, settings }: Services, maxAgeMs?: number): Promise<CoordinatorConfig> {
    return effectiveConfig(settings.config, (await catalogs.read(this.tenant, maxAgeMs)).config);
  }

  private async armBy(at: number): Promise<void> {
    const armed = await this.ctx.storage.getAlarm();
    if (armed === null || armed > at) await this.ctx.storage.setAlarm(at);
  }
}

/** Alerts that fire are evaluated without further reports, where a receiver is notified of their end. */
function repeats({ outbound }: Services, alerts: readonly Alert[]): boolean {
  return hasMetricsReceivers(outbound) && alerts.some(({ firing }) => firing);
}
