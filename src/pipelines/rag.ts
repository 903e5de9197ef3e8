// The specification's pipeline as a value: rewrite the query, decide whether context is needed, retrieve sources,
// generate the answer. It stands in every tenant's catalog from the start.
import type { PipelineDefinition } from "../contract/pipeline.ts";
import { PipelineDefinition as Schema } from "../contract/pipeline.ts";

export const RAG: PipelineDefinition = Schema.parse({
  stages: [
    { name: "query_rewriter", agent_type: "query_rewriter", parallel: true, timeout_seconds: 10 },
    { name: "context_decision", agent_type: "context_decision", parallel: true, timeout_seconds: 10 },
    {
      name: "source_retrieval",
      agent_type: "source_retrieval",
      depends_on: ["query_rewriter", "context_decision"],
      // Only a clear no skips the sources: a decision that is missing or says nothing does not.
      when: "results.?context_decision.?needs_retrieval.orValue(true) != false",
      timeout_seconds: 30,
    },
    {
      name: "answer_generation",
      agent_type: "answer_generation",
      depends_on: ["query_rewriter", "context_decision", "source_retrieval"],
      timeout_seconds: 120,
    },
  ],
});

/** The agents that the pipeline names; where the binding AGENTS exists they stand registered from the start. */
export const REFERENCE_AGENTS: readonly string[] = RAG.stages.map((stage) => stage.agent_type);
