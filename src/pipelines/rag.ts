// The specification's pipeline as a value: rewrite the query, decide whether context is needed, retrieve sources,
// generate the answer. It is in every tenant's catalog from the start.
//
// The specification lists the four stages one after another. Rewriting and deciding overlap here: both read the question
// and the history alone, so the run is shorter by the faster of them and its results are the same. A rewriter that fails
// is not missed: retrieval and generation then work with the question as it was asked.
import type { PipelineDefinition } from "../contract/pipeline.ts";
import type { PipelineStage } from "../contract/stage.ts";

/** A stage as its schema would make it: that costs an isolate's start 2 ms, for a value that never changes. */
function stage(name: string, fields: Partial<PipelineStage>): PipelineStage {
  return { name, agent_type: name, required: true, parallel: false, depends_on: [], config: {}, ...fields };
}

export const RAG: PipelineDefinition = {
  description: "Answers a question from a collection of documents, with citations.",
  stages: [
    stage("query_rewriting", {
      agent_type: "query_rewriter",
      required: false,
      parallel: true,
      timeout_seconds: 10,
    }),
    stage("context_decision", { parallel: true, timeout_seconds: 10 }),
    stage("source_retrieval", {
      depends_on: ["query_rewriting", "context_decision"],
      timeout_seconds: 30,
      // Only a clear no skips the sources: a decision that is missing or says nothing does not.
      when: "results.?context_decision.?needs_retrieval.orValue(true) != false",
    }),
    stage("answer_generation", {
      depends_on: ["query_rewriting", "context_decision", "source_retrieval"],
      timeout_seconds: 120,
    }),
  ],
};

/** The agents that the pipeline names; where the binding AGENTS exists they are registered from the start. */
export const REFERENCE_AGENTS: readonly string[] = RAG.stages.flatMap(({ agent_type }) => agent_type ?? []);
