// The tables of a shard of the execution index, as migrations in order.
import type { Migration } from "../migrations.ts";

export const SCHEMAS: readonly Migration[] = [
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
  (sql) => {
    // What the earlier table holds is listed from there until it expires: copying it would cost two rows each.
    if (sql.exec("SELECT 1 FROM executions LIMIT 1").toArray().length === 0)
      sql.exec("DROP TABLE executions");
    // A row of several kilobytes takes a page of its own where the table is without rowid.
    sql.exec(
      `CREATE TABLE runs (
        place INTEGER PRIMARY KEY, id TEXT NOT NULL, start INTEGER NOT NULL, seq INTEGER NOT NULL,
        status TEXT NOT NULL, pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER,
        expires INTEGER NOT NULL, has_object INTEGER NOT NULL, batch INTEGER NOT NULL, counted TEXT,
        summary TEXT NOT NULL, turn_expires INTEGER, turn TEXT
      );
      CREATE INDEX runs_of_conversation ON runs (conversation_id);
      CREATE INDEX runs_open ON runs (status) WHERE ended IS NULL;
      CREATE INDEX runs_unusual ON runs (status) WHERE status IN ('failed', 'cancelled');
      CREATE TABLE pipeline_windows (
        pipeline TEXT NOT NULL, window INTEGER NOT NULL, PRIMARY KEY (pipeline, window)
      ) WITHOUT ROWID`,
    );
  },
  // Its key finds the rows of a run. The index of pipelines counts by itself.
  `CREATE TABLE waits (
    id TEXT NOT NULL, seq INTEGER NOT NULL, start INTEGER NOT NULL, pipeline TEXT NOT NULL,
    conversation_id TEXT NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (id, seq)
  ) WITHOUT ROWID;
  CREATE INDEX waits_due ON waits (expires, id, seq);
  CREATE INDEX waits_of_pipeline ON waits (pipeline, expires, id, seq, since);
  CREATE INDEX waits_of_conversation ON waits (conversation_id, expires, id, seq)`,
  `CREATE TABLE places (
    conversation_id TEXT PRIMARY KEY, expires INTEGER NOT NULL, places TEXT NOT NULL
  ) WITHOUT ROWID`,
  // A column of `runs` would be after the turn's text, and reading it would cost the pages of that.
  `CREATE TABLE turn_places (
    place INTEGER PRIMARY KEY, conversation_id TEXT NOT NULL, turn_of TEXT NOT NULL, turn_at INTEGER NOT NULL
  );
  CREATE INDEX turn_places_of_conversation ON turn_places (conversation_id, turn_of)`,
];

/** Nothing was ever stored: no version has made its tables. */
export function hasNoTables(sql: SqlStorage): boolean {
  const tables = sql.exec(
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name IN ('runs', 'executions')",
  );
  return tables.toArray().length === 0;
}
