// The rows of a cache object: one row for what a run has made, written once. Its number says where its question is (see
// core/caching/run-question.ts), so that one look finds all that is kept for it; keys, which prove that a result is the
// one that is asked for, are in the row.
//
// Rows are not deleted one by one: a table takes what comes in TABLE_MS or is TABLE_BYTES, and is dropped when its last
// row has been kept for a day, or earlier where the object holds more than SHARD_BYTES: the oldest table first.
import { KEPT_SECONDS } from "../../core/caching/cached-result.ts";
import { type Range, rangesOf } from "../../core/caching/run-question.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { KeptEntry } from "../../adapters/platform/kept-entries.ts";
import { type Migration, migrate } from "../migrations.ts";
import { overwriting } from "../overwrite.ts";
import { EarlierRows } from "./earlier-rows.ts";

/** A result that is to be written. */
export interface ResultRow {
  exact: string;
  family: string;
  /** A CachedEntry. */
  entry: string;
}

/** UTF-16 units of a row: production refuses one of 2 MB, and a character has up to three bytes. */
const ROW_CHARS = 512 * 1024;
/** Rows of one start that are looked at, the newest first, and rows of other starts of the same question and history. */
const ROWS_OF_START = 64;
const ROWS_BESIDE = 32;
const KEPT_MS = KEPT_SECONDS * 1_000;
const PREFIX = "results_";

const SCHEMAS: readonly Migration[] = [
  `CREATE TABLE IF NOT EXISTS results (
    family TEXT NOT NULL, exact TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (family, exact)
  ) WITHOUT ROWID`,
  // Its rows name no question. They are read until they have expired.
  (sql) => {
    const [row] = sql.exec("SELECT 1 FROM results LIMIT 1");
    if (row === undefined) sql.exec("DROP TABLE results");
  },
];

interface Table {
  name: string;
  /** When its first row was written, ms since the epoch. */
  since: number;
  /** UTF-16 units written by this instance. */
  chars: number;
}

/** What a row reports without its entries. */
type Keys = { id: number; at: number; keys: string };

interface RowKey {
  exact: string;
  family: string;
  /** Its entry's place in the text of all. */
  from: number;
  to: number;
}

export class ResultRows {
  /** What an earlier version has kept; null where nothing of it is left. */
  earlier: EarlierRows | null;
  private readonly sql: SqlStorage;
  /** The newest first. */
  private tables: Table[];

