// What the agents' tests share: the corpus as it lies in its folder, and calls of an agent by its address.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createAgents } from "../../fixtures/agents/agents.ts";
import type { AgentEnvironment } from "../../fixtures/agents/environment.ts";
import type { CorpusDocument } from "../../fixtures/agents/passages.ts";

const folder = join(import.meta.dirname, "../../fixtures/corpus");

/** The corpus's documents by name, read from the folder (the Worker's own list is a build artefact). */
export const corpusDocuments: CorpusDocument[] = readdirSync(folder)
  .filter((name) => name.endsWith(".md"))
  .toSorted()
  .map((path) => ({ path, text: readFileSync(join(folder, path), "utf8") }));

export function readCorpusFile(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

export type CallOptions = {
  query?: string;
  config?: Record<string, unknown>;
  inputs?: Record<string, unknown>;
  history?: { query: string; answer: unknown }[];
  environment?: AgentEnvironment;
  accept?: string;
};

/** Calls agents over some documents with the coordinator's body. */
export function agentsOver(documents: readonly CorpusDocument[] = corpusDocuments) {
  const handler = createAgents(documents);
  const respond = (agent: string, options: CallOptions = {}): Promise<Response> => {
    const { query = "", config = {}, inputs = {}, history = [], environment = {}, accept } = options;
    const body = {
      execution_id: "run-1",
      conversation_id: "talk-1",
      stage: agent,
      agent_type: agent,
      attempt: 1,
      query,
      config,
      inputs,
      context: {},
      history,
      timeout_ms: 10_000,
    };
    const request = new Request(`https://agents.test/${agent}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(accept === undefined ? {} : { accept }) },
      body: JSON.stringify(body),
    });
    return handler(request, environment);
  };
  const data = async <T = Record<string, unknown>>(agent: string, options: CallOptions = {}): Promise<T> => {
    const response = await respond(agent, options);
    if (!response.ok) throw new Error(`${agent}: ${response.status} ${await response.text()}`);
    const { data: found } = await response.json<{ data: T }>();
    return found;
  };
  return { handler, respond, data };
}

/** The data of an answer, as far as the tests read it. */
export type AnswerData = {
  answer: string;
  citations: {
    index: number;
    document: string;
    title: string;
    heading: string;
    reference: string;
    url?: string;
  }[];
  grounded: boolean;
  nearest: { document: string; title: string; heading: string; text: string; url?: string }[];
  generator: string;
};

/** The four agents one after another, as the pipeline `rag` calls them. */
export async function askAll(
  agents: ReturnType<typeof agentsOver>,
  query: string,
  options: Omit<CallOptions, "query" | "inputs"> & { search?: Record<string, unknown> } = {},
) {
  const { search = {}, config = {}, ...rest } = options;
  const rewriter = await agents.data<{ query: string }>("query_rewriter", { query, ...rest });
  const decision = await agents.data<{ needs_retrieval: boolean }>("context_decision", { query, ...rest });
  const earlier = { query_rewriting: rewriter, context_decision: decision };
  const retrieval = decision.needs_retrieval
    ? await agents.data("source_retrieval", { query, inputs: earlier, config: search, ...rest })
    : null;
  return agents.data<AnswerData>("answer_generation", {
    query,
    inputs: { ...earlier, source_retrieval: retrieval },
    config: { pace_ms: 0, ...config },
    ...rest,
  });
}

const gadget = (document: string, text: string) => ({
  document,
  title: `On ${document}`,
  heading: "Part",
  text,
});

/** The data of a small retrieval. */
export const gadgets = {
  passages: [gadget("a.md", "A gadget hums softly."), gadget("b.md", "A gadget glows green at night.")],
};
