// runStage: one call of one stage, from the state to its outcome. Owns the try's clock (timeout_seconds, and the
// silence of idle_timeout_seconds); an answer that comes later is nobody's.
import type { AgentCall } from "../contract/agent.ts";
import type { CallOutcome } from "../core/execution/command.ts";
import { dataOf } from "../core/execution/evolve.ts";
import type { Invocation } from "../core/execution/next-actions.ts";
import { specOf } from "../core/execution/schedule.ts";
import type { ExecutionState } from "../core/execution/state.ts";
import { callTraceparent } from "../core/monitoring/trace-context.ts";
import type { AgentRequest, CallHooks, Ports } from "./ports.ts";

/** Calls the stage's agent; resolves with the outcome, also when the try's time is over or `signal` aborts. */
export async function runStage(
  ports: Pick<Ports, "agents" | "clock">,
  state: ExecutionState,
  invocation: Invocation,
  hooks: Pick<CallHooks, "signal" | "delta" | "progress">,
): Promise<CallOutcome> {
  const stage = specOf(state, invocation.stage);
  const request = agentRequest(state, invocation, ports.clock.now());
  const cut = new AbortController();
  const idleMs = stage.idle_timeout_seconds === undefined ? null : stage.idle_timeout_seconds * 1_000;
  return new Promise<CallOutcome>((resolve) => {
    let stopIdle = () => {};
    const end = (outcome: CallOutcome) => {
      stopTry();
      stopIdle();
      resolve(outcome);
    };
    const timeUp = (timeout_ms: number, idle: boolean) => {
      end({ ok: false, failure: { kind: "timeout", timeout_ms, idle } });
      cut.abort();
    };
    const watchSilence = () => {
      if (idleMs === null) return;
      stopIdle();
      stopIdle = ports.clock.after(idleMs, () => timeUp(idleMs, true));
    };
    const tryMs = stage.timeout_seconds * 1_000;
    const stopTry = ports.clock.after(tryMs, () => timeUp(tryMs, false));
    watchSilence();
    hooks.signal.addEventListener("abort", () => {
      cut.abort();
      // Nobody waits for this outcome: it frees the connection's place, whatever the agent's side still does.
      end({ ok: false, failure: { kind: "rejected" } });
    });
    void ports.agents.call(request, { ...hooks, signal: cut.signal, alive: watchSilence }).then(end);
  });
}

function agentRequest(state: ExecutionState, invocation: Invocation, now: number): AgentRequest {
  const { spec } = state;
  const stage = specOf(state, invocation.stage);
  const call: AgentCall = {
    execution_id: spec.execution_id,
    conversation_id: spec.conversation_id,
    stage: stage.name,
    agent_type: stage.agent_type,
    attempt: invocation.attempt,
    query: spec.query,
    config: stage.config,
    inputs: {
      ...spec.inputs,
      ...Object.fromEntries(stage.depends_on.map((name) => [name, dataOf(state, name)])),
    },
    context: state.context,
    history: spec.history,
    timeout_ms: Math.max(1, Math.min(stage.timeout_seconds * 1_000, state.deadline_at - now)),
  };
  return {
    tenant: spec.tenant,
    registration: spec.agents[stage.agent_type] ?? null,
    call,
    idempotency_key: `${spec.execution_id}.${stage.name}`,
    traceparent:
      spec.traceparent === null
        ? null
        : callTraceparent(spec.traceparent, spec.execution_id, invocation.call),
  };
}
