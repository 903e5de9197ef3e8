// The alarm's work that needs nothing in memory: the reports that are pending, what the run waits for,
// and, once it has ended, retention (I15).
import { nextReportAt, wasReported } from "../../core/execution/report-times.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { retainedUntil } from "../../core/execution/retention.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "./driver.ts";
import type { Outbox } from "../watch/outbox.ts";
import type { Ports } from "../ports.ts";

export type AlarmWork =
  /** When the alarm must fire again, ms since the epoch; null if there is no reason for it. */
  | { next: "wait"; at: number | null }
  /** Every receiver has the end: the run is released until its retention is over. */
  | { next: "release"; at: number; state: ExecutionState }
  /** Retention is over. Receivers that never took the end are named. */
  | { next: "forget"; state: ExecutionState; lost: readonly string[] };

/**
 * Delivers what is pending, and says what comes next.
 * @param scheduled what the alarm that has come was set to, ms since the epoch; null where that is not known
 */
export async function alarmWork(
  driver: ExecutionDriver,
  outbox: Outbox | null,
  { clock, chance }: Pick<Ports, "clock" | "chance">,
  scheduled: number | null,
): Promise<AlarmWork> {
  if (driver.state === null) return { next: "wait", at: null };
  const isKnown = wasReported(driver.state, scheduled);
  const refused = isKnown || outbox === null ? [] : await outbox.settleWithin(TIMINGS.REPORT_WAIT_MS);
  // Events in the meantime may have changed it.
  const { state } = driver;
  const now = clock.now();
  const retry_at = refused.length === 0 ? null : nextReportAt(state, now, chance());
  const due = driver.alarmAt();
  if (due !== null) return { next: "wait", at: retry_at === null ? due : Math.min(due, retry_at) };
  if (retry_at !== null) return { next: "wait", at: retry_at };
  const at = retainedUntil(state);
  if (refused.length === 0 && at > now) return { next: "release", at, state };
  return { next: "forget", state, lost: refused };
}
