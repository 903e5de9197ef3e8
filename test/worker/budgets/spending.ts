// What tests of budgets have in common: agents that say what they have used, and pipelines of them in a row.
import { type AgentServer, answers, type Behaviour } from "../../support/agents/agent-server.ts";
import type { Answer, Coordinator } from "../../support/servers/coordinator.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- tests look at answers as a caller does: as JSON.
type Any = any;

/** Answers with this usage. */
export const uses = (usage: Record<string, unknown>): Behaviour => answers({ said: "so" }, { usage });

export interface Spending {
  /** Registers an agent of this behaviour, and a pipeline of its name with these stages in a row, each the agent's. */
  row: (name: string, behaviour: Behaviour, stages?: readonly string[], fields?: object) => Promise<void>;
  calls: (name: string) => number;
  resume: (execution_id: string, body?: object) => Promise<Answer>;
  read: (execution_id: string) => Promise<Any>;
  events: (execution_id: string, type?: string) => Promise<Any[]>;
}

/** @param where set before the tests */
export function spendingAt(where: () => { agents: AgentServer; coordinator: Coordinator }): Spending {
  const api = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    where().coordinator.api(method, path, body, headers);
  return {
    row: async (name, behaviour, stages = ["a", "b", "c"], fields = {}) => {
      const { agents, coordinator } = where();
      agents.on(`/${name}`, behaviour);
      await coordinator.agent(name, agents.url(`/${name}`));
      const inARow = stages.map((stage, at) => ({
        name: stage,
        agent_type: name,
        depends_on: stages.slice(Math.max(0, at - 1), at),
        ...fields,
      }));
      await coordinator.pipeline(name, inARow);
    },
    calls: (name) => where().agents.callsOf(`/${name}`).length,
    resume: (execution_id, body) => api("POST", `/v1/executions/${execution_id}/resume`, body),
    read: async (execution_id) => (await api("GET", `/v1/executions/${execution_id}`)).body,
    events: async (execution_id, type) => {
      const path = `/v1/executions/${execution_id}/events`;
      const { data } = (await api("GET", path, undefined, { accept: "application/json" })).body;
      return type === undefined ? data : data.filter((event: Any) => event.type === type);
    },
  };
}
