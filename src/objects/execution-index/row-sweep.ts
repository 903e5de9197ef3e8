// The sweep of a shard's rows: which of them nothing needs any more, and which have objects that are to be deleted
// first. It looks at a part of the table at a time, from where the last one stopped to the table's end.
import { LIMITS } from "../../contract/limits.ts";
import { TIMINGS } from "../../core/timings.ts";

interface SweptRow extends Record<string, SqlStorageValue> {
  place: number;
  id: string;
  start: number;
  /** 1 where its object is to be deleted. */
  has_object: number;
  /** 1 where nothing needs the row any more. */
  is_over: number;
}

/** Rows that a sweep looks at. */
export interface Sweep {
  rows: readonly SweptRow[];
  /** Those of them whose objects are to be deleted first. */
  objects: readonly SweptRow[];
  /** They are the last ones of the table. */
  isLast: boolean;
  /** The values of IS_OVER at that time. */
  bounds: readonly number[];
}

/** Rows that one sweep looks at. */
const SWEEP_ROWS = 2_000;
/** Rows that one sweep looks at where there is nothing to be done about them: 20 ms of a small machine. */
const LOOKED_ROWS = 20_000;
/** What nothing needs any more. */
const IS_OVER = "expires <= ? AND ifnull(turn_expires, 0) <= ? AND ifnull(ended, 0) <= ?";
/** Objects that one sweep deletes. */
const SWEEP_OBJECTS = 500;
/** A row that has ended is kept this long at least, so that its end is counted once. */
export const REMEMBERED_MS = LIMITS.METRICS_WINDOW_SECONDS * 1_000;

export class RowSweep {
  private readonly sql: Pick<SqlStorage, "exec">;
  /** Where the last sweep stopped; rows that are kept for long do not hide those after them. */
  private sweptTo = 0;

  constructor(sql: Pick<SqlStorage, "exec">) {
    this.sql = sql;
  }

  /** Looks on from where the last sweep stopped, for rows that something is to be done about. */
  look(now: number): Sweep {
    for (let seen = SWEEP_ROWS; ; seen += SWEEP_ROWS) {
      const sweep = this.lookFrom(this.sweptTo, now);
      const isDue = sweep.rows.some(({ has_object, is_over }) => has_object === 1 || is_over === 1);
      if (isDue || sweep.isLast || seen >= LOOKED_ROWS) return sweep;
      this.sweptTo = sweep.rows.at(-1)?.place ?? 0;
    }
  }

  private lookFrom(from: number, now: number): Sweep {
    // An object whose last report is being made empties itself.
    const expired = now - TIMINGS.RETENTION_GRACE_MS;
    const bounds = [expired, now, now - REMEMBERED_MS];
    const rows = this.sql
      .exec<SweptRow>(
        `SELECT place, id, start, has_object = 1 AND expires <= ? AS has_object, ${IS_OVER} AS is_over
         FROM runs WHERE place > ? ORDER BY place LIMIT ?`,
        expired,
        ...bounds,
        from,
        SWEEP_ROWS,
      )
      .toArray();
    const objects = rows.filter(({ has_object }) => has_object === 1);
    const isLast = rows.length < SWEEP_ROWS && objects.length <= SWEEP_OBJECTS;
    const next = objects[SWEEP_OBJECTS]?.place ?? Number.MAX_SAFE_INTEGER;
    const seen = rows.filter(({ place }) => place < next);
    return { rows: seen, objects: objects.slice(0, SWEEP_OBJECTS), isLast, bounds };
  }

  /** Deletes what is over of the rows that were looked at; true where more may follow. @param gone objects' rows */
  drop({ rows, isLast, bounds }: Sweep, gone: ReadonlySet<number>): boolean {
    for (const { place, has_object, is_over } of rows) {
      if (has_object === 1 && !gone.has(place)) continue;
      // An end that came while objects were deleted has made its row a new one.
      if (is_over === 1) this.sql.exec(`DELETE FROM runs WHERE place = ? AND ${IS_OVER}`, place, ...bounds);
      else if (has_object === 1) this.sql.exec("UPDATE runs SET has_object = 0 WHERE place = ?", place);
    }
    this.sweptTo = isLast ? 0 : (rows.at(-1)?.place ?? 0);
    return !isLast;
  }
}
