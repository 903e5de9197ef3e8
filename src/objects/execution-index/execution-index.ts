// The Durable Object of a shard of a tenant's execution index: one row per execution, written at its start and end, and
// the metrics of those that have ended. Rows are found by (start, id), so that each write is one row and a list reads
// only what it shows. Expired rows are not listed, and the object's alarm deletes them.
//
// Reports are buffered briefly and written together, since no caller waits for them; reads include them.
// I13: executions report at least once. An end is counted with the write that brings it into its row, and no later
// report gets past that row, which outlives the execution by a day.
import type { MetricsQuery, IndexMetrics, IndexQuery, Listed, Place } from "../../engine/worker-ports.ts";
import { DurableObject } from "cloudflare:workers";
import type {
  Counted,
  IndexReport,
  ExecutionIndexRpc,
} from "../../adapters/durable/execution-index-client.ts";
import { monitorOf } from "../../adapters/durable/monitor-client.ts";
import type { Env } from "../../settings.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { RunShape } from "../../core/monitoring/metrics/report.ts";
import { TIMINGS } from "../../core/timings.ts";
import { type Migration, migrate } from "../migrations.ts";
import { MetricsStore } from "./metrics-store.ts";

/** What CREATE TABLE makes of the columns that are read. */
interface Row extends Record<string, SqlStorageValue> {
  start: number;
  id: string;
  summary: string;
}

const SCHEMAS: readonly Migration[] = [
  (sql) => {
    sql.exec(
      `CREATE TABLE IF NOT EXISTS executions (
        start INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
        pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
        summary TEXT NOT NULL, shape TEXT, PRIMARY KEY (start, id)
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS open ON executions (expires) WHERE ended IS NULL`,
    );
    // The earliest tables lack this column, and were made before there were schema numbers.
    const shape = sql.exec("SELECT 1 FROM pragma_table_info('executions') WHERE name = 'shape'");
    if (shape.toArray().length === 0) sql.exec("ALTER TABLE executions ADD COLUMN shape TEXT");
  },
];

/** A row that has ended is kept this long at least, so that its end is counted once. */
const REMEMBERED_MS = LIMITS.METRICS_WINDOW_SECONDS * 1_000;

