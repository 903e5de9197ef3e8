// The rows of a cache object: one row a result, written once, found by (family, exact). Who made a result is part of
// its entry's text, so that rows of earlier versions and of this one lie in the same table.
import { madeBy } from "../../core/caching/cached-result.ts";
import { type Migration, migrate } from "../migrations.ts";

/** A result that is to be written. */
export interface ResultRow {
  family: string;
  exact: string;
  /** When it was stored, ms since the epoch. */
  at: number;
  /** A CachedEntry. */
  entry: string;
}

const SCHEMAS: readonly Migration[] = [
  `CREATE TABLE IF NOT EXISTS results (
    family TEXT NOT NULL, exact TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (family, exact)
  ) WITHOUT ROWID`,
];

export class ResultRows {
  private readonly sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.sql = storage.sql;
    migrate(storage, SCHEMAS);
  }

  /** The entry of one result. */
  find(family: string, exact: string): string | null {
    return this.entry("SELECT entry FROM results WHERE family = ? AND exact = ?", family, exact);
  }

  /** The entry of a family's last result. */
  last(family: string): string | null {
    return this.entry("SELECT entry FROM results WHERE family = ? ORDER BY at DESC LIMIT 1", family);
  }

  write({ family, exact, at, entry }: ResultRow): void {
    this.sql.exec(
      `INSERT INTO results (family, exact, at, entry) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET at = excluded.at, entry = excluded.entry`,
      family,
      exact,
      at,
      entry,
    );
  }

  /** Deletes what an execution has made in these families; reads no other rows. */
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

  /** Deletes what was stored at `until` or before, ms since the epoch. True where rows are left. */
  sweep(until: number): boolean {
    this.sql.exec("DELETE FROM results WHERE at <= ?", until);
    return this.sql.exec("SELECT 1 FROM results LIMIT 1").toArray().length > 0;
  }

  private entry(query: string, ...values: string[]): string | null {
    const [row] = this.sql.exec<{ entry: string }>(query, ...values);
    return row?.entry ?? null;
  }
}
