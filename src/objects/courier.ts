// The Durable Object that delivers what goes to others' servers: a row a parcel until it is delivered or given up, and
// one alarm at the earliest that is due. Webhooks go one by one by the standard's schedule, spans together.
//
// I13: a parcel is durable when `take` resolves, and leaves only with its delivery: at least once, under one id.
import { DurableObject } from "cloudflare:workers";
import type { CourierRpc, Parcel } from "../adapters/objects/courier-api.ts";
import { tracesBody } from "../adapters/otlp/encode.ts";
import { exportTo, type OtlpTarget } from "../adapters/otlp/export.ts";
import { systemChance } from "../adapters/system.ts";
import { deliver, type WebhookTarget } from "../adapters/webhook/webhook.ts";
import { composeServices, type Env } from "../compose.ts";
import { logLine } from "../core/monitoring/log-line.ts";
import { isDelivered, nextTry } from "../core/monitoring/webhook.ts";
import { PACE } from "../core/pace.ts";

interface Row extends Record<string, SqlStorageValue> {
  id: string;
  body: string;
  /** Tries made. */
  made: number;
}

/** Connections an object may have open, less one. */
const AT_ONCE = 5;
/** Traces of one POST. */
const BATCH = 100;

export class CourierObject extends DurableObject<Env> implements CourierRpc {
  private readonly sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS parcels (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, made INTEGER NOT NULL, due INTEGER NOT NULL
      ) WITHOUT ROWID`,
    );
  }

  async take(parcels: readonly Parcel[]): Promise<void> {
    const now = Date.now();
    for (const { id, kind, body, wait_ms } of parcels) {
      this.sql.exec("INSERT OR IGNORE INTO parcels VALUES (?, ?, ?, 0, ?)", id, kind, body, now + wait_ms);
    }
    await this.arm();
  }

  override async alarm(): Promise<void> {
    const services = composeServices(this.env);
    // A bad variable is told at every request; what waits here waits for better ones.
    if (services.ok) {
      const { webhook, otlp } = services.value.outward;
      await Promise.all([this.sendWebhooks(webhook), this.sendSpans(otlp)]);
    }
    await this.arm(services.ok ? 0 : PACE.ALARM_RETRY_MS);
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
        if (wait !== null) this.again([id], wait);
        else {
          this.drop(id);
          if (!isDelivered(delivery.status))
            this.tell("webhook given up", { id, status: delivery.status, tries: made + 1 });
        }
      }),
    );
  }

  private async sendSpans(target: OtlpTarget | null): Promise<void> {
    if (this.due("spans", 1).length === 0) return;
    const rows = this.rows("SELECT id, body, made FROM parcels WHERE kind = 'spans' LIMIT ?", BATCH);
    const ids = rows.map(({ id }) => id);
    const made = Math.max(...rows.map((row) => row.made)) + 1;
    const spans = rows.flatMap(({ body }) => JSON.parse(body) as unknown[]);
    const outcome =
      target === null ? "refused" : await exportTo(target, "traces", tracesBody(spans, target.version));
    if (outcome === "again" && made < PACE.SPANS_TRIES) {
      this.again(ids, Math.min(PACE.SPANS_RETRY_MS * 2 ** (made - 1), PACE.SPANS_RETRY_MOST_MS));
      return;
    }
    for (const id of ids) this.drop(id);
    if (outcome !== "taken") this.tell("traces given up", { traces: ids.length, tries: made });
  }

  private due(kind: Parcel["kind"], limit: number): Row[] {
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

  private again(ids: readonly string[], wait_ms: number): void {
    for (const id of ids) {
      this.sql.exec("UPDATE parcels SET made = made + 1, due = ? WHERE id = ?", Date.now() + wait_ms, id);
    }
  }

  private drop(id: string): void {
    this.sql.exec("DELETE FROM parcels WHERE id = ?", id);
  }

  private async arm(wait_ms = 0): Promise<void> {
    const [next] = this.sql.exec<{ due: number | null }>("SELECT min(due) AS due FROM parcels").toArray();
    const due = next?.due ?? null;
    if (due !== null) await this.ctx.storage.setAlarm(Math.max(due, Date.now() + wait_ms));
  }

  private tell(message: string, fields: Record<string, unknown>): void {
    console.error(
      logLine("ERROR", Date.now(), { message, tenant: (this.ctx.id.name ?? "").split("/")[0], ...fields }),
    );
  }
}
