// The rows of a shard of the execution index: one per execution, with the turn that its conversation remembers. A row's
// key is its start with a counter of that millisecond, so that the list is read in the order of the table; of the
// indexes only that of conversations has an entry for each row, the others for what is open, failed or cancelled.
import type { IndexQuery, Place } from "../../engine/worker-ports.ts";
import type { Counted, IndexReport } from "../../adapters/durable/execution-index-client.ts";
import type { RunEnd } from "../../core/monitoring/metrics/report.ts";
import { reportFrom } from "../../core/monitoring/metrics/stored-report.ts";
import { type ListedRows, ListPage, type ListRow } from "./list-page.ts";
import type { Uncounted } from "./metrics-store.ts";
import { overwriting } from "../overwrite.ts";
import { REMEMBERED_MS, RowSweep, type Sweep } from "./row-sweep.ts";
import { TurnPlaces } from "./turns/turn-places.ts";

interface KnownRow extends Record<string, SqlStorageValue> {
  place: number;
  id: string;
  seq: number;
  ended: number | null;
  expires: number;
}

interface CountedRow extends Record<string, SqlStorageValue> {
  start: number;
  ended: number;
  pipeline: string;
  status: string;
  counted: string;
}

/** Keys of one millisecond: a shard gets fewer reports in a second. */
const PLACES_PER_MS = 1_024;
/** The newest of a conversation, among which one that is running is found. */
const RUNNING_RUNS = 5;
/** Among which one is found that has not ended: a conversation with more has had them for long. */
const OPEN_RUNS = 1_000;
/** Of those, where a request that is repeated finds its execution: a repetition comes soon. */
const REPEATED_RUNS = 200;
/** Rows that one list looks at: 10 ms of a small machine, in which a filter that fits few of them may find none. */
const SCANNED_ROWS = 5_000;
/** A pipeline's rows are found by the windows of their starts: one row a window and pipeline. */
const WINDOW_MS = 4 * 3_600_000;

/** What a row says of a question and its answer. */
const OVERWRITING = overwriting(["summary", "turn"]);

export class RunRows {
  private readonly sql: Pick<SqlStorage, "exec">;
  private readonly sweep: RowSweep;
  readonly turns: TurnPlaces;

  constructor(sql: Pick<SqlStorage, "exec">) {
    this.sql = sql;
    this.sweep = new RowSweep(sql);
    this.turns = new TurnPlaces(sql);
  }

