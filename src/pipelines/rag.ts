// The specification's pipeline as a value: rewrite the query, decide whether context is needed, retrieve sources,
// generate the answer. It stands in every tenant's catalog from the start.
import type { PipelineDefinition } from "../contract/pipeline.ts";
import type { PipelineStage } from "../contract/stage.ts";

/** A stage as its schema would make it: that costs an isolate's start 2 ms, for a value that never changes. */
function stage(
  name: string,
  { parallel = false, depends_on = [], ...rest }: Partial<PipelineStage>,
): PipelineStage {
  return { name, agent_type: name, required: true, parallel, depends_on, config: {}, ...rest };
}

export const RAG: PipelineDefinition = {
  stages: [
    stage("query_rewriter", { parallel: true, timeout_seconds: 10 }),
    stage("context_decision", { parallel: true, timeout_seconds: 10 }),
    stage("source_retrieval", {
      depends_on: ["query_rewriter", "context_decision"],
      timeout_seconds: 30,
      // Only a clear no skips the sources: a decision that is missing or says nothing does not.
      when: "results.?context_decision.?needs_retrieval.orValue(true) != false",
    }),
    stage("answer_generation", {
      depends_on: ["query_rewriter", "context_decision", "source_retrieval"],
      timeout_seconds: 120,
    }),
  ],
};

/** The agents that the pipeline names; where the binding AGENTS exists they stand registered from the start. */
export const REFERENCE_AGENTS: readonly string[] = RAG.stages.map((stage) => stage.agent_type);
