// The turns of a conversation that were replaced, and those that have replaced them. A turn that never was has its row
// in `runs` alone, and is where its run ended; of the others this table has the place: the first run that had the turn,
// and when that one ended. At most one run has a turn: a fork before the run that it is a fork of, and of two forks the
// one that ended later, in any order of their reports.
import type { IndexReport } from "../../../adapters/durable/execution-index-client.ts";
import { overwriting } from "../../overwrite.ts";
import { compareTurns, type EndedTurn } from "../../../core/monitoring/ended-turns.ts";

/** What a row of `runs` holds of its turn. */
export interface RowTurn {
  turn: string | null;
  turn_expires: number | null;
  /** Its place, where it is not where its run ended. */
  moved: { turn_of: string; turn_at: number } | null;
}

interface Rival extends Record<string, SqlStorageValue> {
  place: number;
  id: string;
  ended: number;
}

interface TurnRow extends Record<string, SqlStorageValue> {
  id: string;
  ended: number;
  turn: string;
  turn_of: string | null;
  turn_at: number | null;
}

/** Executions of a conversation, from the newest back, among which its turns are: the rest may have failed. */
const HISTORY_RUNS = 1_000;
/** Turns are ordered by their end, rows by their start: as many runs may have overtaken one that is remembered. */
const OVERTAKING_RUNS = 50;

export class TurnPlaces {
  private readonly sql: Pick<SqlStorage, "exec">;

  constructor(sql: Pick<SqlStorage, "exec">) {
    this.sql = sql;
  }

  /**
   * What the row of a reported execution is to hold of its turn; takes the turn from those that had it before.
   * @param first the place of the row of the first run that had the turn, where it is in this shard
   */
  claim(
    { execution_id, conversation_id, end, turn, turn_expires, replaces }: IndexReport,
    first: () => number | undefined,
  ): RowTurn {
    if (turn === null || end === null) return { turn: null, turn_expires: null, moved: null };
    const root = replaces?.execution_id ?? execution_id;
    if (replaces == null) {
      // A fork of it may have ended and reported before it.
      const isReplaced = this.rivals(conversation_id, root).length > 0;
      if (!isReplaced) return { turn, turn_expires, moved: null };
      return { turn: null, turn_expires: null, moved: { turn_of: root, turn_at: end } };
    }
    const moved = { turn_of: root, turn_at: replaces.at };
    const others = this.rivals(conversation_id, root).filter(({ id }) => id !== execution_id);
    const isLate = others.some(
      ({ id, ended }) => id !== root && (ended > end || (ended === end && id > execution_id)),
    );
    if (isLate) return { turn: null, turn_expires: null, moved };
    const place = first();
    if (place !== undefined) this.put(place, conversation_id, moved);
    for (const taken of [...others.map((other) => other.place), ...(place === undefined ? [] : [place])]) {
      this.sql.exec(`UPDATE runs SET ${overwriting(["turn"])} WHERE place = ?`, taken);
      this.sql.exec("UPDATE runs SET turn = NULL, turn_expires = NULL WHERE place = ?", taken);
    }
    return { turn, turn_expires, moved };
  }

  put(place: number, conversation_id: string, { turn_of, turn_at }: NonNullable<RowTurn["moved"]>): void {
    this.sql.exec(
      "INSERT OR REPLACE INTO turn_places (place, conversation_id, turn_of, turn_at) VALUES (?, ?, ?, ?)",
      place,
      conversation_id,
      turn_of,
      turn_at,
    );
  }

  forget(place: number): void {
    this.sql.exec("DELETE FROM turn_places WHERE place = ?", place);
  }

  /** Of rows that are gone. */
  sweep(): void {
    this.sql.exec("DELETE FROM turn_places WHERE place NOT IN (SELECT place FROM runs)");
  }

  /**
   * The last turns of a conversation that are still kept, oldest first.
   * @param before those that are before this turn, ms since the epoch
   */
  history(conversation_id: string, count: number, now: number, before?: number): EndedTurn[] {
    if (count === 0) return [];
    // Chosen in SQL: rows that are handed over cost 10,000 instructions each, and a long conversation has 55.
    const rows = this.sql.exec<TurnRow>(
      `SELECT id, ended, turn, turn_of, turn_at FROM runs LEFT JOIN turn_places USING (place) WHERE place IN
         (SELECT place FROM
            (SELECT place, id, ifnull(turn_at, ended) AS at FROM
               (SELECT place, id, ended, turn_expires FROM runs INDEXED BY runs_of_conversation
                WHERE conversation_id = ? ORDER BY place DESC LIMIT ?) LEFT JOIN turn_places USING (place)
             WHERE turn_expires > ? AND at < ? LIMIT ?)
          ORDER BY at DESC, id DESC LIMIT ?)`,
      conversation_id,
      HISTORY_RUNS,
      now,
      before ?? Number.MAX_SAFE_INTEGER,
      count + OVERTAKING_RUNS,
      count,
    );
    return Array.from(rows, turnOfRow).toSorted(compareTurns);
  }

  /** The run that has a turn; null where none does. @param first its first run */
  holder(conversation_id: string, first: string, now: number): string | null {
    const [row] = this.sql.exec<{ id: string }>(
      `SELECT id FROM runs INDEXED BY runs_of_conversation LEFT JOIN turn_places USING (place)
       WHERE runs.conversation_id = ? AND (id = ? OR turn_of = ?) AND turn_expires > ? LIMIT 1`,
      conversation_id,
      first,
      first,
      now,
    );
    return row?.id ?? null;
  }

  /** The turns after one, oldest first, with the runs that do not have them any more. */
  page(
    conversation_id: string,
    after: { at: number; id: string },
    limit: number,
    now: number,
  ): (EndedTurn & { replaced: string[] })[] {
    const rows = this.sql.exec<TurnRow>(
      `SELECT id, ended, turn, turn_of, turn_at FROM runs INDEXED BY runs_of_conversation
         LEFT JOIN turn_places USING (place)
       WHERE runs.conversation_id = ?1 AND turn_expires > ?2
         AND (ifnull(turn_at, ended), ifnull(turn_of, id)) > (?3, ?4)
       ORDER BY ifnull(turn_at, ended), ifnull(turn_of, id) LIMIT ?5`,
      conversation_id,
      now,
      after.at,
      after.id,
      limit,
    );
    return Array.from(rows, (row) => {
      const replaced = row.turn_of === null ? [] : this.rivals(conversation_id, row.turn_of);
      return {
        ...turnOfRow(row),
        replaced: replaced.filter(({ id }) => id !== row.id).map(({ id }) => id),
      };
    });
  }

  /** All that have, or had, a turn that was replaced, by their ends. */
  private rivals(conversation_id: string, first: string): Rival[] {
    return this.sql
      .exec<Rival>(
        `SELECT place, id, ended FROM turn_places JOIN runs USING (place)
         WHERE turn_places.conversation_id = ? AND turn_of = ?`,
        conversation_id,
        first,
      )
      .toArray()
      .toSorted((a, b) => a.ended - b.ended || (a.id < b.id ? -1 : 1));
  }
}

function turnOfRow({ id, ended, turn, turn_of, turn_at }: TurnRow): EndedTurn {
  return { id, ended, turn, of: turn_of ?? id, at: turn_at ?? ended };
}
