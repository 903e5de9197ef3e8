// The report of a run as its row in the execution index keeps it until the metrics of many runs are written together:
// an array without names, for what the row does not say already. 45 bytes a stage instead of 130.
import type { Used } from "./costs/spending.ts";
import type { RunEnd, RunReport } from "./report.ts";

type Report = Omit<RunReport, "shape">;

/** What the row of the run says; of its time all, also what `waited_ms` is of it. */
export type RowOfReport = Pick<Report, "pipeline" | "status" | "duration_ms">;

/** A stage that has used nothing, and each of an earlier version, ends before `used`. */
type StoredStage = [string, RunEnd, number, number, number, 0 | 1, used?: StoredUsed];
type StoredUsed = [cost_usd: number | null, input: number, output: number, unpriced: number, model: string];
type StoredWait = [stage: string, expired: 0 | 1, ms: number];
/** Runs without questions and tags have the first three. */
type Stored = [
  context_bytes: number,
  single: 0 | 1,
  stages: StoredStage[],
  waited_ms?: number,
  waits?: StoredWait[],
  tags?: string[],
];

export function reportText(report: Report): string {
  const { context_bytes, single, stages, waits = [], waited_ms = 0, tags = [] } = report;
  const stored: Stored = [
    context_bytes,
    single === true ? 1 : 0,
    stages.map(({ stage, status, duration_ms, path_ms, retries, cached, used }): StoredStage => {
      const known = [stage, status, duration_ms, path_ms, retries, cached ? 1 : 0] as const;
      return used === undefined ? [...known] : [...known, storedUsed(used)];
    }),
  ];
  if (waits.length > 0 || waited_ms > 0 || tags.length > 0)
    stored.push(
      waited_ms,
      waits.map(({ stage, expired, ms }): StoredWait => [stage, expired ? 1 : 0, ms]),
    );
  if (tags.length > 0) stored.push(tags);
  return JSON.stringify(stored);
}

function storedUsed({ cost_usd, input_tokens, output_tokens, unpriced_tokens, model }: Used): StoredUsed {
  return [cost_usd, input_tokens, output_tokens, unpriced_tokens, model];
}

function usedFrom([cost_usd, input_tokens, output_tokens, unpriced_tokens, model]: StoredUsed): Used {
  return { model, cost_usd, input_tokens, output_tokens, unpriced_tokens };
}

export function reportFrom(text: string, row: RowOfReport): Report {
  const [context_bytes, single, stages, waited_ms = 0, waits = [], tags = []] = JSON.parse(text) as Stored;
  return {
    ...row,
    duration_ms: row.duration_ms - waited_ms,
    ...(single === 1 ? { single: true as const } : {}),
    context_bytes,
    stages: stages.map(([stage, status, duration_ms, path_ms, retries, cached, used]) => ({
      stage,
      status,
      duration_ms,
      path_ms,
      retries,
      cached: cached === 1,
      ...(used === undefined ? {} : { used: usedFrom(used) }),
    })),
    ...(tags.length === 0 ? {} : { tags }),
    ...(waits.length === 0
      ? {}
      : { waits: waits.map(([stage, expired, ms]) => ({ stage, expired: expired === 1, ms })) }),
    ...(waited_ms === 0 ? {} : { waited_ms }),
  };
}
