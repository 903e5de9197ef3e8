// The agents of the five-stage pipeline as tests that kill need them: what they say follows from the question alone,
// so that any run's result can be foretold; each call's times are kept.
import { FIVE_STAGE } from "../../fixtures/pipelines/five-stage.ts";
import { type AgentServer, startAgentServer } from "../support/agents/agent-server.ts";
import type { Calls } from "../support/clients/calls.ts";

export interface StageCall {
  execution_id: string;
  stage: string;
  attempt: number;
  /** When it came, ms since the epoch. */
  at: number;
  /** When the whole answer had been handed to the network; null before. */
  answered_at: number | null;
}

export interface FiveAgents {
  server: AgentServer;
  calls: StageCall[];
  /** Called when a call comes, and when it has been answered. */
  onCall: (call: StageCall) => void;
  onAnswer: (call: StageCall) => void;
  close(): Promise<void>;
}

export interface Manner {
  /** How long a call takes, in ms. */
  delay(call: StageCall): number;
  /** True where the call is to be answered 503. */
  fails(call: StageCall): boolean;
}

export async function startFiveAgents(manner: Manner): Promise<FiveAgents> {
  const server = await startAgentServer();
  const five: FiveAgents = {
    server,
    calls: [],
    onCall: () => {},
    onAnswer: () => {},
    close: () => server.close(),
  };
  for (const { name } of FIVE_STAGE.stages) {
    server.on(`/${name}`, async ({ body }, response) => {
      const { execution_id, stage, attempt, query, inputs } = body;
      const call: StageCall = { execution_id, stage, attempt, at: Date.now(), answered_at: null };
      five.calls.push(call);
      server.calls.length = 0;
      five.onCall(call);
      response.on("finish", () => {
        call.answered_at = Date.now();
        five.onAnswer(call);
      });
      await new Promise((resolve) => {
        setTimeout(resolve, manner.delay(call));
      });
      if (manner.fails(call)) {
        response.writeHead(503, { "content-type": "application/problem+json" }).end("{}");
        return;
      }
      const data = { [stage]: query, from: Object.keys(inputs) };
      if (stage !== "answer_generation") {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data }));
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('event: delta\ndata: {"text":"so "}\n\n');
      response.end(`event: result\ndata: ${JSON.stringify({ data })}\n\n`);
    });
  }
  return five;
}

/** What every undisturbed run of `query` ends with. */
export function foretold(query: string): Record<string, unknown> {
  return { answer_generation: query, from: ["keyword_retrieval", "vector_retrieval"] };
}

/** Names under which the retrieval by vectors stands: where it fails often, one name's retry budget would be spent. */
const VECTOR_NAMES = 40;

/** The override that gives the run of this number a name of its own for the retrieval that fails. */
export function vectorOf(run: number): object {
  return { vector_retrieval: { agent_type: `vector-${run % VECTOR_NAMES}` } };
}

/** Registers the agents and the pipeline `five`. */
export async function defineFive(calls: Calls, five: FiveAgents): Promise<void> {
  for (let at = 0; at < VECTOR_NAMES; at += 1) {
    await calls.agent(`vector-${at}`, five.server.url("/vector_retrieval"));
  }
  for (const { name, agent_type } of FIVE_STAGE.stages) {
    await calls.agent(agent_type ?? name, five.server.url(`/${name}`));
  }
  await calls.pipeline("five", FIVE_STAGE.stages);
}
