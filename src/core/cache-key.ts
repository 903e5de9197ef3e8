// What makes two calls the same (API.md section 6), as canonical text; adapters hash it. Everything that an agent is
// told and may answer by stands in it; conversation_id, execution and attempt do not.
import type { AgentCall, AgentRegistration } from "../contract/agent.ts";
import { canonicalJson } from "./json.ts";

export interface CacheKey {
  tenant: string;
  /** What the run was asked: the results of one question may lie together. */
  question: string;
  /** The same input: a fresh result under it stands for the call. */
  exact: string;
  /** The same stage, agent, config and query, whatever else: the last result of these is a fallback. */
  family: string;
}

export function cacheKey(tenant: string, registration: AgentRegistration | null, call: AgentCall): CacheKey {
  const { stage, agent_type, config, query, inputs, context, history } = call;
  const family = { tenant, stage, agent_type, config, query };
  return {
    tenant,
    question: query,
    exact: canonicalJson({ ...family, registration, inputs, context, history }),
    family: canonicalJson(family),
  };
}
