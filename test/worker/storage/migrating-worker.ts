// A Worker for the tests of schema numbers: an object that takes its migrations from the request, so that one storage
// is opened by an earlier and by a later version. `/earlier` makes it as versions without numbers did.
import { DurableObject } from "cloudflare:workers";
import { type Migration, migrate } from "../../../src/objects/migrations.ts";

interface Env {
  MIGRATING: DurableObjectNamespace<MigratingObject>;
}

const FIRST = "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, text TEXT NOT NULL)";
const MIGRATIONS: readonly Migration[] = [
  FIRST,
  "ALTER TABLE notes ADD COLUMN made INTEGER NOT NULL DEFAULT 7",
  (sql) => {
    sql.exec("CREATE TABLE tags (note TEXT NOT NULL, tag TEXT NOT NULL)");
    sql.exec("INSERT INTO tags (note, tag) SELECT id, 'kept' FROM notes");
  },
];

export class MigratingObject extends DurableObject<Env> {
  override async fetch(request: Request): Promise<Response> {
    const [, verb = "", number = "", id = ""] = new URL(request.url).pathname.split("/");
    const { sql } = this.ctx.storage;
    try {
      if (verb === "earlier") sql.exec(FIRST);
      else if (verb === "fails")
        migrate(this.ctx.storage, [...MIGRATIONS.slice(0, Number(number)), "NOT SQL"]);
      else if (verb === "pragma") sql.exec("PRAGMA user_version = 1");
      else migrate(this.ctx.storage, MIGRATIONS.slice(0, Number(number)));
      if (id !== "") sql.exec("INSERT INTO notes (id, text) VALUES (?, ?)", id, `text of ${id}`);
    } catch (cause) {
      return Response.json({ error: String(cause), ...this.stored() });
    }
    return Response.json(this.stored());
  }

  private stored() {
    const { sql, kv } = this.ctx.storage;
    const tables = sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
      )
      .toArray()
      .map(({ name }) => name)
      .toSorted();
    const rows = (table: string) =>
      tables.includes(table) ? sql.exec(`SELECT * FROM ${table}`).toArray() : [];
    return { tables, notes: rows("notes"), tags: rows("tags"), kept: Object.fromEntries(kv.list({})) };
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const object = new URL(request.url).searchParams.get("object") ?? "";
    return env.MIGRATING.get(env.MIGRATING.idFromName(object)).fetch(request);
  },
};
