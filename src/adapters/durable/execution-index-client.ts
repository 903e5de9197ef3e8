// The client of a tenant's execution index and metrics: at most eight objects, each of which keeps the executions
// whose id hashes to it. A list queries all of them and merges by (start, id), newest first; metrics merge by
// addition.
import type {
  MetricsQuery,
  IndexMetrics,
  IndexQuery,
  ExecutionIndex,
  Listed,
  Place,
} from "../../engine/worker-ports.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import type { IndexEntry } from "../../core/monitoring/index-entry.ts";
import { fnv1a } from "../../core/hash.ts";
import { mergeParts } from "../../core/monitoring/metrics/merge-parts.ts";
import type { RunReport } from "../../core/monitoring/metrics/report.ts";
import { objectIds } from "./object-ids.ts";

/** The metrics of a run. */
export type Counted = Omit<RunReport, "shape">;

/** A LedgerEntry on the wire: fields that no intermediary reads are JSON text, which is cheaper to read and write. */
export interface IndexReport
  extends Pick<IndexEntry, "start" | "end" | "seq" | "expires">,
    Pick<ExecutionSummary, "execution_id" | "status" | "pipeline" | "conversation_id"> {
  /** An ExecutionSummary. */
  summary: string;
  /** Counted; null where nothing is. */
  counted: string | null;
  /** A RunShape; null if the run is not an example. */
  shape: string | null;
}

export interface ExecutionIndexRpc {
  /** Stores an entry; one that is older than the stored one, or expired, changes nothing. */
  report(entry: IndexReport): Promise<void>;
  /** Newest first. @param query.limit how many at most */
  list(query: IndexQuery): Promise<Listed[]>;
  /** Executions that ended at or before `until` (ms since the epoch), oldest first. */
  ended(until: number, limit: number): Promise<Place[]>;
  forget(place: Place): Promise<void>;
  metrics(query: MetricsQuery): Promise<IndexMetrics>;
}

const SHARDS = 8;

export function executionIndexOver(namespace: DurableObjectNamespace): ExecutionIndex {
  const idOf = objectIds(namespace);
  const shard = (tenant: string, number: number) =>
    namespace.get(idOf(`${tenant}/${number}`)) as unknown as ExecutionIndexRpc;
  const shardOf = (tenant: string, id: string) => shard(tenant, fnv1a(id) % SHARDS);
  const askAll = <T>(tenant: string, question: (rpc: ExecutionIndexRpc) => Promise<T>) =>
    Promise.all(Array.from({ length: SHARDS }, (_, number) => question(shard(tenant, number))));
  return {
    report: (tenant, entry) => shardOf(tenant, entry.summary.execution_id).report(reportOf(entry)),
    async list(tenant, query) {
      const answers = await askAll(tenant, (rpc) => rpc.list(query));
      return answers.flat().toSorted(byPlace).toReversed().slice(0, query.limit);
    },
    async ended(tenant, until, limit) {
      const answers = await askAll(tenant, (rpc) => rpc.ended(until, limit));
      return answers.flat().toSorted(byPlace).slice(0, limit);
    },
    forget: (tenant, place) => shardOf(tenant, place.id).forget(place),
    metrics: async (tenant, query) => merged(await askAll(tenant, (rpc) => rpc.metrics(query))),
  };
}

function reportOf({ start, end, seq, expires, summary, report }: IndexEntry): IndexReport {
  const { execution_id, status, pipeline, conversation_id } = summary;
  const { shape = null, ...counted } = report ?? {};
  return {
    start,
    end,
    seq,
    expires,
    execution_id,
    status,
    pipeline,
    conversation_id,
    summary: JSON.stringify(summary),
    counted: report === null ? null : JSON.stringify(counted),
    shape: shape === null ? null : JSON.stringify(shape),
  };
}

function merged(answers: readonly IndexMetrics[]): IndexMetrics {
  const by_pipeline = mergeParts(answers.map((answer) => answer.by_pipeline));
  const shapes = answers.flatMap((answer) => answer.shapes).toSorted((a, b) => a.started_at - b.started_at);
  return { by_pipeline, open: answers.reduce((sum, { open }) => sum + open, 0), shapes };
}

function byPlace(a: Place, b: Place): number {
  return a.start - b.start || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
