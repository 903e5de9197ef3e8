// The call of an agent that answers later: where it answers, and which agent it was.
import { agentStageOf } from "../../core/execution/schedule.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import { fallbackOf } from "../../core/resilience/fallback.ts";
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

/** The agent that the stage's last call went to: its own, or its fallback's. */
export function calledAgent(state: ExecutionState, name: UnitName): AgentIdentity {
  const { spec } = state;
  const stage = agentStageOf(state, name);
  const fallback = stageOf(state, name).rescued === null ? null : fallbackOf(stage, spec.config);
  const agent_type = fallback?.strategy === "use_simple_model" ? fallback.agent_type : stage.agent_type;
  return { tenant: spec.tenant, agent_type, registration: spec.agents[agent_type] ?? null };
}
