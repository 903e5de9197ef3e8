// Results that an earlier version has kept: a row each, found by (family, exact) alone. Nothing is added to them; a day
// after the last one was written the table is gone.
import { madeBy } from "../../core/caching/cached-result.ts";

export class EarlierRows {
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  /** The entry of one result. */
  find(family: string, exact: string): string | null {
    return this.entry("SELECT entry FROM results WHERE family = ? AND exact = ?", family, exact);
  }

  /** The entry of a family's last result. */
  last(family: string): string | null {
    return this.entry("SELECT entry FROM results WHERE family = ? ORDER BY at DESC LIMIT 1", family);
  }

  /** Deletes what an execution has made in these families. */
  forget(execution_id: string, families: readonly string[]): void {
    const begins = madeBy(execution_id);
    for (const family of families) {
      this.sql.exec(
        "DELETE FROM results WHERE family = ? AND substr(entry, 1, ?) = ?",
        family,
        begins.length,
        begins,
      );
    }
  }

  /** Deletes what was stored at `until` or before, ms since the epoch, and with the last row the table; then false. */
  sweep(until: number): boolean {
    this.sql.exec("DELETE FROM results WHERE at <= ?", until);
    if (this.sql.exec("SELECT 1 FROM results LIMIT 1").toArray().length > 0) return true;
    this.sql.exec("DROP TABLE results");
    return false;
  }

  private entry(query: string, ...values: string[]): string | null {
    const [row] = this.sql.exec<{ entry: string }>(query, ...values);
    return row?.entry ?? null;
  }
}
