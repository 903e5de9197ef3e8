// The Durable Object of one tenant's definitions: pipelines with their versions, agents' registrations, config. A
// thin shell over storage: what a change makes of a definition is decided in core/, here where no other writer can
// come in between. A pipeline that was deleted leaves its version behind, so that no version ever means two things.
import { DurableObject } from "cloudflare:workers";
import type { CatalogRpc, CatalogSnapshot, Precondition, Written } from "../adapters/objects/catalog-api.ts";
import type { Standing, TenantHealth } from "../adapters/embedded/agent-health.ts";
import type { Env } from "../compose.ts";
import type { AgentRegistration, RegisteredAgent } from "../contract/agent.ts";
import type { CoordinatorConfig } from "../contract/config.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Pipeline } from "../contract/pipeline.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import { patchConfig } from "../core/config.ts";
import { changedStages, type PipelineChange } from "../core/pipeline/edit.ts";
import { RAG } from "../pipelines/rag.ts";

const PIPELINE = "pipeline/";
const AGENT = "agent/";
const CONFIG = "config";
const HEALTH = "health/";
/** The last generation that was given to a registration: it outlives the agents, so that none is given twice. */
const GENERATION = "generation";

/** A pipeline as it is stored; without stages it is deleted. */
type Stored = Pipeline | { name: string; version: number; stages: null };

/** What stands in every tenant's catalog from the start. */
const BUILT_IN: readonly Pipeline[] = [{ name: "rag", version: 1, ...RAG }];

export class CatalogObject extends DurableObject<Env> implements CatalogRpc {
  private known: Map<string, Standing> | null = null;

  async snapshot(): Promise<CatalogSnapshot> {
    return this.all();
  }

  async changePipeline(
    name: string,
    change: PipelineChange,
    condition: Precondition,
  ): Promise<Written<Result<{ created: boolean }>>> {
    const stored = this.stored(name);
    const stages = stored?.stages ?? null;
    const refusal = refusalOf(name, stages === null ? 0 : (stored?.version ?? 0), condition);
    if (refusal !== null) return this.wrote(err(refusal));
    const changed = changedStages(name, stages, change);
    if (!changed.ok) return this.wrote(changed);
    this.put({ name, version: (stored?.version ?? 0) + 1, stages: changed.value });
    return this.wrote(ok({ created: stages === null }));
  }

  async deletePipeline(name: string, condition: Precondition): Promise<Written<Result<null>>> {
    const stored = this.stored(name);
    if (stored === undefined || stored.stages === null) {
      return this.wrote(err({ code: "PIPELINE_NOT_FOUND", pipeline: name }));
    }
    const refusal = refusalOf(name, stored.version, condition);
    if (refusal !== null) return this.wrote(err(refusal));
    this.put({ name, version: stored.version, stages: null });
    return this.wrote(ok(null));
  }

  async setAgent(agent_type: string, registration: AgentRegistration | null): Promise<Written<null>> {
    const { kv } = this.ctx.storage;
    let stored: RegisteredAgent | null = registration;
    if (registration !== null) {
      const generation = (kv.get<number>(GENERATION) ?? 0) + 1;
      kv.put(GENERATION, generation);
      stored = { ...registration, generation };
    }
    kv.put(`${AGENT}${agent_type}`, stored);
    return this.wrote(null);
  }

  async patchConfig(patch: JsonObject, environment: CoordinatorConfig): Promise<Written<Result<null>>> {
    const patched = patchConfig(environment, this.config(), patch);
    if (!patched.ok) return this.wrote(err({ code: "INVALID_REQUEST", errors: patched.error }));
    this.ctx.storage.kv.put(CONFIG, patched.value);
    return this.wrote(ok(null));
  }

  async health(): Promise<TenantHealth> {
    return { at: Date.now(), agents: Object.fromEntries(this.standing()) };
  }

  async noteHealth(agent_type: string, standing: Standing): Promise<void> {
    const known = this.standing();
    const before = known.get(agent_type);
    if (before !== undefined && before.changed_at > standing.changed_at) return;
    const { kv } = this.ctx.storage;
    if (standing.state === "closed" && standing.failures === 0) known.delete(agent_type);
    else known.set(agent_type, standing);
    // Failures that stand may be forgotten with this object, a breaker that is not closed may not.
    if (standing.state !== "closed") kv.put(`${HEALTH}${agent_type}`, standing);
    else if (before !== undefined && before.state !== "closed") kv.delete(`${HEALTH}${agent_type}`);
  }

  private standing(): Map<string, Standing> {
    this.known ??= new Map(
      Array.from(this.ctx.storage.kv.list<Standing>({ prefix: HEALTH }), ([key, standing]) => [
        key.slice(HEALTH.length),
        standing,
      ]),
    );
    return this.known;
  }

  private wrote<T>(outcome: T): Written<T> {
    return { outcome, snapshot: this.all() };
  }

  private all(): CatalogSnapshot {
    const { kv } = this.ctx.storage;
    const stored = new Map<string, Stored>(BUILT_IN.map((pipeline) => [pipeline.name, pipeline]));
    for (const [, pipeline] of kv.list<Stored>({ prefix: PIPELINE })) stored.set(pipeline.name, pipeline);
    const pipelines = [...stored.values()].filter((pipeline) => pipeline.stages !== null);
    const agents = Array.from(kv.list<RegisteredAgent | null>({ prefix: AGENT }), ([key, agent]) => [
      key.slice(AGENT.length),
      agent,
    ]);
    return {
      pipelines: Object.fromEntries(pipelines.map((pipeline) => [pipeline.name, pipeline])),
      agents: Object.fromEntries(agents),
      config: this.config(),
      health: { at: Date.now(), agents: Object.fromEntries(this.standing()) },
    };
  }

  private stored(name: string): Stored | undefined {
    const stored = this.ctx.storage.kv.get<Stored>(`${PIPELINE}${name}`);
    return stored ?? BUILT_IN.find((pipeline) => pipeline.name === name);
  }

  private put(pipeline: Stored): void {
    this.ctx.storage.kv.put(`${PIPELINE}${pipeline.name}`, pipeline);
  }

  private config(): JsonObject {
    return this.ctx.storage.kv.get<JsonObject>(CONFIG) ?? {};
  }
}

/** @param version of the pipeline as it stands; 0 where there is none */
function refusalOf(name: string, version: number, condition: Precondition): CoordinatorError | null {
  const holds = condition === null || (condition === "exists" ? version > 0 : version === condition);
  return holds ? null : { code: "PRECONDITION_FAILED", resource: `the pipeline ${name}` };
}
