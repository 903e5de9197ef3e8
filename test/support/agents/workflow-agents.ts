// Small functions that play the models of the workflows in fixtures/pipelines: what each answers follows from its input
// alone, so that a run can be foreseen. An agent is down in the runs whose context lists it as `down`.
import type { AgentCall } from "../../../src/contract/agent.ts";
import { type AgentServer, answers, failsWith } from "./agent-server.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- an agent knows the members of its own input.
type Input = Record<string, any>;
type Model = (input: Input, call: AgentCall) => Record<string, unknown>;

/** An input that the agent refuses, with its reason. */
class Refused extends Error {}

const RETRIEVAL: Readonly<Record<string, Model>> = {
  query_expander: ({ question }) => ({ queries: [`${question} basics`, `${question} costs`] }),
  vector_search: ({ query }) => {
    if (query.endsWith("costs")) throw new Refused("no index of costs");
    return { passages: [`vectors: ${query}`, "a common passage"] };
  },
  keyword_search: ({ query }) => ({ passages: [`keywords: ${query}`] }),
  rank_fusion: ({ rankings }) => ({ passages: [...new Set(rankings.flat())] }),
  reranker: ({ passages }) => ({ passages: passages.toReversed() }),
  answer_writer: ({ question, passages }) => ({ answer: `${question}: ${passages.join("; ")}` }),
};

const WRITING: Readonly<Record<string, Model>> = {
  summarizer: ({ text }) => {
    if (text === "") throw new Refused("there is no text");
    return { summary: text.split(".")[0] };
  },
  combiner: ({ about, summaries }) => ({
    answer: `${about}: ${summaries.map((each: Input) => `${each["title"]}: ${each["summary"]}`).join("; ")}`,
  }),
  writer: ({ task, draft, remark }) => ({
    draft: draft === undefined ? `on ${task}` : `${draft}, ${remark}`,
  }),
  critic: ({ task, draft, remarks }, { iteration = 0 }) => ({
    draft: `${draft}!`,
    score: task === "the hopeless" ? 0.1 : 0.3 * iteration,
    remarks: [...remarks, `remark ${iteration}`],
  }),
  publisher: ({ text }) => ({ published: text }),
  translator: ({ text, language, objection }) => {
    if (language === "en") return { text: /^de<(.*)>$/.exec(text)?.[1] };
    const isMistaken = text.includes("cursed") || (text.includes("bank") && objection === "");
    return { text: `de<${isMistaken ? text.replace(/bank|cursed/, "shore") : text}>` };
  },
  comparer: ({ original, back, translation }) => ({
    translation,
    faithful: original === back,
    objection: original === back ? "" : `became: ${back}`,
  }),
  proofreader: ({ text }) => ({ answer: text }),
};

const RESEARCH: Readonly<Record<string, Model>> = {
  planner: ({ subject }) => ({
    questions: ["history", "price", "secrets"].map((of) => `${of} of ${subject}`),
  }),
  web_search: ({ query }) => {
    if (query.startsWith("secrets")) throw new Refused("nothing is public");
    return { pages: [`a page on the ${query}`] };
  },
  note_taker: ({ pages }) => ({ note: `noted from ${pages.join(" and ")}` }),
  report_writer: ({ task, notes, draft, remark }) => ({
    draft: remark === "" ? `${task}: ${notes.join(", ")}` : `${draft} (${remark})`,
  }),
  reviewer: ({ draft }) => {
    const accepted = draft.endsWith("(sources)");
    return { draft, accepted, remark: accepted ? "" : "sources" };
  },
};

const ROUTES: Readonly<Record<string, Model>> = {
  classifier: ({ request }) => {
    const route = /invoice|crash|poem/.exec(request)?.[0] ?? "";
    const routes: Record<string, string> = { invoice: "billing", crash: "technical", poem: "literature" };
    return route in routes ? { route: routes[route] } : {};
  },
  billing_agent: ({ request }) => ({ answer: `billing has ${request}` }),
  technical_agent: ({ request }) => ({ answer: `support has ${request}` }),
  general_agent: ({ request }) => ({ answer: `a person has ${request}` }),
  reply_writer: ({ answer }) => ({ answer: `Dear customer, ${answer}.` }),
};

const INGESTION: Readonly<Record<string, Model>> = {
  fetcher: ({ url }) => {
    if (url.includes("gone")) throw new Refused(`${url} is gone`);
    return { text: url.includes("empty") ? "" : `the text of ${url}` };
  },
  embedder: ({ url, text }) => {
    if (text === "") throw new Refused(`${url} has no text`);
    return { url, chunks: [{ text, vector: [text.length, 1] }] };
  },
  indexer: ({ documents }) => ({ indexed: documents.map((each: Input) => each["url"]) }),
  reporter: (input) => input,
};

/** A voter's choice is in the question, as `a:yes`; corrected where it is none of the choices. */
const voter =
  (letter: string): Model =>
  ({ question, choices }, { previous_error }) => ({
    choice:
      previous_error === undefined
        ? new RegExp(`${letter}:(\\w+)`).exec(question)?.[1]
        : (choices as string[]).at(-1),
  });

const VOTING: Readonly<Record<string, Model>> = {
  model_a: voter("a"),
  model_b: voter("b"),
  model_c: voter("c"),
  large_model: ({ votes, choices }) => ({ choice: votes[0] ?? choices[0] }),
  explainer: ({ votes, choice }) => ({ answer: `${choice}, of ${votes.join(" ")}` }),
};

const MODELS: Readonly<Record<string, Model>> = {
  ...RETRIEVAL,
  ...WRITING,
  ...RESEARCH,
  ...ROUTES,
  ...INGESTION,
  ...VOTING,
};

/** Serves each model at `/<its name>`. @returns their names, which are those of the agents */
export function serveModels(agents: AgentServer): string[] {
  for (const [name, model] of Object.entries(MODELS)) {
    agents.on(`/${name}`, (call, response, count) => {
      const { context, input = {} } = call.body;
      const down = (context["down"] ?? []) as string[];
      if (down.includes(name)) return failsWith(503, { detail: `${name} is down` })(call, response, count);
      try {
        return answers(model(input, call.body))(call, response, count);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        return failsWith(422, { detail: error.message })(call, response, count);
      }
    });
  }
  return Object.keys(MODELS);
}
