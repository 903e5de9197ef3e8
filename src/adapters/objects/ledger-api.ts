// The index of a tenant's executions as the Worker and the executions see it: at most eight objects, each of which
// keeps the executions whose id falls to it. A list asks all of them and merges by (start, id), newest first.
import type { ExecutionFilter, ExecutionSummary } from "../../contract/execution-list.ts";
import type { LedgerEntry } from "../../core/execution/summary.ts";

/** A place in the list: everything behind it is older. */
export interface Place {
  start: number;
  id: string;
}

export type LedgerQuery = Pick<ExecutionFilter, "status" | "pipeline" | "conversation_id" | "limit"> & {
  before: Place | null;
};

/** An execution of the list with its place. */
export interface Listed extends Place {
  summary: ExecutionSummary;
}

export interface LedgerRpc {
  /** Keeps an entry; one that is older than what is kept, or is over, changes nothing. */
  report(entry: LedgerEntry): Promise<void>;
  /** Newest first. @param query.limit how many at most */
  list(query: LedgerQuery): Promise<Listed[]>;
  /** Executions that ended at or before `until` (ms since the epoch), oldest first. */
  ended(until: number, limit: number): Promise<Place[]>;
  forget(place: Place): Promise<void>;
}

export interface Ledgers {
  report(tenant: string, entry: LedgerEntry): Promise<void>;
  list(tenant: string, query: LedgerQuery): Promise<Listed[]>;
  ended(tenant: string, until: number, limit: number): Promise<Place[]>;
  forget(tenant: string, place: Place): Promise<void>;
}

const SHARDS = 8;

export function ledgersOver(namespace: DurableObjectNamespace): Ledgers {
  const shard = (tenant: string, number: number) =>
    namespace.get(namespace.idFromName(`${tenant}/${number}`)) as unknown as LedgerRpc;
  const shardOf = (tenant: string, id: string) => shard(tenant, hash(id) % SHARDS);
  const ask = async <T extends Place>(tenant: string, question: (rpc: LedgerRpc) => Promise<T[]>) => {
    const answers = await Promise.all(
      Array.from({ length: SHARDS }, (_, number) => question(shard(tenant, number))),
    );
    return answers.flat().toSorted(byPlace);
  };
  return {
    report: (tenant, entry) => shardOf(tenant, entry.summary.execution_id).report(entry),
    async list(tenant, query) {
      return (await ask(tenant, (rpc) => rpc.list(query))).toReversed().slice(0, query.limit);
    },
    async ended(tenant, until, limit) {
      return (await ask(tenant, (rpc) => rpc.ended(until, limit))).slice(0, limit);
    },
    forget: (tenant, place) => shardOf(tenant, place.id).forget(place),
  };
}

function byPlace(a: Place, b: Place): number {
  return a.start - b.start || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** FNV-1a: spreads ids that callers chose themselves, too. */
function hash(id: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < id.length; at += 1) value = Math.imul(value ^ id.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
