// The Durable Object of one tenant's definitions: pipelines with their versions, agents' registrations, config. A
// thin shell over storage: core/ decides a change; it is applied here, where no other writer can come in between. A
// deleted pipeline keeps its version number, so that versions are never reused. Isolates hold an outline of it
// (core/config/catalog-outline.ts) and read large definitions by name.
import type { CatalogRpc, CatalogText, Precondition, WrittenText } from "../engine/worker-ports.ts";
import { DurableObject } from "cloudflare:workers";
import { type BreakerSnapshot, isWell, type TenantHealth } from "../core/resilience/breaker.ts";
import type { Env } from "../settings.ts";
import { AgentRegistration, type RegisteredAgent } from "../contract/agent.ts";
import type { CoordinatorConfig } from "../contract/config.ts";
import { withDefaults } from "../contract/defaults.ts";
import type { JsonObject } from "../contract/json.ts";
import { Pipeline } from "../contract/pipeline.ts";
import { type CoordinatorError, err, ok, type Result } from "../contract/problem.ts";
import { boundsFault, type Definitions } from "../core/config/catalog-bounds.ts";
import { outlineOf } from "../core/config/catalog-outline.ts";
import { effectiveConfig, patchConfig } from "../core/config/config.ts";
import type { ShardKind } from "../core/monitoring/shards.ts";
import { changedFields, changedStages, type PipelineChange } from "../core/pipeline/edit.ts";
import { nestingFaults } from "../core/pipeline/nesting.ts";
import { definitionError } from "../core/pipeline/plan.ts";
import { RAG, REFERENCE_AGENTS } from "../pipelines/rag.ts";
import { CatalogShards } from "./catalog-shards.ts";

const PIPELINE = "pipeline/";
const AGENT = "agent/";
const CONFIG = "config";
const HEALTH = "health/";
/** The last generation that was given to a registration: it outlives the agents, so that none is given twice. */
const GENERATION = "generation";

/** A pipeline as it is stored; without stages it is deleted. */
type Stored =
  | Pipeline
  | { name: string; version: number; stages: null; description?: undefined; budget?: undefined };

/** The preset definitions of every tenant's catalog. */
const BUILT_IN: readonly Pipeline[] = [{ name: "rag", version: 1, ...RAG }];

/** The definitions as they are now; `revision` names them for as long as this instance lives. */
interface Current {
  definitions: Definitions;
  /** Their outline. */
  json: string;
  revision: string;
}

