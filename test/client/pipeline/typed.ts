// Agents and a pipeline of theirs, as the tests of typed definitions use them.
import * as z from "zod";
import { defineAgent } from "../../../src/agent-sdk/define-agent.ts";
import { agentOf, agentRef } from "../../../src/client/pipeline/agent-ref.ts";
import { pipeline } from "../../../src/client/pipeline/pipeline.ts";

export const search = defineAgent({
  config: z.object({
    max_results: z.number().default(5),
    strategy: z.enum(["keyword", "vector"]).optional(),
  }),
  inputs: z.object({ rewrite: z.object({ query: z.string() }).nullish() }),
  result: z.object({
    passages: z.array(z.object({ title: z.string(), score: z.number() })),
    best: z.object({ title: z.string() }).optional(),
    note: z.string().nullable(),
    total: z.number(),
  }),
  run: async () => ({ data: { passages: [], note: null, total: 0 } }),
});
export const searchAgent = agentOf<typeof search>("source_retrieval");
export const rewriter = agentRef<{ expand?: boolean }, { query: string; "more-words": string[] }>(
  "query_rewriter",
);
export const answerer = agentRef<{ model: string }, { answer: string; grounded: boolean }>(
  "answer_generation",
);

/** A rewriting, and a search that depends on it. */
export const searched = pipeline("p")
  .stage("rewrite", { agent: rewriter })
  .stage("search", {
    agent: searchAgent,
    depends_on: ["rewrite"],
  });

/** The stage that a definition ends with. */
export const last = (typed: { definition(): { stages: object[] } }) => typed.definition().stages.at(-1);
