// The state of the list of executions: the newest page is polled, older pages are read once; each row's stages
// are read with their execution, once it has ended only once.
import { signal } from "@preact/signals";
import type { ExecutionStatus, PipelineExecution } from "../../contract/execution.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import { client } from "../lib/session.ts";

const RENEW_MS = 1_500;
const ROWS = 20;
/** Executions read at the same time for their stages. */
const READERS = 4;

export interface Filter {
  status: string;
  pipeline: string;
  conversation_id: string;
}

export interface StagePart {
  name: string;
  status: PipelineExecution["stage_results"][string]["status"];
  ms: number;
}

interface Known {
  status: ExecutionStatus;
  parts: readonly StagePart[];
}

export function createList(filter: Filter) {
  const rows = signal<readonly ExecutionSummary[] | null>(null);
  const parts = signal<ReadonlyMap<string, Known>>(new Map());
  const failure = signal<unknown>(null);
  const cursor = signal<string | null>(null);
  const leaving = new AbortController();
  const { signal: left } = leaving;
  let older: readonly ExecutionSummary[] = [];
  let hasOlder = false;

  const asked = {
    limit: ROWS,
    ...(filter.status === "" ? {} : { status: filter.status as ExecutionStatus }),
    ...(filter.pipeline === "" ? {} : { pipeline: filter.pipeline }),
    ...(filter.conversation_id === "" ? {} : { conversation_id: filter.conversation_id }),
  };

  const renew = async () => {
    const page = await client().listExecutions(asked, { signal: left });
    const seen = new Set(page.data.map((row) => row.execution_id));
    const before = hasOlder ? (rows.peek() ?? []) : [];
    // Executions pushed off the first page by newer ones stay in a list that is being read.
    older = [...before, ...older].filter(({ execution_id }, at, all) => {
      const first = all.findIndex((other) => other.execution_id === execution_id) === at;
      return first && !seen.has(execution_id);
    });
    rows.value = [...page.data, ...(hasOlder ? older : [])];
    if (!hasOlder) cursor.value = page.next_cursor;
    failure.value = null;
    await readParts();
  };

  const readParts = async () => {
    const known = parts.peek();
    const wanted = (rows.peek() ?? []).filter(({ execution_id, status }) => {
      const part = known.get(execution_id);
      return part === undefined || part.status !== status || status === "running";
    });
    const next = wanted.values();
    const reader = async () => {
      for (const { execution_id } of next) {
        const execution = await client().getExecution(execution_id, { signal: left });
        parts.value = new Map(parts.peek()).set(execution_id, {
          status: execution.status,
          parts: Object.values(execution.stage_results).map(partOf),
        });
      }
    };
    // An execution that was deleted after the list was read has no stages to show.
    await Promise.allSettled(Array.from({ length: READERS }, reader));
  };

  const more = async () => {
    if (cursor.value === null) return;
    const page = await client().listExecutions({ ...asked, cursor: cursor.value }, { signal: left });
    hasOlder = true;
    older = [...older, ...page.data];
    rows.value = [...(rows.peek() ?? []), ...page.data];
    cursor.value = page.next_cursor;
    await readParts();
  };

  const guarded = (act: () => Promise<void>) =>
    act().catch((cause: unknown) => {
      if (!left.aborted) failure.value = cause;
    });

  const run = async () => {
    while (!left.aborted) {
      if (!document.hidden) await guarded(renew);
      await new Promise((resolve) => {
        setTimeout(resolve, RENEW_MS);
      });
    }
  };
  void run();
  return {
    rows,
    parts,
    failure,
    cursor,
    more: () => guarded(more),
    stop: () => leaving.abort(),
  };
}

function partOf(result: PipelineExecution["stage_results"][string]): StagePart {
  const { stage, status, start_time, duration_ms } = result;
  const so_far = start_time === null ? 0 : Date.now() - Date.parse(start_time);
  return { name: stage, status, ms: duration_ms ?? (status === "running" ? Math.max(0, so_far) : 0) };
}
