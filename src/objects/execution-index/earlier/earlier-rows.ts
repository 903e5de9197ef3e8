// The table of versions before conversations were a part of the index: its rows are in the shard of the execution's id.
// They are read and forgotten here until they have expired, and then the table goes. Runs that were in flight at the
// upgrade report to this shard: their new entry replaces the row here.
import type { IndexQuery, Listed, Place } from "../../../engine/worker-ports.ts";
import type { IndexReport } from "../../../adapters/durable/execution-index-client.ts";
import type { ExecutionSummary } from "../../../contract/execution-list.ts";
import type { RunShape } from "../../../core/monitoring/metrics/report.ts";
import { REMEMBERED_MS } from "../row-sweep.ts";

interface Row extends Record<string, SqlStorageValue> {
  start: number;
  id: string;
  summary: string;
}

/** Rows that one sweep deletes. */
const SWEEP_ROWS = 2_000;

export class EarlierRows {
  private readonly sql: SqlStorage;
  private isThere: boolean;

  constructor(sql: SqlStorage) {
    this.sql = sql;
    this.isThere =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'executions'").toArray().length >
      0;
  }

  list(query: IndexQuery, now: number): Listed[] {
    if (!this.isThere) return [];
    const wanted: (readonly [string, SqlStorageValue[]])[] = [["expires > ?", [now]]];
    for (const column of ["status", "pipeline", "conversation_id"] as const) {
      const value = query[column];
      if (value !== undefined) wanted.push([`${column} = ?`, [value]]);
    }
    if (query.before !== null) wanted.push(["(start, id) < (?, ?)", [query.before.start, query.before.id]]);
    const rows = this.sql.exec<Row>(
      `SELECT start, id, summary FROM executions
       WHERE ${wanted.map(([condition]) => condition).join(" AND ")} ORDER BY start DESC, id DESC LIMIT ?`,
      ...wanted.flatMap(([, bound]) => bound),
      query.limit,
    );
    return Array.from(rows, ({ start, id, summary }) => ({
      start,
      id,
      summary: JSON.parse(summary) as ExecutionSummary,
    }));
  }

  ended(until: number, now: number, limit: number): Place[] {
    if (!this.isThere) return [];
    const rows = this.sql.exec<Row>(
      "SELECT start, id FROM executions WHERE ended <= ? AND expires > ? ORDER BY start, id LIMIT ?",
      until,
      now,
      limit,
    );
    return Array.from(rows, ({ start, id }) => ({ start, id }));
  }

  /** Makes room for a later entry of the same execution; false where the row here is as new. */
  replace({ start, execution_id, seq, expires }: IndexReport): boolean {
    if (!this.isThere) return true;
    const [known] = this.sql
      .exec<{ seq: number; ended: number | null; expires: number }>(
        "SELECT seq, ended, expires FROM executions WHERE start = ? AND id = ?",
        start,
        execution_id,
      )
      .toArray();
    if (known === undefined) return true;
    const isLater = seq > known.seq || (seq === known.seq && known.ended === null && expires > known.expires);
    if (isLater) this.sql.exec("DELETE FROM executions WHERE start = ? AND id = ?", start, execution_id);
    return isLater;
  }

  forget({ start, id }: Place): void {
    if (!this.isThere) return;
    this.sql.exec(
      "UPDATE executions SET expires = 0, conversation_id = '', summary = '', shape = NULL WHERE start = ? AND id = ?",
      start,
      id,
    );
  }

  open(since: number, pipeline: string | undefined): number {
    if (!this.isThere) return 0;
    const rows = this.sql.exec<{ open: number }>(
      `SELECT count(*) AS open FROM executions WHERE ended IS NULL AND expires > ? AND (? IS NULL OR pipeline = ?)`,
      since,
      pipeline ?? null,
      pipeline ?? null,
    );
    return rows.one().open;
  }

  shapes(since: number, pipeline: string | undefined, limit: number): RunShape[] {
    if (!this.isThere) return [];
    const rows = this.sql.exec<{ shape: string }>(
      `SELECT shape FROM executions WHERE start >= ? AND shape IS NOT NULL AND (? IS NULL OR pipeline = ?)
       ORDER BY start DESC LIMIT ?`,
      since,
      pipeline ?? null,
      pipeline ?? null,
      limit,
    );
    return Array.from(rows, ({ shape }) => JSON.parse(shape) as RunShape);
  }

  /** Until when something here is kept, ms since the epoch; 0 where there is nothing. */
  get until(): number {
    if (!this.isThere) return 0;
    return (
      this.sql.exec<{ until: number | null }>("SELECT max(expires) AS until FROM executions").one().until ?? 0
    );
  }

  /** Deletes expired rows, and the table when it is empty; true where more may follow. */
  sweep(now: number): boolean {
    if (!this.isThere) return false;
    const over = this.sql
      .exec<Row>(
        `SELECT start, id FROM executions WHERE expires <= ? AND (ended IS NULL OR ended <= ?) LIMIT ?`,
        now,
        now - REMEMBERED_MS,
        SWEEP_ROWS,
      )
      .toArray();
    for (const { start, id } of over) {
      this.sql.exec("DELETE FROM executions WHERE start = ? AND id = ?", start, id);
    }
    if (!this.isEmpty) return over.length === SWEEP_ROWS;
    this.sql.exec("DROP TABLE executions");
    this.isThere = false;
    return false;
  }

  get isEmpty(): boolean {
    return !this.isThere || this.sql.exec("SELECT 1 FROM executions LIMIT 1").toArray().length === 0;
  }
}