export class CatalogObject extends DurableObject<Env> implements CatalogRpc {
  private known: Map<string, BreakerSnapshot> | null = null;
  private read: Current | null = null;
  /** Distinguishes the revisions of one instance from those of another. */
  private readonly instance = crypto.randomUUID();
  private revisions = 0;
  private readonly shards: CatalogShards;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.shards = new CatalogShards(ctx.storage.kv, env.LEDGER, ctx.id.name ?? "");
  }

  async snapshot(revision: string | null): Promise<CatalogText> {
    await this.shards.settle();
    const current = this.current();
    return this.textOf(current, revision === current.revision ? null : current.json);
  }

  async pipeline(name: string): Promise<string | null> {
    const stored = this.stored(name);
    return stored === undefined || stored.stages === null ? null : JSON.stringify(stored);
  }

  async pipelines(): Promise<string> {
    await this.shards.settle();
    return JSON.stringify(this.current().definitions.pipelines);
  }

  async changePipeline(
    name: string,
    change: PipelineChange,
    condition: Precondition,
    environment: CoordinatorConfig,
  ): Promise<WrittenText<Result<{ created: boolean; pipeline: Pipeline }>>> {
    await this.shards.settle();
    const stored = this.stored(name);
    const stages = stored?.stages ?? null;
    const refusal = refusalOf(name, stages === null ? 0 : (stored?.version ?? 0), condition);
    if (refusal !== null) return this.answer(err(refusal));
    const { definitions } = this.current();
    const { max_retry_attempts } = effectiveConfig(environment, definitions.config);
    const changed = changedStages(name, stages, change, max_retry_attempts);
    if (!changed.ok) return this.answer(changed);
    const version = (stored?.version ?? 0) + 1;
    const pipeline = { name, version, ...changedFields(change, stored), stages: changed.value };
    const after = { ...definitions, pipelines: { ...definitions.pipelines, [name]: pipeline } };
    const nested = nestingFaults(name, after.pipelines);
    if (nested.length > 0) return this.answer(err(definitionError(nested)));
    return this.write(after, { created: stages === null, pipeline }, () => this.put(pipeline));
  }

  async deletePipeline(name: string, condition: Precondition): Promise<WrittenText<Result<null>>> {
    await this.shards.settle();
    const stored = this.stored(name);
    if (stored === undefined || stored.stages === null) {
      return this.answer(err({ code: "PIPELINE_NOT_FOUND", pipeline: name }));
    }
    const refusal = refusalOf(name, stored.version, condition);
    if (refusal !== null) return this.answer(err(refusal));
    const { definitions } = this.current();
    const { [name]: _, ...pipelines } = definitions.pipelines;
    const gone = { name, version: stored.version, stages: null };
    return this.write({ ...definitions, pipelines }, null, () => this.put(gone));
  }

  async setAgent(
    agent_type: string,
    registration: AgentRegistration | null,
  ): Promise<WrittenText<Result<null>>> {
    await this.shards.settle();
    const { kv } = this.ctx.storage;
    const { definitions } = this.current();
    const { [agent_type]: _, ...agents } = definitions.agents;
    const generation = (kv.get<number>(GENERATION) ?? 0) + 1;
    const stored: RegisteredAgent | null = registration === null ? null : { ...registration, generation };
    const isKept = stored !== null || REFERENCE_AGENTS.includes(agent_type);
    const after = { ...definitions, agents: isKept ? { ...agents, [agent_type]: stored } : agents };
    return this.write(after, null, () => {
      if (stored !== null) kv.put(GENERATION, generation);
      if (isKept) kv.put(`${AGENT}${agent_type}`, stored);
      else kv.delete(`${AGENT}${agent_type}`);
      if (stored === null) this.forgetHealth(agent_type);
    });
  }

  async patchConfig(patch: JsonObject, environment: CoordinatorConfig): Promise<WrittenText<Result<null>>> {
    await this.shards.settle();
    const { definitions } = this.current();
    const patched = patchConfig(environment, definitions.config, patch);
    if (!patched.ok) return this.answer(err({ code: "INVALID_REQUEST", errors: patched.error }));
    const after = { ...definitions, config: patched.value };
    return this.write(after, null, () => this.ctx.storage.kv.put(CONFIG, patched.value));
  }

  async health(): Promise<TenantHealth> {
    return this.healthNow();
  }

  async noteHealth(agent_type: string, breakers: BreakerSnapshot): Promise<void> {
    // A run goes on with an agent that is not registered any more.
    if (!this.isRegistered(agent_type)) return;
    const known = this.breakers();
    const before = known.get(agent_type);
    if (before !== undefined && before.changed_at > breakers.changed_at) return;
    const { kv } = this.ctx.storage;
    if (isWell(breakers, Date.now())) known.delete(agent_type);
    else known.set(agent_type, breakers);
    // Recorded failures may be lost with this object, a breaker that is not closed may not.
    if (breakers.state !== "closed") kv.put(`${HEALTH}${agent_type}`, breakers);
    else if (before !== undefined && before.state !== "closed") kv.delete(`${HEALTH}${agent_type}`);
  }

  async split(kind: ShardKind, from: number, to: number): Promise<void> {
    await this.shards.settle();
    if (this.shards.split(kind, from, to, Date.now())) this.read = this.revised(this.current().definitions);
  }

  private healthNow(): TenantHealth {
    const at = Date.now();
    const known = this.breakers();
    for (const [agent_type, snapshot] of known) if (isWell(snapshot, at)) known.delete(agent_type);
    return { at, agents: Object.fromEntries(known) };
  }

  private breakers(): Map<string, BreakerSnapshot> {
    this.known ??= new Map(
      Array.from(this.ctx.storage.kv.list<BreakerSnapshot>({ prefix: HEALTH }), ([key, breakers]) => [
        key.slice(HEALTH.length),
        breakers,
      ]),
    );
    return this.known;
  }

  private forgetHealth(agent_type: string): void {
    this.breakers().delete(agent_type);
    this.ctx.storage.kv.delete(`${HEALTH}${agent_type}`);
  }

  private isRegistered(agent_type: string): boolean {
    const own = this.ctx.storage.kv.get<AgentRegistration | null>(`${AGENT}${agent_type}`);
    return own === undefined ? REFERENCE_AGENTS.includes(agent_type) : own !== null;
  }

  /** Makes a change, unless the definitions would be beyond their bounds. @param after what then is defined */
  private write<T>(after: Definitions, value: T, change: () => void): WrittenText<Result<T>> {
    const fault = boundsFault(this.current().definitions, after);
    if (fault !== null) return this.answer(err(fault));
    change();
    this.read = this.revised(after);
    return this.answer(ok(value));
  }

  private answer<T>(outcome: T): WrittenText<T> {
    const current = this.current();
    return { outcome, snapshot: this.textOf(current, current.json) };
  }

  private textOf({ revision }: Current, definitions: string | null): CatalogText {
    return { definitions, revision, health: this.healthNow() };
  }

  private current(): Current {
    this.read ??= this.revised(this.all());
    return this.read;
  }

  private revised(definitions: Definitions): Current {
    this.revisions += 1;
    const revision = `${this.instance}/${this.revisions}`;
    return { definitions, json: JSON.stringify(outlineOf(definitions, this.shards.known)), revision };
  }

  private all(): Definitions {
    const { kv } = this.ctx.storage;
    const stored = new Map<string, Stored>(BUILT_IN.map((pipeline) => [pipeline.name, pipeline]));
    for (const [, pipeline] of kv.list<Stored>({ prefix: PIPELINE }))
      stored.set(pipeline.name, upcast(pipeline));
    const pipelines = [...stored.values()].filter((pipeline) => pipeline.stages !== null);
    const agents = Array.from(
      kv.list<RegisteredAgent | null>({ prefix: AGENT }),
      ([key, agent]) =>
        [key.slice(AGENT.length), withDefaults(AgentRegistration, agent) as RegisteredAgent | null] as const,
    );
    return {
      pipelines: Object.fromEntries(pipelines.map((pipeline) => [pipeline.name, pipeline])),
      // Earlier versions stored a null for every removed agent.
      agents: Object.fromEntries(
        agents.filter(([agent_type, agent]) => agent !== null || REFERENCE_AGENTS.includes(agent_type)),
      ),
      config: kv.get<JsonObject>(CONFIG) ?? {},
    };
  }

  private stored(name: string): Stored | undefined {
    const stored = this.ctx.storage.kv.get<Stored>(`${PIPELINE}${name}`);
    if (stored !== undefined) return upcast(stored);
    return BUILT_IN.find((pipeline) => pipeline.name === name);
  }

  private put(pipeline: Stored): void {
    this.ctx.storage.kv.put(`${PIPELINE}${pipeline.name}`, pipeline);
  }
}

/** @param version of the current pipeline; 0 if there is none */
function refusalOf(name: string, version: number, condition: Precondition): CoordinatorError | null {
  const holds = condition === null || (condition === "exists" ? version > 0 : version === condition);
  return holds ? null : { code: "PRECONDITION_FAILED", resource: `the pipeline ${name}` };
}

/** A definition of an earlier version, with the default of what it did not have. */
function upcast(stored: Stored): Stored {
  return withDefaults(Pipeline, stored);
}
