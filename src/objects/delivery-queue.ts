// The Durable Object that delivers webhooks and traces: one row per job until it is delivered or abandoned, and
// one alarm at the earliest due time. Webhooks are sent one by one by the standard's schedule, spans in batches.
//
// I13: a job is durable when `take` resolves, and leaves only with its delivery: at least once, under one id.
import type { DeliveryJob } from "../engine/worker-ports.ts";
import { DurableObject } from "cloudflare:workers";
import type { DeliveryQueueRpc } from "../adapters/durable/delivery-client.ts";
import { tracesBody } from "../adapters/outbound/otlp-encode.ts";
import { type Exported, exportTo, type OtlpTarget } from "../adapters/outbound/otlp-export.ts";
import { systemChance } from "../adapters/platform/system.ts";
import { deliver, type WebhookTarget } from "../adapters/outbound/webhook.ts";
import { composeServices } from "../compose.ts";
import type { Env } from "../settings.ts";
import { logLine } from "../core/monitoring/log-line.ts";
import { isDelivered, nextTry } from "../core/monitoring/webhook.ts";
import { TIMINGS } from "../core/timings.ts";
import { type Migration, migrate } from "./migrations.ts";

interface Row extends Record<string, SqlStorageValue> {
  id: string;
  body: string;
  /** Tries made. */
  made: number;
}

const SCHEMAS: readonly Migration[] = [
  `CREATE TABLE IF NOT EXISTS parcels (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, made INTEGER NOT NULL, due INTEGER NOT NULL
  ) WITHOUT ROWID`,
];

/** Connections an object may have open, less one. */
const AT_ONCE = 5;
/** Traces of one POST. */
const BATCH = 100;

