// What the end of a call means for its execution: whether its answer fits, and how the call is recorded.
import type { Prices } from "../../../contract/budget.ts";
import { LIMITS } from "../../../contract/limits.ts";
import { overwrittenBytes, widens } from "../../json/weight.ts";
import type { CallEnding } from "../command.ts";
import type { CallEnd } from "../log-event.ts";
import { pricedUsage } from "../gates/prices.ts";
import type { ExecutionState } from "../state.ts";
import { contextLimit } from "./endings.ts";

/** @param taken the same as its execution takes it @param began_at when the call was sent, ms since the epoch */
export function callEnd(outcome: CallEnding, taken: CallEnding, began_at: number): CallEnd {
  const uncalled = outcome.ok ? outcome.cached === true : outcome.failure.kind === "refused";
  // A cached result that does not fit is a failure without a call.
  if (uncalled) return { uncalled: true };
  return taken.ok || taken.usage === undefined ? { began_at } : { began_at, usage: taken.usage };
}

/**
 * The answer with the cost of its call, its bytes as what it adds to the execution: without those of the context that it overwrites. One that
 * would make the execution larger than its object can hold, or its context wider than an expression may read, is a
 * failure.
 */
export function withinContext(state: ExecutionState, ended: CallEnding): CallEnding {
  const given = withPrice(ended, state.spec.config.prices);
  if (!given.ok) return given;
  const used = given.answer.usage === undefined ? {} : { usage: given.answer.usage };
  if (widens(state.context, given.answer.context)) {
    const detail = `/context would have more than ${LIMITS.MEMBERS} members`;
    return { ok: false, failure: { kind: "contract", detail, status: 200 }, ...used };
  }
  const limit_bytes = contextLimit(state);
  const outcome = { ...given, bytes: given.bytes - overwrittenBytes(state.context, given.answer.context) };
  const bytes = state.context_bytes + outcome.bytes;
  if (bytes <= limit_bytes) return outcome;
  return { ok: false, failure: { kind: "context_too_large", limit_bytes, bytes }, ...used };
}

function withPrice(ended: CallEnding, prices: Prices): CallEnding {
  if (!ended.ok)
    return ended.usage === undefined ? ended : { ...ended, usage: pricedUsage(ended.usage, prices) };
  const { answer } = ended;
  if (answer.usage === undefined) return ended;
  return { ...ended, answer: { ...answer, usage: pricedUsage(answer.usage, prices) } };
}