export class LedgerObject extends DurableObject<Env> implements ExecutionIndexRpc {
  private readonly sql: SqlStorage;
  private readonly store: MetricsStore;
  private waiting: IndexReport[] = [];
  /** The writing of those that wait. */
  private gathering: { now: () => void; written: Promise<void> } | null = null;
  private hasAlarm = false;
  private notificationIsDue = false;
  /** Ms since the epoch. */
  private notifiedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.store = new MetricsStore(ctx.storage.kv);
    migrate(ctx.storage, SCHEMAS);
  }

  async report(entry: IndexReport): Promise<void> {
    const now = Date.now();
    // It would be neither listed nor counted any more.
    if (entry.expires <= now && (entry.end ?? 0) + REMEMBERED_MS <= now) return;
    this.waiting.push(entry);
    this.gathering ??= this.gather();
    await this.gathering.written;
    this.notifyMonitor();
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.armSweep();
  }

  async list(query: IndexQuery): Promise<Listed[]> {
    await this.gathered();
    const wanted: (readonly [string, SqlStorageValue[]])[] = [["expires > ?", [Date.now()]]];
    for (const column of ["status", "pipeline", "conversation_id"] as const) {
      const value = query[column];
      if (value !== undefined) wanted.push([`${column} = ?`, [value]]);
    }
    if (query.before !== null) wanted.push(["(start, id) < (?, ?)", [query.before.start, query.before.id]]);
    const conditions = wanted.map(([condition]) => condition).join(" AND ");
    const values = wanted.flatMap(([, bound]) => bound);
    const rows = this.sql.exec<Row>(
      `SELECT start, id, summary FROM executions WHERE ${conditions} ORDER BY start DESC, id DESC LIMIT ?`,
      ...values,
      query.limit,
    );
    return Array.from(rows, (row) => ({
      ...placeOf(row),
      summary: JSON.parse(row.summary) as ExecutionSummary,
    }));
  }

  async ended(until: number, limit: number): Promise<Place[]> {
    await this.gathered();
    const rows = this.sql.exec<Row>(
      "SELECT start, id FROM executions WHERE ended <= ? AND expires > ? ORDER BY start, id LIMIT ?",
      until,
      Date.now(),
      limit,
    );
    return Array.from(rows, placeOf);
  }

  /** Its place stays taken, so that a report that comes twice is not counted twice. */
  async forget(place: Place): Promise<void> {
    await this.gathered();
    this.sql.exec(
      "UPDATE executions SET expires = 0, conversation_id = '', summary = '', shape = NULL WHERE start = ? AND id = ?",
      place.start,
      place.id,
    );
  }

  async metrics({ period, pipeline, shapes }: MetricsQuery): Promise<IndexMetrics> {
    await this.gathered();
    const now = Date.now();
    return {
      by_pipeline: this.store.read(period, now, pipeline),
      open: this.open(now, pipeline),
      shapes:
        shapes === 0 || period === "ever"
          ? []
          : this.shapes(now - period.window_seconds * 1_000, pipeline, shapes),
    };
  }

  override async alarm(): Promise<void> {
    await this.gathered();
    const now = Date.now();
    this.sql.exec(
      "DELETE FROM executions WHERE expires <= ? AND (ended IS NULL OR ended <= ?)",
      now,
      now - REMEMBERED_MS,
    );
    const metrics = this.store.sweep(now);
    const left = this.sql.exec("SELECT 1 FROM executions LIMIT 1").toArray().length;
    this.hasAlarm = left > 0 || metrics;
    if (this.hasAlarm) await this.armSweep();
  }

  private gather(): NonNullable<LedgerObject["gathering"]> {
    const { promise, resolve: now } = Promise.withResolvers<void>();
    setTimeout(now, TIMINGS.INDEX_BUFFER_MS);
    const written = promise.then(() => {
      this.gathering = null;
      this.flush();
    });
    return { now, written };
  }

  /** Makes reads include every report received. */
  private async gathered(): Promise<void> {
    this.gathering?.now();
    // The reporter gets the failure.
    await this.gathering?.written.catch(() => {});
  }

  /** Writes the buffered reports. On failure all waiting reporters get it and retry. */
  private flush(): void {
    const entries = this.waiting;
    this.waiting = [];
    try {
      this.ctx.storage.transactionSync(() => {
        const now = Date.now();
        for (const entry of entries) {
          const isChanged = this.write(entry);
          if (isChanged && entry.counted !== null && entry.end !== null) {
            this.store.count(JSON.parse(entry.counted) as Counted, entry.end, now);
          }
        }
        this.store.write();
      });
    } catch (cause) {
      this.store.forget();
      throw cause;
    }
  }

  /** Writes the entry's row; false where the one that is there is as new. A run without storage reports to be kept. */
  private write(entry: IndexReport): boolean {
    const written = this.sql.exec(
      `INSERT INTO executions
         (start, id, seq, status, pipeline, conversation_id, ended, expires, summary, shape)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq, status = excluded.status, ended = excluded.ended,
         expires = excluded.expires, summary = excluded.summary, shape = excluded.shape
         WHERE excluded.seq > executions.seq OR
           (excluded.seq = executions.seq AND executions.ended IS NULL AND excluded.expires > executions.expires)`,
      entry.start,
      entry.execution_id,
      entry.seq,
      entry.status,
      entry.pipeline,
      entry.conversation_id,
      entry.end,
      entry.expires,
      entry.summary,
      entry.shape,
    );
    return written.rowsWritten > 0;
  }

  /** A start that was never followed by an end stops counting at its deadline. */
  private open(now: number, pipeline: string | undefined): number {
    const rows = this.sql.exec<{ open: number }>(
      `SELECT count(*) AS open FROM executions
       WHERE ended IS NULL AND expires > ? AND (? IS NULL OR pipeline = ?)`,
      now + TIMINGS.INDEX_GRACE_MS,
      pipeline ?? null,
      pipeline ?? null,
    );
    return rows.one().open;
  }

  private shapes(since: number, pipeline: string | undefined, limit: number): RunShape[] {
    const rows = this.sql.exec<{ shape: string }>(
      `SELECT shape FROM executions WHERE start >= ? AND shape IS NOT NULL AND (? IS NULL OR pipeline = ?)
       ORDER BY start DESC LIMIT ?`,
      since,
      pipeline ?? null,
      pipeline ?? null,
      limit,
    );
    return Array.from(rows, (row) => JSON.parse(row.shape) as RunShape);
  }

  /** Alerts follow the figures, at most so often; what is lost with this instance, the next report makes up for. */
  private notifyMonitor(): void {
    if (this.notificationIsDue) return;
    this.notificationIsDue = true;
    setTimeout(
      () => {
        this.notificationIsDue = false;
        this.notifiedAt = Date.now();
        const tenant = (this.ctx.id.name ?? "").split("/", 1)[0] ?? "";
        void monitorOf(this.env.MONITOR, tenant)
          .metricsChanged()
          .catch(() => {});
      },
      Math.max(0, this.notifiedAt + TIMINGS.ALERT_NOTIFY_MS - Date.now()),
    );
  }

  private async armSweep(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + TIMINGS.INDEX_SWEEP_MS);
  }
}

function placeOf(row: Row): Place {
  return { start: row.start, id: row.id };
}
