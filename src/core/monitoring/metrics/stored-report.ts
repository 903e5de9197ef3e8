// The report of a run as its row in the execution index keeps it until the metrics of many runs are written together:
// an array without names, for what the row does not say already. 45 bytes a stage instead of 130.
import type { RunEnd, RunReport } from "./report.ts";

type Report = Omit<RunReport, "shape">;

/** What the row of the run says; of its time all, also what `waited_ms` is of it. */
export type RowOfReport = Pick<Report, "pipeline" | "status" | "duration_ms">;

type StoredStage = [string, RunEnd, number, number, number, 0 | 1];
type StoredWait = [stage: string, expired: 0 | 1, ms: number];
/** Runs without questions have the first three. */
type Stored = [
  context_bytes: number,
  single: 0 | 1,
  stages: StoredStage[],
  waited_ms?: number,
  waits?: StoredWait[],
];

export function reportText({ context_bytes, single, stages, waits = [], waited_ms = 0 }: Report): string {
  const stored: Stored = [
    context_bytes,
    single === true ? 1 : 0,
    stages.map(({ stage, status, duration_ms, path_ms, retries, cached }) => [
      stage,
      status,
      duration_ms,
      path_ms,
      retries,
      cached ? 1 : 0,
    ]),
  ];
  if (waits.length > 0 || waited_ms > 0)
    stored.push(
      waited_ms,
      waits.map(({ stage, expired, ms }): StoredWait => [stage, expired ? 1 : 0, ms]),
    );
  return JSON.stringify(stored);
}

export function reportFrom(text: string, row: RowOfReport): Report {
  const [context_bytes, single, stages, waited_ms = 0, waits = []] = JSON.parse(text) as Stored;
  return {
    ...row,
    duration_ms: row.duration_ms - waited_ms,
    ...(single === 1 ? { single: true as const } : {}),
    context_bytes,
    stages: stages.map(([stage, status, duration_ms, path_ms, retries, cached]) => ({
      stage,
      status,
      duration_ms,
      path_ms,
      retries,
      cached: cached === 1,
    })),
    ...(waits.length === 0
      ? {}
      : { waits: waits.map(([stage, expired, ms]) => ({ stage, expired: expired === 1, ms })) }),
    ...(waited_ms === 0 ? {} : { waited_ms }),
  };
}
