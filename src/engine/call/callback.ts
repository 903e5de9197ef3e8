// The call of an agent that answers later: where it answers, and which agent it was.
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { calledType } from "../../core/execution/schedule.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import type { CallbackTarget } from "../object-protocol.ts";
import type { AgentIdentity, Ports } from "../ports.ts";

type CallOf = Pick<CallbackTarget, "stage" | "call">;

/** The token of a call's callback; null where there can be none. The same at each time, until the secret changes. */
export async function callbackToken(
  ports: Pick<Ports, "callbackToken">,
  { spec, started_at }: ExecutionState,
  { stage, call }: CallOf,
): Promise<string | null> {
  const { tenant, execution_id } = spec;
  return (await ports.callbackToken?.({ tenant, execution_id, started_at, stage, call })) ?? null;
}

/** Where the agent of a call may send its result later; null where there is no such place. */
export async function callbackUrl(
  ports: Pick<Ports, "callbackToken">,
  state: ExecutionState,
  of: CallOf,
): Promise<string | null> {
  const { origin } = state.spec;
  const token = origin === undefined ? null : await callbackToken(ports, state, of);
  return token === null ? null : `${origin}/v1/callbacks/${token}`;
}

/** The agent that the unit's last call went to, and its next one goes to: its own, or its fallback's. */
export function calledAgent(state: ExecutionState, name: UnitName): AgentIdentity {
  return agentIn(state.spec, calledType(state, name) ?? "");
}

/** An agent as the run is pinned to it. */
export function agentIn({ tenant, agents }: RunSpec, agent_type: string): AgentIdentity {
  return { tenant, agent_type, registration: agents[agent_type] ?? null };
}
