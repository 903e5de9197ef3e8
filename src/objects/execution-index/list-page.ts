// A page of a list while it is read from the rows of a shard, newest first.
import type { IndexQuery, Listed, Place } from "../../engine/worker-ports.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";

export interface ListRow extends Record<string, SqlStorageValue> {
  start: number;
  id: string;
  summary: string;
}

/** What a list has found. The next page goes on from `floor`. */
export interface ListedRows {
  listed: Listed[];
  /** Older starts, in ms since the epoch, were not looked at; null where the page is full or the table at its end. */
  floor: number | null;
}

export class ListPage {
  private readonly query: Pick<IndexQuery, "before" | "limit">;
  private readonly found: Listed[] = [];

  constructor(query: Pick<IndexQuery, "before" | "limit">) {
    this.query = query;
  }

  /** Takes what is still wanted of the rows, which are ordered by their starts alone; true where the page is full. */
  fill(rows: Iterable<ListRow>): boolean {
    const { before, limit } = this.query;
    for (const row of rows) {
      // The rows are read one by one: those of the page's last millisecond are all needed to sort it.
      if (this.found.length >= limit && this.found.at(-1)?.start !== row.start) return true;
      if (before !== null && comparePlaces(row, before) >= 0) continue;
      const { start, id } = row;
      this.found.push({ start, id, summary: JSON.parse(row.summary) as ExecutionSummary });
    }
    return false;
  }

  /** In the list's order, which within a millisecond is that of the ids. */
  get listed(): Listed[] {
    return this.found.toSorted(comparePlaces).toReversed().slice(0, this.query.limit);
  }

  /** The page as far as all of it was looked at: down to this start. */
  until(floor: number): ListedRows {
    return { listed: this.listed.filter(({ start }) => start >= floor), floor };
  }
}

export function comparePlaces(a: Place, b: Place): number {
  return a.start - b.start || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
