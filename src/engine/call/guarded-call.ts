// One call of an agent, subject to its breaker and its retry budget. Decides what a call's outcome means for its agent:
// failures of the retried classes count, aborts and refusals do not, nor does what the agent answers to this request
// alone.
//
// I14: a call that goes out as the probe carries its id back. A healthy agent costs no hop: see AgentHealth.
import type { CallOutcome } from "../../core/execution/command.ts";
import { agentStageOf } from "../../core/execution/schedule.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { CallVerdict } from "../../core/resilience/breaker.ts";
import { classify, retryAfter } from "../../core/resilience/classify.ts";
import type { AgentHealth, AgentRequest, RunSpending } from "../ports.ts";

/** The call's outcome; where the breaker is open, or a budget of the config spent, nothing was called. */
export async function guardedCall(
  ports: { shared?: { health: AgentHealth; spending?: RunSpending } },
  state: ExecutionState,
  unit: UnitName,
  request: AgentRequest,
  signal: AbortSignal,
  call: () => Promise<CallOutcome>,
): Promise<CallOutcome> {
  const health = ports.shared?.health;
  if (health === undefined) return call();
  const { config } = state.spec;
  const checked = ports.shared?.spending?.check(state.spec) ?? null;
  const overspent = checked instanceof Promise ? await checked : checked;
  if (overspent !== null) {
    const { scope, spent_usd, limit_usd } = overspent;
    return { ok: "overspent", scope, spent_usd, limit_usd };
  }
  const { agent_type, timeout_ms, attempt } = request.call;
  const agent = { tenant: request.tenant, agent_type, registration: request.registration };
  const policy = config.enable_circuit_breaker ? config.circuit_breaker : null;
  let probe: number | null = null;
  if (policy !== null) {
    const asked = health.admit(agent, timeout_ms + TIMINGS.PROBE_GRACE_MS);
    const admission = asked instanceof Promise ? await asked : asked;
    if (admission.admit === "refuse") {
      const { retry_at, last_failure } = admission;
      return { ok: false, failure: { kind: "refused", agent_type, retry_at, last_failure } };
    }
    if (admission.admit === "probe") probe = admission.id;
  }
  // It may have become known since the call began; a probe is worth a try.
  const until = probe === null ? health.heldUntil(agent, true) : null;
  if (until !== null) return { ok: "queued", reason: "retry_after", until };
  const outcome = await call();
  const wait_ms = outcome.ok === false ? retryAfter(outcome.failure) : null;
  if (wait_ms !== null && wait_ms > 0) health.hold(agent, wait_ms);
  const verdict = verdictOn(outcome, signal);
  const why = outcome.ok || verdict !== "failure" ? undefined : classify(outcome.failure).error.message;
  health.report(agent, verdict, probe, policy, why);
  // Turning the breaker off turns the budget off.
  if (policy === null || verdict !== "failure" || outcome.ok || !mayFollow(state, unit, request))
    return outcome;
  const budget_wait_ms = health.placeRetry(agent, attempt);
  return budget_wait_ms === 0 ? outcome : { ...outcome, budget_wait_ms };
}

/** Whether the stage may be tried again: a place in the budget is for a try that is made. */
function mayFollow(state: ExecutionState, unit: UnitName, { call }: AgentRequest): boolean {
  const { retry_attempts } = agentStageOf(state, unit);
  return call.attempt < retry_attempts && stageOf(state, unit).rescued === null;
}

function verdictOn(outcome: CallOutcome, signal: AbortSignal): CallVerdict {
  if (signal.aborted) return "void";
  if (outcome.ok) return "success";
  // An agent that says when to come again is loaded, and not out of order.
  if (retryAfter(outcome.failure) !== null) return "void";
  return classify(outcome.failure).retry === "yes" ? "failure" : "void";
}
