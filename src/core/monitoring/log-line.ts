// Lines for the operator's log: one JSON object a line, filtered by level. A line holds names, numbers and what went
// wrong; never a question, an answer, a context or a header. Text from outside is cut, and can neither end a
// line nor move a terminal.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { LifecycleEvent, LifecycleType } from "../../contract/event.ts";
import type { ErrorInfo } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StageError } from "../../contract/stage.ts";
import { cutText } from "../../contract/text.ts";
import type { RunSpec } from "../execution/run-spec.ts";
import type { ExecutionState, StageState } from "../execution/state.ts";

export type LogLevel = CoordinatorConfig["log_level"];

const RANK: Readonly<Record<LogLevel, number>> = { DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 };

/** Lifecycle events are INFO, but for these. */
const LEVELS: Partial<Record<LifecycleType, LogLevel>> = {
  "execution.recovered": "WARN",
  "execution.failed": "ERROR",
  "stage.retrying": "WARN",
  "stage.fallback": "WARN",
  "stage.failed": "ERROR",
};

/** Whether lines of this level are wanted. */
export function isLogged(level: LogLevel, wanted: LogLevel): boolean {
  return RANK[level] >= RANK[wanted];
}

export function levelOf(event: LifecycleEvent): LogLevel {
  return LEVELS[event.type] ?? "INFO";
}

/** False where its config wants no line for any of its events so far. */
export function mayHaveLines({ spec, status, recoveries, stages }: ExecutionState): boolean {
  const { enable_detailed_logging, log_level } = spec.config;
  if (!enable_detailed_logging || isLogged("INFO", log_level)) return enable_detailed_logging;
  const isSmooth = ({ result, rescued, waits }: StageState) =>
    result.status !== "failed" && rescued === null && waits.length === 0;
  return status === "failed" || recoveries > 0 || !stages.every(isSmooth);
}

/** The fields that an event's line has. */
export function eventFields(event: LifecycleEvent, spec: Pick<RunSpec, "tenant" | "pipeline">): JsonObject {
  const { type, execution_id, seq, stage, item, attempt, status, data } = event;
  return {
    event: type,
    tenant: spec.tenant,
    execution_id,
    seq,
    pipeline: spec.pipeline,
    ...(stage === undefined ? {} : { stage }),
    ...(item === undefined ? {} : { item }),
    ...("iteration" in data && data.iteration !== undefined ? { iteration: data.iteration } : {}),
    ...("child_execution_id" in data && data.child_execution_id !== undefined
      ? { child_execution_id: data.child_execution_id }
      : {}),
    ...(attempt === undefined ? {} : { attempt }),
    status,
    ...("duration_ms" in data && data.duration_ms !== null ? { duration_ms: data.duration_ms } : {}),
    ...("delay_ms" in data ? { delay_ms: data.delay_ms } : {}),
    // Of a question its stage: what it asks is of no concern to the log.
    ...("reason" in data && event.type === "stage.waiting" ? { reason: data.reason } : {}),
    ...("signal" in data ? { signal: data.signal } : {}),
    ...("expires_at" in data ? { expires_at: data.expires_at } : {}),
    ...errorFields("error" in data ? data.error : "error_info" in data ? data.error_info : null),
  };
}

function errorFields(error: StageError | ErrorInfo | null): JsonObject {
  return error === null ? {} : { code: error.code, error: withoutCredentials(error.message) };
}

/** An agent's error message may contain the credential that it was called with. */
function withoutCredentials(message: string): string {
  return message
    .replaceAll(
      /\b(bearer|basic|token|api[-_ ]?key|password|secret)(["']?\s*[:= ]\s*)\S+/gi,
      "$1$2[redacted]",
    )
    .replaceAll(/\b(sk|pk|whsec|ghp|xox[abp])[-_][\w-]{8,}/g, "[redacted]");
}

/** No field is longer: a line is for reading. */
const FIELD_CHARS = 500;

/** A line of the log. @param at ms since the epoch */
export function logLine(level: LogLevel, at: number, fields: JsonObject): string {
  const cut = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? cutText(value, FIELD_CHARS) : value,
  ]);
  const line = JSON.stringify({ level, time: new Date(at).toISOString(), ...Object.fromEntries(cut) });
  // JSON leaves these as they are: the C1 controls, and what turns the direction of writing.
  return line.replaceAll(/[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ");
}

/** The line of an execution that is forgotten before its end was delivered. @param receivers that do not have it */
export function lostReports(
  { spec, status }: ExecutionState,
  receivers: readonly string[],
  at: number,
): string {
  return logLine("ERROR", at, {
    message: `execution.${status} was not delivered before the execution was forgotten`,
    tenant: spec.tenant,
    execution_id: spec.execution_id,
    pipeline: spec.pipeline,
    receivers: receivers.join(", "),
  });
}
