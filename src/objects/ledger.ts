// The Durable Object of a part of a tenant's index: one row an execution, written at its start and at its end. Rows
// are found by (start, id), so that each write is one row and a list reads only what it shows. What has expired is
// not listed, and is taken out by the object's own alarm.
import { DurableObject } from "cloudflare:workers";
import type { LedgerQuery, LedgerRpc, Listed, Place } from "../adapters/objects/ledger-api.ts";
import type { Env } from "../compose.ts";
import type { ExecutionSummary } from "../contract/execution-list.ts";
import type { LedgerEntry } from "../core/execution/summary.ts";
import { PACE } from "../core/pace.ts";

/** What CREATE TABLE makes of the columns that are read. */
interface Row extends Record<string, SqlStorageValue> {
  start: number;
  id: string;
  summary: string;
}

export class LedgerObject extends DurableObject<Env> implements LedgerRpc {
  private readonly sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS executions (
        start INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
        pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
        summary TEXT NOT NULL, PRIMARY KEY (start, id)
      ) WITHOUT ROWID`,
    );
  }

  async report(entry: LedgerEntry): Promise<void> {
    const { summary, start, end, seq, expires } = entry;
    if (expires <= Date.now()) return;
    this.sql.exec(
      `INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq, status = excluded.status, ended = excluded.ended,
         expires = excluded.expires, summary = excluded.summary WHERE excluded.seq > executions.seq`,
      start,
      summary.execution_id,
      seq,
      summary.status,
      summary.pipeline,
      summary.conversation_id,
      end,
      expires,
      JSON.stringify(summary),
    );
    if ((await this.ctx.storage.getAlarm()) === null) await this.armSweep();
  }

  async list(query: LedgerQuery): Promise<Listed[]> {
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
    const rows = this.sql.exec<Row>(
      "SELECT start, id FROM executions WHERE ended <= ? ORDER BY start, id LIMIT ?",
      until,
      limit,
    );
    return Array.from(rows, placeOf);
  }

  async forget(place: Place): Promise<void> {
    this.sql.exec("DELETE FROM executions WHERE start = ? AND id = ?", place.start, place.id);
  }

  override async alarm(): Promise<void> {
    this.sql.exec("DELETE FROM executions WHERE expires <= ?", Date.now());
    const left = this.sql.exec("SELECT 1 FROM executions LIMIT 1").toArray().length;
    if (left > 0) await this.armSweep();
  }

  private async armSweep(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + PACE.LEDGER_SWEEP_MS);
  }
}

function placeOf(row: Row): Place {
  return { start: row.start, id: row.id };
}
