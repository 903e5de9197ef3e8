// The places of a shard's conversations as rows: one a conversation that has any, so that a change is one row. They are
// read once in the life of an instance: a conversation whose runs are all parallel costs neither a row nor a look.
import { heldAt, type Places } from "../../../core/conversations/admission.ts";
import type { LazyTables } from "../../migrations.ts";

const NONE: Places = [];

export class PlaceRows {
  private readonly tables: Pick<LazyTables, "sql" | "areMissing">;
  private known: Map<string, Places> | null = null;

  constructor(tables: Pick<LazyTables, "sql" | "areMissing">) {
    this.tables = tables;
  }

  /** The places that hold now, in their order. */
  of(conversation_id: string, now: number): Places {
    const places = this.rows.get(conversation_id);
    return places === undefined ? NONE : heldAt(places, now);
  }

  /** Whether a conversation has places. */
  has(conversation_id: string): boolean {
    return this.rows.has(conversation_id);
  }

  /** The conversations that have places. */
  get conversations(): string[] {
    return [...this.rows.keys()];
  }

  /** Writes the places of a conversation, where they are others. */
  put(conversation_id: string, places: Places): void {
    const before = this.rows.get(conversation_id) ?? NONE;
    if (places === before || (places.length === 0 && before.length === 0)) return;
    if (places.length === 0) {
      this.tables.sql.exec("DELETE FROM places WHERE conversation_id = ?", conversation_id);
      this.rows.delete(conversation_id);
      return;
    }
    this.tables.sql.exec(
      "INSERT OR REPLACE INTO places (conversation_id, expires, places) VALUES (?, ?, ?)",
      conversation_id,
      Math.max(...places.map(({ expires }) => expires)),
      JSON.stringify(places),
    );
    this.rows.set(conversation_id, places);
  }

  /** A transaction has failed: what is in memory may not be what is stored. */
  forget(): void {
    this.known = null;
  }

  /** Deletes what has expired. */
  sweep(now: number): void {
    if (this.rows.size === 0) return;
    this.tables.sql.exec("DELETE FROM places WHERE expires <= ?", now);
    this.known = null;
  }

  private get rows(): Map<string, Places> {
    if (this.known === null) {
      // The first statement would make the tables.
      const rows = this.tables.areMissing
        ? []
        : this.tables.sql.exec<{ conversation_id: string; places: string }>(
            "SELECT conversation_id, places FROM places",
          );
      this.known = new Map(
        Array.from(rows, ({ conversation_id, places }) => [conversation_id, JSON.parse(places) as Places]),
      );
    }
    return this.known;
  }
}
