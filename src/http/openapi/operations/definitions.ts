// Descriptions of the operations on pipelines, agents and the config.
import { AgentRegistration } from "../../../contract/agent.ts";
import { ConfigPatch, CoordinatorConfig } from "../../../contract/config.ts";
import { Agent, AgentList, PipelineList, Validation, WrittenPipeline } from "../../../contract/management.ts";
import { Pipeline, PipelineDefinition } from "../../../contract/pipeline.ts";
import { ValidationRequest } from "../../../contract/requests.ts";
import { PipelineStage } from "../../../contract/stage.ts";
import { type Answer, DEFINITION, DELETED, type Description } from "./description.ts";

const pipeline = (description: string): Answer => ({ description, schema: Pipeline, headers: ["ETag"] });
const written = (description: string): Answer => ({
  description,
  schema: WrittenPipeline,
  headers: ["ETag"],
});
const agent = (description: string): Answer => ({ description, schema: Agent });

export const PIPELINES = {
  list_pipelines: {
    summary: "List pipelines",
    answers: { 200: { description: "All pipelines, sorted by name", schema: PipelineList } },
    errors: [],
  },
  validate_pipeline_config: {
    summary: "Validate a definition and return its graph",
    body: { schema: ValidationRequest },
    answers: {
      200: {
        description: "The result of the validation, also for an invalid definition",
        schema: Validation,
      },
    },
    errors: [],
  },
  get_pipeline_config: {
    summary: "Get a pipeline with its effective values",
    headers: ["If-None-Match"],
    answers: { 200: pipeline("The pipeline"), 304: { description: "Not modified", headers: ["ETag"] } },
    errors: ["PIPELINE_NOT_FOUND"],
  },
  configure_pipeline: {
    summary: "Create or replace a pipeline",
    body: { schema: PipelineDefinition },
    headers: ["If-Match", "If-None-Match"],
    answers: { 200: written("Replaced"), 201: written("Created") },
    errors: ["PRECONDITION_FAILED", ...DEFINITION],
  },
  delete_pipeline: {
    summary: "Delete a pipeline; executions in flight keep their definition",
    headers: ["If-Match"],
    answers: { 204: DELETED },
    errors: ["PIPELINE_NOT_FOUND", "PRECONDITION_FAILED"],
  },
  add_stage: {
    summary: "Add a stage",
    body: { schema: PipelineStage },
    parameters: { before: "The stage to insert before; appended if absent" },
    headers: ["If-Match"],
    answers: { 201: written("The pipeline with the new stage") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
  remove_stage: {
    summary: "Remove a stage",
    headers: ["If-Match"],
    answers: { 200: written("The pipeline without the stage") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
} satisfies Record<string, Description>;

export const AGENTS = {
  list_agents: {
    summary: "List agents with their circuit breakers",
    answers: { 200: { description: "All agents, sorted by type", schema: AgentList } },
    errors: [],
  },
  get_agent: {
    summary: "Get an agent with its circuit breaker",
    answers: { 200: agent("The agent") },
    errors: ["AGENT_NOT_FOUND"],
  },
  register_agent: {
    summary: "Register an agent by URL or by service binding",
    body: { schema: AgentRegistration },
    answers: { 200: agent("Replaced"), 201: agent("Created") },
    errors: [],
  },
  remove_agent: {
    summary: "Delete an agent from the registry",
    answers: { 204: DELETED },
    errors: ["AGENT_NOT_FOUND"],
  },
} satisfies Record<string, Description>;

export const CONFIG = {
  get_config: {
    summary: "Get the effective config",
    answers: { 200: { description: "The config", schema: CoordinatorConfig } },
    errors: [],
  },
  update_config: {
    summary: "Update the config (JSON Merge Patch, RFC 7396); null restores a default",
    body: { schema: ConfigPatch },
    answers: { 200: { description: "The updated effective config", schema: CoordinatorConfig } },
    errors: [],
  },
} satisfies Record<string, Description>;