  constructor(storage: DurableObjectStorage) {
    this.sql = storage.sql;
    migrate(storage, SCHEMAS);
    const names = this.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .map(({ name }) => name);
    this.earlier = names.includes("results") ? new EarlierRows(this.sql) : null;
    this.tables = names
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => ({ name, since: Number(name.slice(PREFIX.length)), chars: 0 }))
      .toSorted((a, b) => b.since - a.since);
  }

  /**
   * The last results of a run's question and history, each under its exact key.
   * @param since of those that were written after that, ms since the epoch
   * @param chars UTF-16 units of all entries; those beyond are named alone
   * @returns and whether a run of the same start has made some of them
   */
  kept(place: number, since: number, chars: number): { kept: KeptEntry[]; isOfStart: boolean } {
    const kept = new Map<string, string | null>();
    const [first, last] = rangesOf(place).start;
    let isOfStart = false;
    let left = chars;
    for (const { name, row } of this.around(place, since)) {
      if (row.id >= first && row.id <= last) isOfStart = true;
      const missing = keysOf(row.keys).filter(({ exact }) => !kept.has(exact));
      const size = missing.reduce((sum, { from, to }) => sum + to - from, 0);
      const entries = missing.length > 0 && size <= left ? this.entries(name, row.id) : null;
      if (entries !== null) left -= size;
      for (const { exact, from, to } of missing) kept.set(exact, entries?.slice(from, to) ?? null);
    }
    return { kept: [...kept], isOfStart };
  }

  /** The last entry under an exact key. @param since see `kept` */
  find(place: number, exact: string, since: number): string | null {
    for (const { name, row } of this.around(place, since)) {
      const found = keysOf(row.keys).find((key) => key.exact === exact);
      if (found !== undefined) return this.entries(name, row.id).slice(found.from, found.to);
    }
    return null;
  }

  /** The entry of a family's last result. */
  last(place: number, family: string): string | null {
    const [first, end] = rangesOf(place).question;
    for (const { name } of this.tables) {
      const [row] = this.sql.exec<Keys>(
        `SELECT id, at, keys FROM ${name} WHERE id BETWEEN ? AND ? AND instr(keys, ?) > 0 ORDER BY at DESC LIMIT 1`,
        first,
        end,
        family,
      );
      const found = row && keysOf(row.keys).findLast((key) => key.family === family);
      if (row && found) return this.entries(name, row.id).slice(found.from, found.to);
    }
    return null;
  }

  /**
   * Writes what a run has made.
   * @returns when to sweep first, ms since the epoch, where there was nothing to be swept before; else null
   */
  write(place: number, execution_id: string, now: number, results: readonly ResultRow[]): number | null {
    const isFirst = this.tables.length === 0 && this.earlier === null;
    for (const row of rowsOf(results)) {
      let table = this.tables[0];
      if (
        table === undefined ||
        now >= table.since + TIMINGS.CACHE_TABLE_MS ||
        table.chars >= TIMINGS.CACHE_TABLE_CHARS
      ) {
        table = this.begin(now);
      }
      const keys = row.map(({ exact, family, entry }) => `${exact} ${family} ${entry.length}`).join();
      const entries = row.map(({ entry }) => entry).join("");
      this.sql.exec(
        `INSERT OR REPLACE INTO ${table.name} (id, at, run, keys, entries) VALUES (?, ?, ?, ?, ?)`,
        this.nextId(table.name, place),
        now,
        execution_id,
        keys,
        entries,
      );
      table.chars += keys.length + entries.length;
    }
    while (this.tables.length > 1 && this.sql.databaseSize > TIMINGS.CACHE_SHARD_BYTES) this.dropOldest();
    const [newest] = this.tables;
    return isFirst && newest !== undefined ? expiryOf(newest) : null;
  }

  /** Deletes what an execution has made; reads no other question's rows. */
  forget(place: number, execution_id: string, families: readonly string[]): void {
    const [first, end] = rangesOf(place).question;
    for (const { name } of this.tables) {
      const ofRun = "WHERE id BETWEEN ? AND ? AND run = ?";
      this.sql.exec(
        `UPDATE ${name} SET ${overwriting(["keys", "entries"])} ${ofRun}`,
        first,
        end,
        execution_id,
      );
      this.sql.exec(`DELETE FROM ${name} ${ofRun}`, first, end, execution_id);
    }
    this.earlier?.forget(execution_id, families);
  }

  /** Drops what has been kept long enough. When to sweep again, ms since the epoch; null where nothing is left. */
  sweep(now: number): number | null {
    if (this.earlier?.sweep(now - KEPT_MS) === false) this.earlier = null;
    for (let oldest = this.tables.at(-1); oldest !== undefined && expiryOf(oldest) <= now; ) {
      this.dropOldest();
      oldest = this.tables.at(-1);
    }
    const oldest = this.tables.at(-1);
    const due = oldest === undefined ? [] : [expiryOf(oldest)];
    if (this.earlier !== null) due.push(now + TIMINGS.CACHE_SWEEP_MS);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Rows in which a result for this start may be: those of the same start, then others of its question and history. */
  private *around(place: number, since: number): Generator<{ name: string; row: Keys }> {
    const { start, history } = rangesOf(place);
    const tables = this.tables.filter((table) => endOf(table) > since);
    const isOfStart = ({ id }: Keys) => id >= start[0] && id <= start[1];
    // Most questions are new: one look at a table says that it has nothing of either.
    const beside: { name: string; rows: Keys[] }[] = [];
    for (const { name } of tables) {
      const rows = this.rows(name, history, ROWS_BESIDE);
      beside.push({ name, rows });
      const ofStart =
        rows.length < ROWS_BESIDE ? rows.filter(isOfStart) : this.rows(name, start, ROWS_OF_START);
      for (const row of ofStart) if (row.at > since) yield { name, row };
    }
    for (const { name, rows } of beside) {
      for (const row of rows) if (row.at > since && !isOfStart(row)) yield { name, row };
    }
  }

  private rows(name: string, [first, end]: Range, most: number): Keys[] {
    return this.sql
      .exec<Keys>(
        `SELECT id, at, keys FROM ${name} WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?`,
        first,
        end,
        most,
      )
      .toArray();
  }

  private entries(name: string, id: number): string {
    const [row] = this.sql.exec<{ entries: string }>(`SELECT entries FROM ${name} WHERE id = ?`, id);
    return row?.entries ?? "";
  }

  /** The number of the next row of a place. The last one there is replaced: the newest result is what is looked for. */
  private nextId(name: string, place: number): number {
    const [first, end] = rangesOf(place).start;
    const [row] = this.sql.exec<{ last: number | null }>(
      `SELECT max(id) AS last FROM ${name} WHERE id BETWEEN ? AND ?`,
      first,
      end,
    );
    return Math.min((row?.last ?? first - 1) + 1, end);
  }

  private begin(now: number): Table {
    // A clock that was set back begins no table before the last one.
    const since = Math.max(now, (this.tables[0]?.since ?? 0) + 1);
    const table = { name: `${PREFIX}${since}`, since, chars: 0 };
    this.sql.exec(`CREATE TABLE ${table.name} (
      id INTEGER PRIMARY KEY, at INTEGER NOT NULL, run TEXT NOT NULL, keys TEXT NOT NULL, entries TEXT NOT NULL
    )`);
    this.tables.unshift(table);
    return table;
  }

  private dropOldest(): void {
    const oldest = this.tables.pop();
    if (oldest !== undefined) this.sql.exec(`DROP TABLE ${oldest.name}`);
  }
}

/** When the last row of a table has been written, ms since the epoch. */
function endOf({ since }: Table): number {
  return since + TIMINGS.CACHE_TABLE_MS;
}

function expiryOf(table: Table): number {
  return endOf(table) + KEPT_MS;
}

function keysOf(text: string): RowKey[] {
  let to = 0;
  return text.split(",").map((key) => {
    const [exact = "", family = "", length = ""] = key.split(" ");
    const from = to;
    to += Number(length);
    return { exact, family, from, to };
  });
}

/** The results by rows of a size that can be stored. */
function rowsOf(results: readonly ResultRow[]): ResultRow[][] {
  const rows: ResultRow[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const result of results) {
    chars += result.entry.length;
    if (chars > ROW_CHARS) {
      rows.push([]);
      chars = result.entry.length;
    }
    rows.at(-1)?.push(result);
  }
  return rows;
}
