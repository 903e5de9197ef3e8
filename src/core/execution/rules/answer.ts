// What the end of a call means for its execution: whether its answer fits, and how the call is recorded.
import { LIMITS } from "../../../contract/limits.ts";
import { overwrittenBytes, widens } from "../../json/weight.ts";
import type { CallEnding } from "../command.ts";
import type { CallEnd } from "../log-event.ts";
import type { ExecutionState } from "../state.ts";
import { contextLimit } from "./endings.ts";

/** @param began_at when the call was sent, ms since the epoch */
export function callEnd(outcome: CallEnding, began_at: number): CallEnd {
  const uncalled = outcome.ok ? outcome.cached === true : outcome.failure.kind === "refused";
  return uncalled ? { uncalled: true } : { began_at };
}

/**
 * The answer, its bytes as what it adds to the execution: without those of the context that it overwrites. One that
 * would make the execution larger than its object can hold, or its context wider than an expression may read, is a
 * failure.
 */
export function withinContext(state: ExecutionState, given: CallEnding): CallEnding {
  if (!given.ok) return given;
  if (widens(state.context, given.answer.context)) {
    const detail = `/context would have more than ${LIMITS.MEMBERS} members`;
    return { ok: false, failure: { kind: "contract", detail, status: 200 } };
  }
  const limit_bytes = contextLimit(state);
  const outcome = { ...given, bytes: given.bytes - overwrittenBytes(state.context, given.answer.context) };
  const bytes = state.context_bytes + outcome.bytes;
  if (bytes <= limit_bytes) return outcome;
  return { ok: false, failure: { kind: "context_too_large", limit_bytes, bytes } };
}
