// The alarm's work that needs nothing in memory: the reports that are pending, and, once the run has ended, retention.
// When the alarm must fire again follows from what this leaves: core/execution/alarm/next-alarm.ts.
import { wasReported } from "../../core/execution/alarm/report-times.ts";
import { type ExecutionState, isTerminal } from "../../core/execution/state.ts";
import { retainedUntil } from "../../core/execution/alarm/retention.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "./driver.ts";
import type { Outbox } from "../watch/outbox.ts";
import type { Ports } from "../ports.ts";

export type AlarmWork =
  /** The alarm must come again, if there is a run. */
  | { next: "wait" }
  /** Every receiver has the end: the run is released until its retention is over. */
  | { next: "release"; state: ExecutionState }
  /** Retention is over. Receivers that never took the end are named. */
  | { next: "forget"; state: ExecutionState; lost: readonly string[] };

/**
 * Delivers what is pending, and says what is left to do.
 * @param scheduled what the alarm that has come was set to, ms since the epoch; null where that is not known
 */
export async function alarmWork(
  driver: Pick<ExecutionDriver, "state">,
  outbox: Outbox,
  { clock }: Pick<Ports, "clock">,
  scheduled: number | null,
): Promise<AlarmWork> {
  if (driver.state === null) return { next: "wait" };
  // A change that this instance has made cannot have been reported before its alarm was set.
  const isKnown = outbox.reports === "none" && wasReported(driver.state, scheduled);
  const refused = isKnown ? [] : await outbox.settleWithin(TIMINGS.REPORT_WAIT_MS);
  // Events in the meantime may have changed it.
  const { state } = driver;
  const { reports } = outbox;
  if (!isTerminal(state.status) || typeof reports === "number") return { next: "wait" };
  if (reports === "none" && retainedUntil(state) > clock.now()) return { next: "release", state };
  // The end has come during the delivery of something else.
  if (reports === "pending" && refused.length === 0) return { next: "wait" };
  return { next: "forget", state, lost: reports === "none" ? [] : refused };
}
