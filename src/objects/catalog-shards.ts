// How many shards a tenant's execution index and result cache have, in the tenant's catalog: one value, written when the
// tenant is first seen, and when a shard has asked for more. A tenant of a version before there were generations has
// EARLIER_SHARDS, one that begins with this version has one: the shards themselves are asked, once.
import type { ExecutionIndexRpc } from "../adapters/durable/execution-index-client.ts";
import { within } from "../adapters/platform/time-limit.ts";
import {
  allShards,
  EARLIER_SHARDS,
  firstShards,
  type ShardKind,
  splitShards,
  type TenantShards,
} from "../core/monitoring/shards.ts";
import { TIMINGS } from "../core/timings.ts";

const SHARDS = "shards";

export class CatalogShards {
  private readonly kv: SyncKvStorage;
  private readonly index: DurableObjectNamespace;
  private readonly tenant: string;
  private stored: TenantShards | null;
  private settling: Promise<TenantShards> | null = null;

  constructor(kv: SyncKvStorage, index: DurableObjectNamespace, tenant: string) {
    this.kv = kv;
    this.index = index;
    this.tenant = tenant;
    this.stored = kv.get<TenantShards>(SHARDS) ?? null;
  }

  /** To be awaited before `known` is read. */
  async settle(): Promise<void> {
    if (this.stored !== null) return;
    this.settling ??= this.first();
    await this.settling;
  }

  /** @throws where `settle` was not awaited */
  get known(): TenantShards {
    if (this.stored === null) throw new Error("the tenant's shards are not known");
    return this.stored;
  }

  /** True where there are more from now on. */
  split(kind: ShardKind, from: number, to: number, now: number): boolean {
    const generations = splitShards(this.known[kind], from, to, now);
    if (generations === null) return false;
    this.put({ ...this.known, [kind]: generations });
    return true;
  }

  private async first(): Promise<TenantShards> {
    const unused = await Promise.all(allShards(EARLIER_SHARDS).map((number) => this.isUnused(number)));
    return this.put(firstShards(unused.includes(false) ? EARLIER_SHARDS : 1));
  }

  /** One that does not answer may be in use. What is answered once holds: runs are kept by it. */
  private async isUnused(number: number): Promise<boolean> {
    const id = this.index.idFromName(`${this.tenant}/${number}`);
    const shard = this.index.get(id) as unknown as ExecutionIndexRpc;
    return within(TIMINGS.SHARD_WAIT_MS, shard.isUnused(), false);
  }

  private put(shards: TenantShards): TenantShards {
    this.kv.put(SHARDS, shards);
    this.stored = shards;
    return shards;
  }
}
