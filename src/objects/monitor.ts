// The Durable Object that monitors a tenant's metrics: evaluates the alerts when metrics change and when a caller
// asks, and passes every change to a courier; pushes the metrics to a collector, if there is one.
//
// I13: a change is written together with the parcel that reports it, and the parcel stays until a courier has it.
import type { MonitorRpc, Parcel } from "../engine/worker-ports.ts";
import { DurableObject } from "cloudflare:workers";
import { metricsBody } from "../adapters/outbound/otlp-encode.ts";
import { exportTo } from "../adapters/outbound/otlp-export.ts";
import { alertParcel } from "../adapters/outbound/outbound.ts";
import { composeServices, type Services } from "../compose.ts";
import type { Env } from "../settings.ts";
import type { CoordinatorConfig } from "../contract/config.ts";
import type { Alert } from "../contract/metrics.ts";
import { effectiveConfig } from "../core/config/config.ts";
import { judgeAlerts, readingsOf } from "../core/monitoring/metrics/alerts.ts";
import { familiesOf } from "../core/monitoring/metrics/families.ts";
import { TIMINGS } from "../core/timings.ts";

const FIRING = "firing";
const OWED = "owed";
/** When the metrics were last pushed, and whether they have changed since; ms since the epoch. */
const PUSHED = "pushed";
const NEWS = "news";
const BORN = "born";

export class MonitorObject extends DurableObject<Env> implements MonitorRpc {
  async alerts(): Promise<Alert[]> {
    const services = composeServices(this.env);
    if (!services.ok) return [];
    const alerts = await this.judge(services.value, await this.config(services.value, 0));
    const handed = await this.handOver(services.value);
    if (!handed || alerts.some(({ firing }) => firing))
      await this.armBy(Date.now() + TIMINGS.ALERT_REPEAT_MS);
    return alerts;
  }

  async news(): Promise<void> {
    if (this.kv.get(NEWS) !== true) this.kv.put(NEWS, true);
    await this.armBy(Date.now() + TIMINGS.ALERT_JUDGE_MS);
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

  /** When to look again, ms since the epoch; null where nothing calls for it. */
  private async watch(services: Services): Promise<number | null> {
    const config = await this.config(services);
    const alerts = await this.judge(services, config);
    const handed = await this.handOver(services);
    const push = await this.push(services, config);
    const repeat =
      !handed || alerts.some(({ firing }) => firing) ? Date.now() + TIMINGS.ALERT_REPEAT_MS : null;
    const times = [push, repeat].filter((at) => at !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  private async judge({ ledgers, outbound }: Services, config: CoordinatorConfig): Promise<Alert[]> {
    const period = { window_seconds: TIMINGS.ALERT_WINDOW_SECONDS };
    const { by_pipeline, open } = await ledgers.figures(this.tenant, { period, shapes: 0 });
    const now = Date.now();
    const before = this.kv.get<Alert[]>(FIRING) ?? [];
    const judged = judgeAlerts(before, readingsOf(by_pipeline, open), config.alert_thresholds, now);
    if (judged.changes.length > 0) {
      this.kv.put(
        FIRING,
        judged.alerts.filter(({ firing }) => firing),
      );
      const parcels = judged.changes.map((alert) => alertParcel(outbound.webhook, this.tenant, alert, now));
      this.owe(parcels.filter((parcel) => parcel !== null));
    }
    return judged.alerts;
  }

  private owe(parcels: readonly Parcel[]): void {
    if (parcels.length > 0) this.kv.put(OWED, [...(this.kv.get<Parcel[]>(OWED) ?? []), ...parcels]);
  }

  /** False if a courier accepts nothing now: reads of the alerts succeed regardless. */
  private async handOver({ couriers }: Services): Promise<boolean> {
    try {
      for (const parcel of this.kv.get<Parcel[]>(OWED) ?? []) {
        await couriers.send(this.tenant, parcel);
        const left = (this.kv.get<Parcel[]>(OWED) ?? []).filter(({ id }) => id !== parcel.id);
        this.kv.put(OWED, left);
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Pushes the figures where that is due; when it is due next, or null where there is nothing to push. */
  private async push({ ledgers, outbound }: Services, config: CoordinatorConfig): Promise<number | null> {
    if (outbound.otlp === null || !config.enable_metrics_collection || this.kv.get(NEWS) !== true)
      return null;
    const due = (this.kv.get<number>(PUSHED) ?? 0) + config.metrics_export_interval * 1_000;
    if (due > Date.now()) return due;
    this.kv.put(NEWS, false);
    const { by_pipeline, open } = await ledgers.figures(this.tenant, { period: "ever", shapes: 0 });
    const now = Date.now();
    const since = this.kv.get<number>(BORN) ?? now;
    if (since === now) this.kv.put(BORN, now);
    this.kv.put(PUSHED, now);
    const families = familiesOf(by_pipeline, open);
    const body = metricsBody(families, this.tenant, outbound.otlp.version, { since, now });
    // Counts are of all time: the next push compensates a lost one.
    const outcome = await exportTo(outbound.otlp, "metrics", body);
    if (outcome !== "again") return null;
    this.kv.put(NEWS, true);
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