  /**
   * Writes an entry; false where the row that is there is as new. A run without storage reports to be kept.
   * @param batch of metrics, which its report is counted with
   */
  write(entry: IndexReport, batch: number): boolean {
    const known = this.find({ start: entry.start, id: entry.execution_id });
    if (known !== undefined && !isLater(entry, known)) return false;
    const { replaces } = entry;
    const first = () =>
      replaces == null ? undefined : this.find({ start: replaces.start, id: replaces.execution_id })?.place;
    const { turn, turn_expires, moved } = this.turns.claim(entry, first);
    const values = [
      entry.seq,
      entry.status,
      entry.end,
      entry.expires,
      entry.has_object ? 1 : 0,
      batch,
      entry.counted,
      entry.summary,
      turn_expires,
      turn,
    ];
    const place = known?.place ?? this.freePlace(entry.start);
    if (moved !== null) this.turns.put(place, entry.conversation_id, moved);
    if (known !== undefined) {
      this.overwrite(known.place);
      this.sql.exec(
        `UPDATE runs SET seq = ?, status = ?, ended = ?, expires = ?, has_object = ?, batch = ?, counted = ?, summary = ?,
           turn_expires = ?, turn = ?
         WHERE place = ?`,
        ...values,
        place,
      );
      return true;
    }
    this.sql.exec(
      `INSERT INTO runs
         (seq, status, ended, expires, has_object, batch, counted, summary, turn_expires, turn,
          place, id, start, pipeline, conversation_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...values,
      place,
      entry.execution_id,
      entry.start,
      entry.pipeline,
      entry.conversation_id,
    );
    this.sql.exec(
      "INSERT OR IGNORE INTO pipeline_windows (pipeline, window) VALUES (?, ?)",
      entry.pipeline,
      Math.floor(entry.start / WINDOW_MS),
    );
    return true;
  }

  /** Newest first. A list that finds little stops after so many rows: see ListedRows. */
  list(query: IndexQuery, now: number): ListedRows {
    const { index, condition, values } = sourceOf(query);
    const filters: (readonly [string, SqlStorageValue])[] = [["expires > ?", now]];
    for (const column of ["status", "pipeline", "conversation_id"] as const) {
      const value = query[column];
      if (value !== undefined) filters.push([`${column} = ?`, value]);
    }
    const page = new ListPage(query);
    let left = SCANNED_ROWS;
    for (const range of this.ranges(query)) {
      const scanned = `runs ${index} WHERE ${condition} AND place >= ? AND place < ?`;
      const rows = this.sql.exec<ListRow>(
        `SELECT start, id, summary FROM (SELECT * FROM ${scanned} ORDER BY place DESC LIMIT ?)
         WHERE ${filters.map(([filter]) => filter).join(" AND ")}`,
        ...values,
        ...range,
        left,
        ...filters.map(([, value]) => value),
      );
      if (page.fill(rows)) return { listed: page.listed, floor: null };
      const [stop] = this.sql
        .exec<{ start: number }>(
          `SELECT start FROM ${scanned} ORDER BY place DESC LIMIT 1 OFFSET ?`,
          ...values,
          ...range,
          left - 1,
        )
        .toArray();
      if (stop !== undefined) return page.until(stop.start + 1);
      left -= this.sql
        .exec<{ rows: number }>(`SELECT count(*) AS rows FROM ${scanned}`, ...values, ...range)
        .one().rows;
    }
    return { listed: page.listed, floor: null };
  }

  /** The parts of the table in which a list looks, newest first, as the bounds of their keys. */
  private *ranges({ status, pipeline, conversation_id, before }: IndexQuery): Generator<[number, number]> {
    const end = before === null ? Number.MAX_SAFE_INTEGER : firstPlace(before.start + 1);
    const isFoundByPipeline =
      pipeline !== undefined &&
      conversation_id === undefined &&
      (status === undefined || status === "completed");
    if (!isFoundByPipeline) {
      yield [0, end];
      return;
    }
    const windows = this.sql.exec<{ window: number }>(
      "SELECT window FROM pipeline_windows WHERE pipeline = ? ORDER BY window DESC",
      pipeline,
    );
    for (const { window } of windows.toArray()) {
      const first = firstPlace(window * WINDOW_MS);
      if (first < end) yield [first, Math.min(end, firstPlace((window + 1) * WINDOW_MS))];
    }
  }

  /** Executions that ended at or before `until`, oldest first. */
  ended(until: number, now: number, limit: number): Place[] {
    const rows = this.sql.exec<ListRow>(
      "SELECT start, id FROM runs WHERE place < ? AND ended <= ? AND expires > ? ORDER BY place LIMIT ?",
      firstPlace(until + 1),
      until,
      now,
      limit,
    );
    return Array.from(rows, placeOf);
  }

  /** Which of the conversation's last executions are running, as far as they have reported. */
  running(conversation_id: string): string[] {
    const rows = this.sql.exec<{ id: string }>(
      `SELECT id FROM (SELECT id, status FROM runs INDEXED BY runs_of_conversation
         WHERE conversation_id = ? ORDER BY place DESC LIMIT ?) WHERE status = 'running'`,
      conversation_id,
      RUNNING_RUNS,
    );
    return Array.from(rows, ({ id }) => id);
  }

  /** Those of the conversation that have not ended and do not wait in its queue, as far as they have reported. */
  openOf(conversation_id: string, now: number): string[] {
    const rows = this.sql.exec<{ id: string }>(
      `SELECT id FROM (SELECT id, status, ended, expires FROM runs INDEXED BY runs_of_conversation
         WHERE conversation_id = ? ORDER BY place DESC LIMIT ?)
       WHERE ended IS NULL AND status <> 'queued' AND expires > ?`,
      conversation_id,
      OPEN_RUNS,
      now,
    );
    return Array.from(rows, ({ id }) => id);
  }

  /** Whether one of the conversation's last executions has this id, and has not expired. */
  has(conversation_id: string, id: string, now: number): boolean {
    return this.lastOf(conversation_id, id, now) !== null;
  }

  /** Whether that one has ended. */
  hasEnded(conversation_id: string, id: string, now: number): boolean {
    return this.lastOf(conversation_id, id, now)?.ended != null;
  }

  private lastOf(conversation_id: string, id: string, now: number): { ended: number | null } | null {
    const [row] = this.sql
      .exec<{ ended: number | null }>(
        `SELECT ended FROM (SELECT id, ended, expires FROM runs INDEXED BY runs_of_conversation
           WHERE conversation_id = ? ORDER BY place DESC LIMIT ?) WHERE id = ? AND expires > ?`,
        conversation_id,
        REPEATED_RUNS,
        id,
        now,
      )
      .toArray();
    return row ?? null;
  }

  /** The conversation of an execution; null where it has no row. */
  conversationOf(place: Place): string | null {
    const known = this.find(place);
    if (known === undefined) return null;
    const [row] = this.sql
      .exec<{ conversation_id: string }>("SELECT conversation_id FROM runs WHERE place = ?", known.place)
      .toArray();
    return row?.conversation_id ?? null;
  }

  /** Its key stays taken, so that a report that comes twice is not counted twice. */
  forget(place: Place): void {
    const known = this.find(place);
    if (known === undefined) return;
    this.turns.forget(known.place);
    this.overwrite(known.place);
    this.sql.exec(
      `UPDATE runs SET expires = 0, has_object = 0, conversation_id = '', summary = '', turn_expires = NULL, turn = NULL
       WHERE place = ?`,
      known.place,
    );
  }

  /** How many are open, do not wait, and expire later than `since`. */
  open(since: number, pipeline: string | undefined): number {
    const rows = this.sql.exec<{ open: number }>(
      `SELECT count(*) AS open FROM runs INDEXED BY runs_open
       WHERE ended IS NULL AND status NOT IN ('queued', 'waiting') AND expires > ?
         AND (? IS NULL OR pipeline = ?)`,
      since,
      pipeline ?? null,
      pipeline ?? null,
    );
    return rows.one().open;
  }

  /** The runs of rows whose batch is later than this one. @param since their starts, ms since the epoch */
  *uncounted(since: number, batch: number): Generator<Uncounted> {
    const rows = this.sql.exec<CountedRow>(
      `SELECT start, ended, pipeline, status, counted FROM runs
       WHERE place >= ? AND batch > ? AND counted IS NOT NULL`,
      firstPlace(since),
      batch,
    );
    for (const row of rows) yield { report: countedOf(row), ended: row.ended };
  }

  /** When something is to be done about the oldest row, ms since the epoch; null where there is none. */
  get firstDue(): number | null {
    const [row] = this.sql
      .exec<{ due: number }>(
        `SELECT iif(has_object = 1, expires, max(expires, ifnull(turn_expires, 0), ifnull(ended, 0) + ?)) AS due
         FROM runs ORDER BY place LIMIT 1`,
        REMEMBERED_MS,
      )
      .toArray();
    return row?.due ?? null;
  }

  /** See RowSweep. */
  look(now: number): Sweep {
    return this.sweep.look(now);
  }

  drop(swept: Sweep, gone: ReadonlySet<number>): boolean {
    const hasMore = this.sweep.drop(swept, gone);
    if (swept.isLast) this.sweepWindows();
    return hasMore;
  }

  private sweepWindows(): void {
    const [first] = this.sql
      .exec<{ start: number }>("SELECT start FROM runs ORDER BY place LIMIT 1")
      .toArray();
    const window = Math.floor((first?.start ?? Number.MAX_SAFE_INTEGER) / WINDOW_MS);
    this.sql.exec("DELETE FROM pipeline_windows WHERE window < ?", window);
    this.turns.sweep();
  }

  private overwrite(place: number): void {
    this.sql.exec(`UPDATE runs SET ${OVERWRITING} WHERE place = ?`, place);
  }

  private find({ start, id }: Place): KnownRow | undefined {
    return this.around(start).find((row) => row.id === id);
  }

  /** The rows of a millisecond. */
  private around(start: number): KnownRow[] {
    return this.sql
      .exec<KnownRow>(
        "SELECT place, id, seq, ended, expires FROM runs WHERE place >= ? AND place < ?",
        firstPlace(start),
        firstPlace(start + 1),
      )
      .toArray();
  }

  private freePlace(start: number): number {
    const taken = new Set(this.around(start).map(({ place }) => place));
    for (let place = firstPlace(start); place < firstPlace(start + 1); place += 1) {
      if (!taken.has(place)) return place;
    }
    throw new Error(`the index has ${PLACES_PER_MS} executions of one millisecond`);
  }
}

function isLater({ seq, expires }: IndexReport, known: KnownRow): boolean {
  return seq > known.seq || (seq === known.seq && known.ended === null && expires > known.expires);
}

/** The report that a row keeps. */
function countedOf({ start, ended, pipeline, status, counted }: CountedRow): Counted {
  return reportFrom(counted, { pipeline, status: status as RunEnd, duration_ms: ended - start });
}

/** The report of an execution that has ended; null where nothing is counted. */
export function reportIn({ start, end, pipeline, status, counted }: IndexReport): Counted | null {
  if (counted === null || end === null) return null;
  return countedOf({ start, ended: end, pipeline, status, counted });
}

function firstPlace(start: number): number {
  return Math.floor(start) * PLACES_PER_MS;
}

/** The index that finds what is asked for, and which of its entries are looked at, in the index's own words. */
function sourceOf({ status, conversation_id }: IndexQuery): {
  index: string;
  condition: string;
  values: string[];
} {
  if (status === "failed" || status === "cancelled") {
    const condition = "status IN ('failed', 'cancelled') AND status = ?";
    return { index: "INDEXED BY runs_unusual", condition, values: [status] };
  }
  if (status !== undefined && status !== "completed") {
    return { index: "INDEXED BY runs_open", condition: "ended IS NULL AND status = ?", values: [status] };
  }
  if (conversation_id === undefined) return { index: "", condition: "TRUE", values: [] };
  return {
    index: "INDEXED BY runs_of_conversation",
    condition: "conversation_id = ?",
    values: [conversation_id],
  };
}

function placeOf({ start, id }: Place): Place {
  return { start, id };
}
