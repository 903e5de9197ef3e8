// The workflows of fixtures/pipelines, written to one real workerd, with small functions over HTTP in place of their
// models, and what a test looks at of a run of one.
import { APPROVAL } from "../../../fixtures/pipelines/approval.ts";
import { CRITIC_LOOP } from "../../../fixtures/pipelines/critic-loop.ts";
import { INGESTION } from "../../../fixtures/pipelines/ingestion.ts";
import { MAP_REDUCE } from "../../../fixtures/pipelines/map-reduce.ts";
import { NESTED_RESEARCH } from "../../../fixtures/pipelines/nested-research.ts";
import { PARALLEL_RETRIEVAL } from "../../../fixtures/pipelines/parallel-retrieval.ts";
import { RAG_FAN_OUT } from "../../../fixtures/pipelines/rag-fan-out.ts";
import { ROUTER } from "../../../fixtures/pipelines/router.ts";
import { TRANSLATIONS } from "../../../fixtures/pipelines/translation.ts";
import { VOTE } from "../../../fixtures/pipelines/vote.ts";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { serveModels } from "../../support/agents/workflow-agents.ts";
import { closeAll } from "../../support/close.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

/** A pipeline that runs others is after them. */
const WORKFLOWS = {
  "rag-fan-out": RAG_FAN_OUT,
  "map-reduce": MAP_REDUCE,
  "critic-loop": CRITIC_LOOP,
  router: ROUTER,
  approval: APPROVAL,
  ...NESTED_RESEARCH,
  "parallel-retrieval": PARALLEL_RETRIEVAL,
  ingestion: INGESTION,
  vote: VOTE,
  ...TRANSLATIONS,
};

interface WorkflowRun {
  id: string;
  body: Answer["body"];
  given: (agent: string) => unknown[];
  order: string[];
}

export interface Workflows {
  agents: AgentServer;
  /** What each PUT was answered. */
  written: readonly { pipeline: string; status: number; hints: unknown }[];
  api: Coordinator["api"];
  /** Runs a workflow in a conversation of its own, which its pipelines within share. */
  run(pipeline: string, request: object): Promise<WorkflowRun>;
  /** The inputs of an agent's calls. */
  given(conversation: string, agent: string): unknown[];
  /** The stages in the order in which they began, once each; those that were skipped with a `-`. */
  order(id: string): Promise<string[]>;
  close(): Promise<void>;
}

export async function startWorkflows(): Promise<Workflows> {
  const agents = await startAgentServer();
  const coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  // The agents that are down in one run would else be so in the others.
  await coordinator.configure({ enable_circuit_breaker: false });
  for (const name of serveModels(agents)) await coordinator.agent(name, agents.url(`/${name}`));
  const written: { pipeline: string; status: number; hints: unknown }[] = [];
  for (const [pipeline, definition] of Object.entries(WORKFLOWS)) {
    const { status, body } = await coordinator.api("PUT", `/v1/pipelines/${pipeline}`, definition);
    written.push({ pipeline, status, hints: body.hints });
  }
  const given: Workflows["given"] = (conversation, agent) => {
    const calls = agents.callsOf(`/${agent}`).map(({ body }) => body);
    return calls.filter((call) => call.conversation_id === conversation).map(({ input }) => input);
  };
  const order: Workflows["order"] = async (id) => {
    const { body } = await coordinator.api("GET", `/v1/executions/${id}/events`, undefined, {
      accept: "application/json",
    });
    const names = (body.data as { type: string; stage: string }[]).flatMap(({ type, stage }) =>
      type === "stage.started" ? [stage] : type === "stage.skipped" ? [`-${stage}`] : [],
    );
    return [...new Set(names)];
  };
  let runs = 0;
  return {
    agents,
    written,
    api: (...call) => coordinator.api(...call),
    run: async (pipeline, request) => {
      runs += 1;
      const id = `flow-${runs}`;
      const { body } = await coordinator.run({ execution_id: id, conversation_id: id, pipeline, ...request });
      return { id, body, given: (agent) => given(id, agent), order: await order(id) };
    },
    given,
    order,
    close: () => closeAll(coordinator, agents),
  };
}
