// A run's events as the terminal outputs get them, with what the reference agents rarely give: a skip, a retry, a text
// that is corrected and one that starts again.
import { foldEvent, type RunEvent, type RunView } from "../../../src/client/index.ts";

export const START = Date.parse("2026-11-23T12:00:00.000Z");
let seq = 0;

export function event(type: string, after_ms: number, rest: Record<string, unknown> = {}): RunEvent {
  const timestamp = new Date(START + after_ms).toISOString();
  const logged = { execution_id: "e", seq: ++seq, timestamp, type, status: "running", message: "" };
  return { ...logged, data: {}, ...rest } as RunEvent;
}

function delta(attempt: number, offset: number, partial_answer: string): RunEvent {
  const data = { partial_answer, offset };
  return { execution_id: "e", type: "stage.delta", stage: "write", attempt, status: "running", data };
}

export function fold(events: readonly RunEvent[]): RunView | null {
  return events.reduce<RunView | null>(foldEvent, null);
}

export const EVENTS: RunEvent[] = [
  event("execution.started", 0, { data: { stages: [{ name: "find" }, { name: "write" }] } }),
  event("stage.skipped", 0, { stage: "find", data: { reason: "not needed" } }),
  event("stage.started", 0, { stage: "write", attempt: 1 }),
  delta(1, 0, "Helo"),
  // The offset cuts: what came wrong is corrected within the same try.
  delta(1, 3, "lo \u001b[31mred"),
  event("stage.retrying", 200, { stage: "write", data: { delay_ms: 40, error: { message: "cut short" } } }),
  event("stage.started", 240, { stage: "write", attempt: 2 }),
  delta(2, 0, "Good"),
  delta(2, 4, " day"),
];

/** One of each kind that may have more than one call. */
const STAGES = [
  { name: "each", depends_on: [], map: { over: "[]" } },
  { name: "draft", depends_on: [], repeat: { until: "true", max: 5 } },
  { name: "sub", depends_on: [], pipeline: "inner" },
];
export const start = () => event("execution.started", 0, { data: { stages: STAGES } });
export const of = (type: string, stage: string, data: object = {}, item?: number): RunEvent =>
  event(type, 10, { stage, attempt: 1, data, ...(item === undefined ? {} : { item }) });
export const result = { status: "completed", attempts: 1, cached: false, fallback: null };
export const mapped = (total: number) => [start(), of("stage.started", "each", { items: total })];
