// Of what is run, who does the work, and how: pipelines, agents, the config.
import { AgentRegistration } from "../../contract/agent.ts";
import { ConfigPatch, CoordinatorConfig } from "../../contract/config.ts";
import { Agent, AgentList, PipelineList, Validation, WrittenPipeline } from "../../contract/management.ts";
import { Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";
import { ValidationRequest } from "../../contract/requests.ts";
import { PipelineStage } from "../../contract/stage.ts";
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
    summary: "Every pipeline",
    answers: { 200: { description: "By name", schema: PipelineList } },
    errors: [],
  },
  validate_pipeline_config: {
    summary: "The faults of a definition at once, and its shape",
    body: { schema: ValidationRequest },
    answers: { 200: { description: "The verdict, also where it is no", schema: Validation } },
    errors: [],
  },
  get_pipeline_config: {
    summary: "A pipeline with the values that hold",
    headers: ["If-None-Match"],
    answers: { 200: pipeline("The pipeline"), 304: { description: "It has not changed", headers: ["ETag"] } },
    errors: ["PIPELINE_NOT_FOUND"],
  },
  configure_pipeline: {
    summary: "Write a whole definition",
    body: { schema: PipelineDefinition },
    headers: ["If-Match", "If-None-Match"],
    answers: { 200: written("Replaced"), 201: written("New") },
    errors: ["PRECONDITION_FAILED", ...DEFINITION],
  },
  delete_pipeline: {
    summary: "Take a pipeline away; runs under way keep theirs",
    headers: ["If-Match"],
    answers: { 204: DELETED },
    errors: ["PIPELINE_NOT_FOUND", "PRECONDITION_FAILED"],
  },
  add_stage: {
    summary: "One stage in",
    body: { schema: PipelineStage },
    parameters: { before: "The stage before which it goes; at the end where there is none" },
    headers: ["If-Match"],
    answers: { 201: written("The pipeline with it") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
  remove_stage: {
    summary: "One stage out",
    headers: ["If-Match"],
    answers: { 200: written("The pipeline without it") },
    errors: ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED", ...DEFINITION],
  },
} satisfies Record<string, Description>;

export const AGENTS = {
  list_agents: {
    summary: "Every agent with its breaker",
    answers: { 200: { description: "By type", schema: AgentList } },
    errors: [],
  },
  get_agent: {
    summary: "An agent with its breaker",
    answers: { 200: agent("The agent") },
    errors: ["AGENT_NOT_FOUND"],
  },
  register_agent: {
    summary: "Register an agent by URL or by service binding",
    body: { schema: AgentRegistration },
    answers: { 200: agent("Replaced"), 201: agent("New") },
    errors: [],
  },
  remove_agent: {
    summary: "Take an agent out of the registry",
    answers: { 204: DELETED },
    errors: ["AGENT_NOT_FOUND"],
  },
} satisfies Record<string, Description>;

export const CONFIG = {
  get_config: {
    summary: "The config that holds",
    answers: { 200: { description: "The config", schema: CoordinatorConfig } },
    errors: [],
  },
  update_config: {
    summary: "Change the config (RFC 7396); null gives a key its default back",
    body: { schema: ConfigPatch },
    answers: { 200: { description: "The config that then holds", schema: CoordinatorConfig } },
    errors: [],
  },
} satisfies Record<string, Description>;
