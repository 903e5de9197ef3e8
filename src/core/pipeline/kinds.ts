// The kinds of stages: one that calls an agent, one that waits for an answer from outside, and one that runs a pipeline. Which fields a stage of
// each kind may have, and what is wrong with the question of one that waits.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { PipelineStage } from "../../contract/stage.ts";
import { dataFaults } from "../schemas/data-faults.ts";
import { schemaFaults } from "../schemas/schema-faults.ts";

/** What only the call of an agent uses. */
const OF_AGENTS = [
  "agent_type",
  "cache",
  "hedge_after_ms",
  "idle_timeout_seconds",
  "callback_timeout_seconds",
  "heartbeat_seconds",
  "input",
  "on_input_required",
  "input_timeout_seconds",
  "retry_attempts",
] as const satisfies readonly (keyof PipelineStage)[];

/** What only a stage that runs a pipeline uses. */
const OF_PIPELINES = ["pipeline", "query", "context"] as const satisfies readonly (keyof PipelineStage)[];

/** What a stage that calls an agent and one that runs a pipeline use. */
const OF_CALLS = [
  "timeout_seconds",
  "output_schema",
  "map",
  "repeat",
] as const satisfies readonly (keyof PipelineStage)[];

type Invalid = (field: string, message: string) => DefinitionError;

/** What is wrong with a stage as one of its kind. @param at its place in the definition */
export function kindFaults(stage: PipelineStage, at: number): DefinitionError[] {
  const invalid: Invalid = (field, message) => ({
    code: "INVALID_PIPELINE_CONFIG",
    message,
    stage: stage.name,
    pointer: field === "" ? `/stages/${at}` : `/stages/${at}/${field}`,
  });
  const kinds = (["agent_type", "wait", "pipeline"] as const).filter((kind) => stage[kind] !== undefined);
  const [kind, other] = kinds;
  if (kind === undefined) {
    return [invalid("", "has none of agent_type, wait and pipeline: a stage has exactly one of them")];
  }
  if (other !== undefined) {
    return [invalid(kind, `has both ${kind} and ${other}: a stage has exactly one of them`)];
  }
  if (kind === "agent_type") return agentFaults(stage, invalid);
  return kind === "wait" ? waitFaults(stage, invalid) : pipelineFaults(stage, invalid);
}

function agentFaults(stage: PipelineStage, invalid: Invalid): DefinitionError[] {
  const faults = [
    ...foreign(stage, OF_PIPELINES, "a stage that runs a pipeline, and this one calls an agent", invalid),
    ...outputFaults(stage, invalid),
  ];
  if (stage.map !== undefined && stage.on_input_required === "wait") {
    const message =
      "the agent of a stage with map cannot ask a person: nothing says which item an answer is for";
    faults.push(invalid("on_input_required", message));
  }
  if (stage.input_timeout_seconds !== undefined && stage.on_input_required !== "wait") {
    const message = 'input_timeout_seconds is for an agent that may ask, and needs on_input_required "wait"';
    faults.push(invalid("input_timeout_seconds", message));
  }
  if (stage.heartbeat_seconds !== undefined && stage.callback_timeout_seconds === undefined) {
    const message =
      "heartbeat_seconds is for an agent that answers later, and needs callback_timeout_seconds";
    faults.push(invalid("heartbeat_seconds", message));
  }
  return faults;
}

function pipelineFaults(stage: PipelineStage, invalid: Invalid): DefinitionError[] {
  return [
    ...foreign(
      stage,
      OF_AGENTS,
      "a stage that calls an agent, and this one runs a pipeline, which is given query and context",
      invalid,
    ),
    ...defaultOnly(stage, "runs a pipeline", invalid),
    ...outputFaults(stage, invalid),
  ];
}

function waitFaults(stage: PipelineStage, invalid: Invalid): DefinitionError[] {
  const faults = [
    ...foreign(
      stage,
      [...OF_AGENTS, ...OF_CALLS],
      "a stage that calls an agent, and this one waits",
      invalid,
    ),
    ...foreign(stage, OF_PIPELINES, "a stage that runs a pipeline, and this one waits", invalid),
    ...defaultOnly(stage, "waits", invalid),
  ];
  const { schema, on_timeout } = stage.wait ?? {};
  if (schema === undefined) return faults;
  const wrong = schemaFaults(schema);
  for (const { pointer, detail } of wrong) faults.push(invalid(`wait/schema${pointer}`, `schema: ${detail}`));
  if (typeof on_timeout === "object" && wrong.length === 0) {
    for (const { pointer, detail } of dataFaults(schema, on_timeout.data)) {
      faults.push(invalid(`wait/on_timeout/data${pointer}`, `on_timeout: its data ${detail}`));
    }
  }
  return faults;
}

/** Fields that are of another kind of stage. */
function foreign(
  stage: PipelineStage,
  fields: readonly (keyof PipelineStage)[],
  whose: string,
  invalid: Invalid,
): DefinitionError[] {
  return fields
    .filter((field) => stage[field] !== undefined)
    .map((field) => invalid(field, `${field} is for ${whose}`));
}

/** Other fallbacks are of agents. */
function defaultOnly({ fallback }: PipelineStage, what: string, invalid: Invalid): DefinitionError[] {
  const strategy = typeof fallback === "object" ? fallback.strategy : fallback;
  if (strategy === undefined || strategy === "use_default") return [];
  return [invalid("fallback", `a stage that ${what} can only fall back by use_default, not by ${strategy}`)];
}

/** What is wrong with the schema of a stage's data, and with the data that a fallback gives instead. */
function outputFaults(
  { output_schema, fallback }: PipelineStage,
  invalid: (field: string, message: string) => DefinitionError,
): DefinitionError[] {
  if (output_schema === undefined) return [];
  const wrong = schemaFaults(output_schema);
  if (wrong.length > 0) {
    return wrong.map(({ pointer, detail }) => invalid(`output_schema${pointer}`, `output_schema: ${detail}`));
  }
  if (typeof fallback !== "object" || fallback.strategy !== "use_default") return [];
  return dataFaults(output_schema, fallback.data).map(({ pointer, detail }) =>
    invalid(`fallback/data${pointer}`, `fallback: its data ${detail} (output_schema)`),
  );
}

/** Why stages cannot run without storage: what waits for the outside survives its object. */
export function memoryFaults(
  stages: readonly PipelineStage[],
  {
    context_storage_backend,
    enable_context_persistence,
  }: Pick<CoordinatorConfig, "context_storage_backend" | "enable_context_persistence">,
): DefinitionError[] {
  if (context_storage_backend !== "memory" && enable_context_persistence) return [];
  return stages.flatMap((stage, at): DefinitionError[] => {
    const field =
      stage.wait !== undefined
        ? "wait"
        : stage.callback_timeout_seconds !== undefined
          ? "callback_timeout_seconds"
          : stage.on_input_required === "wait"
            ? "on_input_required"
            : stage.pipeline !== undefined
              ? "pipeline"
              : null;
    if (field === null) return [];
    const needed = enable_context_persistence
      ? 'context_storage_backend "durable_object"'
      : "enable_context_persistence";
    const message = `${field} needs ${needed}: a run in memory does not outlive its object`;
    return [
      { code: "INVALID_PIPELINE_CONFIG", message, stage: stage.name, pointer: `/stages/${at}/${field}` },
    ];
  });
}
