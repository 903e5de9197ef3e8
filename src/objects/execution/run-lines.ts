// What an execution's object writes to the operator's log beside its run's events.
import { writeLog } from "../../adapters/platform/system.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { logLine, lostReports } from "../../core/monitoring/log-line.ts";

/** The log has rejected a record. @param now ms since the epoch */
export function noteRejected(execution_id: string, cause: unknown, now: number): void {
  const fields = { message: "a log record was rejected", execution_id, ...faultFields(cause) };
  writeLog("ERROR", logLine("ERROR", now, fields));
}

/** An execution is forgotten before every receiver had its end. @param now ms since the epoch */
export function logLostReports(state: ExecutionState, receivers: readonly string[], now: number): void {
  if (receivers.length > 0) writeLog("ERROR", lostReports(state, receivers, now));
}

/** The name of the fault and the first words of its message, which name no data. */
function faultFields(cause: unknown): Record<string, string> {
  return cause instanceof Error ? { cause: cause.name, detail: cause.message } : { cause: String(cause) };
}
