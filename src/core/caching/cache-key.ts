// What makes two calls the same (src/contract/README.md section 6), as canonical text; adapters hash it. Everything
// that an agent receives and may base its answer on is part of it; conversation_id, execution and attempt are not.
import type { AgentCall, RegisteredAgent } from "../../contract/agent.ts";
import { canonicalJson } from "../json/json.ts";

export interface CacheKey {
  tenant: string;
  /** The run's question: results of one question may share a shard. */
  question: string;
  /** The same input to the same generation of the agent: a fresh result under it replaces the call. */
  exact: string;
  /** The same stage, agent, config and query, with any other input: the last result of these is a fallback. */
  family: string;
}

export function cacheKey(tenant: string, registration: RegisteredAgent | null, call: AgentCall): CacheKey {
  const { stage, agent_type, config, query, inputs, context, history } = call;
  return {
    tenant,
    question: query,
    exact: canonicalJson({
      tenant,
      stage,
      agent_type,
      config,
      query,
      registration,
      inputs,
      context,
      history,
    }),
    family: cacheFamily(tenant, stage, call, query),
  };
}

/** The family of a stage's results. */
export function cacheFamily(
  tenant: string,
  stage: string,
  { agent_type, config }: Pick<AgentCall, "agent_type" | "config">,
  query: string,
): string {
  return canonicalJson({ tenant, stage, agent_type, config, query });
}
