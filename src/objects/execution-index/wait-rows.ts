// The open questions of a shard's runs: a row a question, written by the report that has it open and deleted by the one
// that has not, by the sweep once it has expired, and with the execution. A run that asks nothing costs no row here; a
// question costs two, each with three entries of indexes. Lists and counts read the indexes, soonest expiry first.
import { overwriting } from "../overwrite.ts";
import type { OpenWaits, WaitPlace, WaitsQuery } from "../../engine/worker-ports.ts";
import type { IndexReport, WaitsPart } from "../../adapters/durable/execution-index-client.ts";

interface WaitRow extends Record<string, SqlStorageValue> {
  expires: number;
  id: string;
  seq: number;
  entry: string;
}

/** Of one part of a list, in UTF-16 units: a prompt and its schema may have 80 KiB, and a page a hundred of them. */
const PART_CHARS = 1024 * 1024;

/** What is shown to people. */
const OVERWRITING = overwriting(["entry"]);

export class WaitRows {
  private readonly sql: Pick<SqlStorage, "exec">;

  constructor(sql: Pick<SqlStorage, "exec">) {
    this.sql = sql;
  }

  /** Makes the rows of a run those of its report, which is later than the last one that was written. */
  write({ execution_id, start, pipeline, conversation_id, asks_in, waits }: IndexReport): void {
    if (waits === undefined) return;
    const open = new Map(waits.map((wait) => [wait.seq, wait]));
    const rows = this.sql
      .exec<{ seq: number; start: number }>("SELECT seq, start FROM waits WHERE id = ?", execution_id)
      .toArray();
    for (const row of rows) {
      // A report that comes late does not close the questions of a later run of the same id.
      if (row.start > start) return;
      if (row.start === start && open.delete(row.seq)) continue;
      this.sql.exec(`UPDATE waits SET ${OVERWRITING} WHERE id = ? AND seq = ?`, execution_id, row.seq);
      this.sql.exec("DELETE FROM waits WHERE id = ? AND seq = ?", execution_id, row.seq);
    }
    for (const { seq, since, expires_at, entry } of open.values()) {
      this.sql.exec(
        `INSERT INTO waits (id, seq, start, pipeline, conversation_id, since, expires, entry)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        execution_id,
        seq,
        start,
        pipeline,
        asks_in ?? conversation_id,
        since,
        expires_at,
        entry,
      );
    }
  }

  list({ pipeline, conversation_id, after, limit }: WaitsQuery, now: number): WaitsPart {
    const [index, column, value] =
      conversation_id !== undefined
        ? ["waits_of_conversation", "conversation_id", conversation_id]
        : ["waits_of_pipeline", "pipeline", pipeline];
    const source =
      value === undefined ? "INDEXED BY waits_due WHERE" : `INDEXED BY ${index} WHERE ${column} = ? AND`;
    const both = conversation_id !== undefined && pipeline !== undefined;
    const place = after ?? { expires: now, id: "", seq: 0 };
    const rows = this.sql.exec<WaitRow>(
      `SELECT expires, id, seq, entry FROM waits ${source} (expires, id, seq) > (?, ?, ?) AND expires > ?
       ${both ? "AND pipeline = ?" : ""} ORDER BY expires, id, seq LIMIT ?`,
      ...(value === undefined ? [] : [value]),
      place.expires,
      place.id,
      place.seq,
      now,
      ...(both ? [pipeline] : []),
      limit,
    );
    const waits: (WaitPlace & { entry: string })[] = [];
    let chars = 0;
    for (const { expires, id, seq, entry } of rows) {
      waits.push({ expires, id, seq, entry });
      chars += entry.length;
      if (chars >= PART_CHARS) return { waits, isCut: true };
    }
    return { waits, isCut: waits.length === limit };
  }

  /** How many are open, and since when the oldest is, by pipeline. */
  open(now: number, pipeline: string | undefined): Map<string, OpenWaits> {
    const rows = this.sql.exec<{ pipeline: string; open: number; since: number }>(
      `SELECT pipeline, count(*) AS open, min(since) AS since FROM waits INDEXED BY waits_of_pipeline
       WHERE ${pipeline === undefined ? "TRUE" : "pipeline = ?"} AND expires > ? GROUP BY pipeline`,
      ...(pipeline === undefined ? [] : [pipeline]),
      now,
    );
    return new Map(Array.from(rows, ({ pipeline, open, since }) => [pipeline, { open, since }]));
  }

  /** The execution is forgotten. */
  forget({ start, id }: { start: number; id: string }): void {
    this.sql.exec(`UPDATE waits SET ${OVERWRITING} WHERE id = ? AND start <= ?`, id, start);
    this.sql.exec("DELETE FROM waits WHERE id = ? AND start <= ?", id, start);
  }

  /** Deletes what has expired: a run that is lost does not report the end of its questions. */
  sweep(now: number): void {
    this.sql.exec("DELETE FROM waits INDEXED BY waits_due WHERE expires <= ?", now);
  }
}
