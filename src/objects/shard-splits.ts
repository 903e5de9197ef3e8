// A shard of the execution index or of the result cache that watches its own load, and asks the tenant's catalog for
// more shards when it nears a bound. It asks in the background: no request waits for it, and one that is lost is made
// again after the next SHARD_RATE_MS.
import { catalogRpc } from "../compose.ts";
import { SHARD_BYTES, ShardLoad } from "../core/monitoring/shard-load.ts";
import { EARLIER_SHARDS, type ShardKind } from "../core/monitoring/shards.ts";
import type { Env } from "../settings.ts";

/** From so many bytes on the shard asks: there once a split was asked for, or seen, near the bound. */
const SPLIT_BYTES = "split_bytes";

export class ShardSplits {
  private readonly storage: Pick<DurableObjectStorage, "kv" | "sql">;
  private readonly env: Env;
  private readonly kind: ShardKind;
  private readonly load: ShardLoad;
  private storedBytes: number;

  constructor(storage: Pick<DurableObjectStorage, "kv" | "sql">, env: Env, kind: ShardKind) {
    this.storage = storage;
    this.env = env;
    this.kind = kind;
    const { split } = SHARD_BYTES[kind];
    this.storedBytes = storage.kv.get<number>(SPLIT_BYTES) ?? split;
    this.load = new ShardLoad(SHARD_BYTES[kind], this.storedBytes);
  }

  /**
   * A request has come.
   * @param shards of the generation under which a run begins; 0 in other requests
   */
  note(tenant: string, shards = 0): void {
    const now = Date.now();
    const { sql } = this.storage;
    this.load.begun(shards, now, () => sql.databaseSize);
    if (!this.load.note(now)) return;
    const wanted = this.load.wanted(now, sql.databaseSize);
    if (this.load.splitBytes !== this.storedBytes) {
      this.storedBytes = this.load.splitBytes;
      this.storage.kv.put(SPLIT_BYTES, this.storedBytes);
    }
    if (wanted !== null) this.ask(tenant, wanted.from, wanted.to);
  }

  /**
   * A shard that no generation has may get a run: one that an earlier version began, of a tenant of which nothing was
   * stored when its shards were counted. From then on there are as many as that version had.
   * @param name of the shard's object, which is about to write for the first time
   */
  noteFirst(name: string): void {
    const [tenant = "", number] = name.split("/");
    if (number !== "0") this.ask(tenant, 1, EARLIER_SHARDS);
  }

  private ask(tenant: string, from: number, to: number): void {
    void catalogRpc(this.env, tenant)
      .split(this.kind, from, to)
      .catch(() => {});
  }
}
