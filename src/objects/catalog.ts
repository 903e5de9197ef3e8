// The Durable Object of one tenant's definitions: pipelines with their versions, agents' registrations, config. A
// thin shell over storage; what may be written is decided before it comes here.
import { DurableObject } from "cloudflare:workers";
import type { CatalogRpc, CatalogSnapshot } from "../adapters/objects/catalog-api.ts";
import type { Env } from "../compose.ts";
import type { AgentRegistration } from "../contract/agent.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Pipeline, PipelineDefinition } from "../contract/pipeline.ts";
import { RAG } from "../pipelines/rag.ts";

const PIPELINE = "pipeline/";
const AGENT = "agent/";
const CONFIG = "config";

export class CatalogObject extends DurableObject<Env> implements CatalogRpc {
  async snapshot(): Promise<CatalogSnapshot> {
    const { kv } = this.ctx.storage;
    const pipelines: Record<string, Pipeline> = { rag: { name: "rag", version: 1, ...RAG } };
    for (const [key, pipeline] of kv.list<Pipeline>({ prefix: PIPELINE })) {
      pipelines[key.slice(PIPELINE.length)] = pipeline;
    }
    const agents: Record<string, AgentRegistration | null> = {};
    for (const [key, agent] of kv.list<AgentRegistration>({ prefix: AGENT }))
      agents[key.slice(AGENT.length)] = agent;
    return { pipelines, agents, config: kv.get<JsonObject>(CONFIG) ?? {} };
  }

  async putPipeline(
    name: string,
    definition: PipelineDefinition,
  ): Promise<{ created: boolean; snapshot: CatalogSnapshot }> {
    const before = (await this.snapshot()).pipelines[name];
    const pipeline: Pipeline = { name, version: (before?.version ?? 0) + 1, stages: definition.stages };
    this.ctx.storage.kv.put(`${PIPELINE}${name}`, pipeline);
    return { created: before === undefined, snapshot: await this.snapshot() };
  }

  async putAgent(
    agent_type: string,
    registration: AgentRegistration,
  ): Promise<{ created: boolean; snapshot: CatalogSnapshot }> {
    const created = this.ctx.storage.kv.get(`${AGENT}${agent_type}`) === undefined;
    this.ctx.storage.kv.put(`${AGENT}${agent_type}`, registration);
    return { created, snapshot: await this.snapshot() };
  }
}
