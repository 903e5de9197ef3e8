// The report of a run as its row in the execution index keeps it until the metrics of many runs are written together:
// an array without names, for what the row does not say already. 45 bytes a stage instead of 130.
import type { RunEnd, RunReport } from "./report.ts";

type Report = Omit<RunReport, "shape">;

/** What the row of the run says. */
export type RowOfReport = Pick<Report, "pipeline" | "status" | "duration_ms">;

type StoredStage = [string, RunEnd, number, number, number, 0 | 1];
type Stored = [context_bytes: number, single: 0 | 1, stages: StoredStage[]];

export function reportText({ context_bytes, single, stages }: Report): string {
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
  return JSON.stringify(stored);
}

export function reportFrom(text: string, row: RowOfReport): Report {
  const [context_bytes, single, stages] = JSON.parse(text) as Stored;
  return {
    ...row,
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
  };
}