export class CourierObject extends DurableObject<Env> implements DeliveryQueueRpc {
  private readonly sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    migrate(ctx.storage, SCHEMAS);
  }

  async take(jobs: readonly DeliveryJob[]): Promise<void> {
    const now = Date.now();
    for (const { id, kind, body, wait_ms } of jobs) {
      this.sql.exec(
        "INSERT OR IGNORE INTO parcels (id, kind, body, made, due) VALUES (?, ?, ?, 0, ?)",
        id,
        kind,
        body,
        now + wait_ms,
      );
    }
    await this.arm();
  }

  /** Never throws: the platform drops an alarm whose handler does, and with it all queued jobs. */
  override async alarm(): Promise<void> {
    const services = composeServices(this.env);
    // A bad variable is reported at every request; queued jobs wait for a valid one.
    let pause_ms: number = services.ok ? 0 : TIMINGS.DELIVERY_PAUSE_MS;
    if (services.ok) {
      const { webhook, otlp } = services.value.outbound;
      const sent = await Promise.allSettled([this.sendWebhooks(webhook), this.sendSpans(otlp)]);
      for (const outcome of sent) {
        if (outcome.status === "fulfilled") continue;
        pause_ms = TIMINGS.ALARM_RETRY_MS;
        this.logFailure("a delivery failed", { error: String(outcome.reason) });
      }
    }
    await this.arm(pause_ms);
  }

  private async sendWebhooks(target: WebhookTarget | null): Promise<void> {
    const due = this.due("webhook", AT_ONCE);
    await Promise.all(
      due.map(async ({ id, body, made }) => {
        if (target === null) {
          this.drop(id);
          return;
        }
        const delivery = await deliver(target, id, body, Date.now());
        const wait = nextTry(delivery, made + 1, systemChance());
        if (wait !== null) this.retryLater(id, wait);
        else {
          this.drop(id);
          if (!isDelivered(delivery.status))
            this.logFailure("webhook abandoned", { id, status: delivery.status, tries: made + 1 });
        }
      }),
    );
  }

  private async sendSpans(target: OtlpTarget | null): Promise<void> {
    if (this.due("spans", 1).length === 0) return;
    // Fresh ones are sent along before they are due; failed ones keep their delays.
    const rows = this.batch(
      "SELECT id, length(body) AS size FROM parcels WHERE kind = 'spans' AND (due <= ? OR made = 0) ORDER BY due LIMIT ?",
      Date.now(),
      BATCH,
    );
    if (target === null) this.settleSpans(rows, "refused");
    else await this.exportSpans(rows, target);
  }

  /** Sends traces together; where one of them may be what the collector does not take, in halves. */
  private async exportSpans(rows: readonly Row[], target: OtlpTarget): Promise<void> {
    const spans = this.spansOf(rows);
    if (spans.length === 0) return;
    const outcome = await exportTo(target, "traces", tracesBody(spans, target.version));
    if (outcome !== "unfit" || rows.length === 1) {
      this.settleSpans(rows, outcome);
      return;
    }
    const half = Math.ceil(rows.length / 2);
    await this.exportSpans(rows.slice(0, half), target);
    await this.exportSpans(rows.slice(half), target);
  }

  /** Each trace by its own tries: a fresh one is not abandoned with one that failed before. */
  private settleSpans(rows: readonly Row[], outcome: Exported): void {
    let lost = 0;
    for (const { id, made } of rows) {
      if (outcome === "retryable" && made + 1 < TIMINGS.SPANS_TRIES) {
        this.retryLater(id, Math.min(TIMINGS.SPANS_RETRY_MS * 2 ** made, TIMINGS.SPANS_RETRY_MOST_MS));
        continue;
      }
      this.drop(id);
      if (outcome !== "accepted") lost += 1;
    }
    if (lost > 0) this.logFailure("traces abandoned", { traces: lost, outcome });
  }

  /** The spans of all rows; a row that is not a list of spans is dropped with a log line, and delays no other. */
  private spansOf(rows: readonly Row[]): unknown[] {
    return rows.flatMap(({ id, body }) => {
      try {
        return JSON.parse(body) as unknown[];
      } catch {
        this.drop(id);
        this.logFailure("a trace could not be read", { id });
        return [];
      }
    });
  }

  /** The rows that a query names by id and size, as many as one POST takes. */
  private batch(query: string, ...bound: SqlStorageValue[]): Row[] {
    const named = this.sql.exec<{ id: string; size: number }>(query, ...bound).toArray();
    const ids: string[] = [];
    let bytes = 0;
    for (const { id, size } of named) {
      bytes += size;
      if (ids.length > 0 && bytes > TIMINGS.SPANS_POST_BYTES) break;
      ids.push(id);
    }
    return ids.flatMap((id) => this.rows("SELECT id, body, made FROM parcels WHERE id = ?", id));
  }

  private due(kind: DeliveryJob["kind"], limit: number): Row[] {
    return this.rows(
      "SELECT id, body, made FROM parcels WHERE kind = ? AND due <= ? ORDER BY due LIMIT ?",
      kind,
      Date.now(),
      limit,
    );
  }

  private rows(query: string, ...bound: SqlStorageValue[]): Row[] {
    return this.sql.exec<Row>(query, ...bound).toArray();
  }

  private retryLater(id: string, wait_ms: number): void {
    const due = Math.round(Date.now() + wait_ms);
    this.sql.exec("UPDATE parcels SET made = made + 1, due = ? WHERE id = ?", due, id);
  }

  private drop(id: string): void {
    this.sql.exec("DELETE FROM parcels WHERE id = ?", id);
  }

  /** Sets the alarm to what is due next. @param pause_ms not before so much from now */
  private async arm(pause_ms = 0): Promise<void> {
    const [next] = this.sql.exec<{ due: number | null }>("SELECT min(due) AS due FROM parcels").toArray();
    const due = next?.due ?? null;
    if (due === null) return;
    const at = Math.max(due, Date.now() + pause_ms);
    // An earlier alarm finds the next due time itself; setting it again would cost a row per job.
    const armed = await this.ctx.storage.getAlarm();
    if (armed === null || armed > at) await this.ctx.storage.setAlarm(at);
  }

  private logFailure(message: string, fields: Record<string, unknown>): void {
    console.error(
      logLine("ERROR", Date.now(), { message, tenant: (this.ctx.id.name ?? "").split("/")[0], ...fields }),
    );
  }
}
