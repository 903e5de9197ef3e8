// Schema numbers of the Durable Objects with tables. A class lists its migrations in order: the first makes the
// tables as the first released version had them, each further one brings storage from one number to the next. A list
// only grows: what is released in it is never changed. Storage without a number has the first schema, or is new, so a
// class of one schema writes no row for it. SQLite's own place for such a number, PRAGMA user_version, is one that
// workerd refuses.

/** Statements, or what runs them. The first of a class must also hold where its tables are there already. */
export type Migration = string | ((sql: SqlStorage) => void);

const NUMBER = "schema";

/**
 * Brings an object's storage to its class's last schema; to be called in its constructor.
 * @throws where a later version has migrated the storage: its tables are not the ones that this version knows
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  const latest = migrations.length;
  const stored = storage.kv.get<number>(NUMBER) ?? 1;
  if (stored > latest) {
    throw new Error(`the storage has schema ${stored}, and this version knows schemas up to ${latest}`);
  }
  if (stored === latest && latest > 1) return;
  const missing = stored === 1 ? migrations : migrations.slice(stored);
  if (latest === 1) {
    run(storage.sql, missing);
    return;
  }
  // Tables of one schema under the number of another could never be mended.
  storage.transactionSync(() => {
    run(storage.sql, missing);
    storage.kv.put(NUMBER, latest);
  });
}

/** Storage whose tables are made by its first statement: an object that is only asked whether it is used stays empty. */
export class LazyTables {
  readonly sql: Pick<SqlStorage, "exec">;
  private readonly storage: DurableObjectStorage;
  private readonly migrations: readonly Migration[];
  private isEmpty: boolean;

  /** @param isUnused nothing was ever stored */
  constructor(
    storage: DurableObjectStorage,
    migrations: readonly Migration[],
    isUnused: (sql: SqlStorage) => boolean,
  ) {
    this.storage = storage;
    this.migrations = migrations;
    this.isEmpty = isUnused(storage.sql);
    if (!this.isEmpty) migrate(storage, migrations);
    const exec: SqlStorage["exec"] = (query, ...values) => {
      this.make();
      return storage.sql.exec(query, ...values);
    };
    this.sql = { exec };
  }

  get areMissing(): boolean {
    return this.isEmpty;
  }

  /** To be called before a transaction: with one that fails they would go again. */
  make(): void {
    if (this.isEmpty) migrate(this.storage, this.migrations);
    this.isEmpty = false;
  }
}

function run(sql: SqlStorage, migrations: readonly Migration[]): void {
  for (const migration of migrations) {
    if (typeof migration === "string") sql.exec(migration);
    else migration(sql);
  }
}
