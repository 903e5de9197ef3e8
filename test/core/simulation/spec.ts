// Runs' specs for tests: a whole RunSpec from the few fields that a test cares for.
import { type CoordinatorConfig, DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import type { AgentStage, PipelineRunStage, ResolvedStage } from "../../../src/contract/stage.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";

export function makeStage(name: string, fields: Partial<AgentStage> = {}): AgentStage {
  return {
    name,
    agent_type: `agent_${name}`,
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
    timeout_seconds: 60,
    retry_attempts: 3,
    ...fields,
  };
}

/** A stage that runs a pipeline. */
export function makeRun(
  name: string,
  pipeline: string,
  fields: Partial<PipelineRunStage> = {},
): PipelineRunStage {
  return {
    name,
    pipeline,
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
    timeout_seconds: 300,
    retry_attempts: 1,
    ...fields,
  };
}

export function makeSpec(
  stages: readonly ResolvedStage[],
  config: Partial<CoordinatorConfig> = {},
  fields: Partial<RunSpec> = {},
): RunSpec {
  return {
    execution_id: "ex_test",
    query: "What are the benefits of renewable energy?",
    conversation_id: "c1",
    pipeline: "tested",
    pipeline_version: 1,
    stages: [...stages],
    tenant: "local",
    context: {},
    inputs: {},
    on_disconnect: "continue",
    watched: false,
    config: { ...DEFAULT_CONFIG, ...config },
    agents: Object.fromEntries(
      stages.flatMap(({ agent_type }) =>
        agent_type === undefined
          ? []
          : [[agent_type, { url: `https://agents.example/${agent_type}`, protocol: "native" as const }]],
      ),
    ),
    history: [],
    digest: null,
    traceparent: null,
    storage: "durable_object",
    ...fields,
  };
}
