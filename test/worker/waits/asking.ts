// Runs that ask, of two tenants with keys: what tests of answers, tokens and the page have in common.
import { type AgentServer, after, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

export const SCHEMA = {
  type: "object",
  required: ["approved"],
  additionalProperties: false,
  properties: { approved: { type: "boolean" }, note: { type: "string", maxLength: 50 } },
};

export interface Asking {
  coordinator: Coordinator;
  agents: AgentServer;
  /** A call with acme's key, or another. */
  api(method: string, path: string, body?: unknown, key?: string | null): Promise<Answer>;
  /** A run that asks once its draft is there. */
  asks(wait?: Record<string, unknown>, draft?: "draft" | "slow"): Promise<string>;
  /** The same, once it asks. */
  open(wait?: Record<string, unknown>): Promise<string>;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at answers as a caller does: as JSON.
  status(id: string, expected: string): Promise<any>;
  complete(id: string, data: unknown): Promise<Answer>;
  token(id: string, stage?: string): Promise<Answer>;
  close(): Promise<void>;
}

/** @param vars laid over those of a coordinator with keys */
export async function startAsking(vars: Record<string, string> = {}): Promise<Asking> {
  const agents = await startAgentServer();
  agents.on("/draft", answers({ answer: "a draft" }));
  agents.on("/slow", after(1_000, answers({ answer: "a draft" })));
  const coordinator = await startCoordinator([agents], { ...KEYED, ...vars });
  const api: Asking["api"] = (method, path, body, key = KEYS.acme) =>
    callWith(coordinator, key, method, path, body);
  for (const name of ["draft", "slow"])
    await api("PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`) });
  let names = 0;
  const asks: Asking["asks"] = async (wait = {}, draft = "draft") => {
    names += 1;
    const prompt = "{'question': 'Publish this?', 'draft': results.draft.answer}";
    const stages = [
      { name: "draft", agent_type: draft },
      { name: "approval", depends_on: ["draft"], wait: { prompt, schema: SCHEMA, ...wait } },
    ];
    const put = await api("PUT", `/v1/pipelines/asks${names}`, { stages });
    if (put.status >= 300) throw new Error(JSON.stringify(put.body));
    const run = { pipeline: `asks${names}`, query: "q", conversation_id: "c" };
    const begun = await callWith(coordinator, KEYS.acme, "POST", "/v1/executions", run, {
      prefer: "respond-async",
    });
    return String(begun.body.execution_id);
  };
  const status: Asking["status"] = (id, expected) =>
    eventually(
      async () => (await api("GET", `/v1/executions/${id}`)).body,
      (body) => body.status === expected,
    );
  return {
    coordinator,
    agents,
    api,
    asks,
    open: async (wait) => {
      const id = await asks(wait);
      await status(id, "waiting");
      return id;
    },
    status,
    complete: (id, data) => api("POST", `/v1/executions/${id}/stages/approval/complete`, { data }),
    token: (id, stage = "approval") => api("POST", `/v1/executions/${id}/stages/${stage}/token`),
    close: () => closeAll(coordinator, agents),
  };
}
