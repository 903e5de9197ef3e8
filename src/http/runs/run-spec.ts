// Plans a run: builds its RunSpec from a request, with the definition, the config and the agents as the catalog has them
// now, pinned.
import type { CatalogSnapshot } from "../../engine/worker-ports.ts";
import type { Services } from "../../compose.ts";
import type { Settings } from "../../settings.ts";
import type { RegisteredAgent } from "../../contract/agent.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { ExecutionRequest, StageExecutionRequest } from "../../contract/requests.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { PipelineStage, ResolvedStage, StageOverride } from "../../contract/stage.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import type { QueuePlace } from "../../core/execution/command.ts";
import { runConfig } from "../../core/execution/run-config.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { shardsAt } from "../../core/monitoring/shards.ts";
import { readTraceparent, rootTraceparent } from "../../core/monitoring/tracing/trace-context.ts";
import { leftOut, planAlone, planStages } from "../../core/pipeline/plan.ts";
import { agentTypesOf } from "../../core/resilience/fallback.ts";
import { REFERENCE_AGENTS } from "../../pipelines/rag.ts";
import type { Call } from "../context.ts";
import { bypassesCache } from "../request/negotiate.ts";
import { BegunRun, type EnteredRun, type Plan, type RunContext, type RunRequest } from "./begun-run.ts";
import type { Identity } from "./identify.ts";
import { nestedPipelines, withNested } from "./nested-pipelines.ts";
import { withinBudgets } from "./within-budgets.ts";

/** A run that is to start now, or to wait in the queue of its conversation. */
export interface PlannedRun {
  spec: RunSpec;
  queued?: QueuePlace;
}

/** @param watched a caller follows the run from its start */
export function runContext({ req, var: { tenant } }: Call, identity: Identity, watched: boolean): RunContext {
  return {
    tenant,
    identity,
    watched,
    traceparent: req.header("traceparent") ?? null,
    origin: new URL(req.url).origin,
    no_cache: bypassesCache(req.header("cache-control") ?? null),
  };
}

/** Everything a pipeline's run is pinned to, or why it cannot be run. */
export async function planRun(
  services: Services,
  request: ExecutionRequest & RunRequest,
  context: RunContext,
): Promise<Result<PlannedRun>> {
  const { settings, catalogs } = services;
  const wanted = request.pipeline_version ?? 0;
  const planOn = (catalog: CatalogSnapshot): Result<Plan> => {
    const pipeline = pipelineOf(catalog, request.pipeline, wanted);
    if (!pipeline.ok) return pipeline;
    const config = configOf(settings, catalog);
    const stages = stagesOf(pipeline.value, request.pipeline_config, config);
    if (!stages.ok) return stages;
    const { name, version, budget } = pipeline.value;
    const nested = nestedPipelines(catalog, name, stages.value, (inner) => stagesOf(inner, {}, config));
    if (!nested.ok) return nested;
    const on_busy = request.on_busy ?? config.on_busy;
    return ok({
      ...(on_busy === "parallel" ? {} : { on_busy }),
      catalog,
      config,
      pipeline: name,
      pipeline_version: version,
      budget,
      stages: stages.value,
      ...nested.value,
    });
  };
  const begun = new BegunRun(services, request, context);
  const reading = catalogs.readFor(context.tenant, request.pipeline);
  begun.expect(catalogs.last(context.tenant), planOn);
  let catalog = await reading;
  // It may have just been written or created elsewhere: the isolate's copy may be stale.
  if ((catalog.pipelines[request.pipeline]?.version ?? 0) < Math.max(1, wanted)) {
    catalog = await catalogs.readFor(context.tenant, request.pipeline, 0);
  }
  const found = catalog.pipelines[request.pipeline];
  // An override may name another pipeline.
  const named = [...(found?.stages ?? []), ...Object.values(request.pipeline_config)];
  catalog = await withNested(catalogs, context.tenant, catalog, named as PipelineStage[]);
  const plan = planOn(catalog);
  if (!plan.ok) return begun.refuse(plan);
  const within = await withinBudgets(services, plan.value, request.tags, context);
  if (!within.ok) return begun.refuse(within);
  const kept = {
    context: request.context,
    inputs: {},
    ...leavingOut(leftOut(request.pipeline_config)),
    on_disconnect: request.on_disconnect,
  };
  const entered = await begun.enter(plan.value);
  if (!entered.ok) return entered;
  const { spec, queued } = entered.value;
  return ok({ ...(queued && { queued }), spec: pin(plan.value, kept, spec, request, context, settings) });
}

/** The RunSpec of a single-stage run: a pipeline of that stage, with its inputs. */
export async function planStage(
  services: Services,
  request: StageExecutionRequest,
  context: RunContext,
): Promise<Result<PlannedRun>> {
  const { settings, catalogs } = services;
  const { stage, inputs } = request;
  const planOn = (catalog: CatalogSnapshot): Result<Plan> => {
    const config = configOf(settings, catalog);
    // Its dependencies are not run here: `inputs` replace their results.
    const stages = planAlone(stage, Object.keys(inputs), config);
    if (!stages.ok) return stages;
    const nested = nestedPipelines(catalog, null, stages.value, (inner) => stagesOf(inner, {}, config));
    if (!nested.ok) return nested;
    const plan = { catalog, config, pipeline: stage.name, pipeline_version: 0, stages: stages.value };
    return ok({ ...plan, ...nested.value });
  };
  const begun = new BegunRun(services, request, context);
  const reading = catalogs.read(context.tenant);
  begun.expect(catalogs.last(context.tenant), planOn);
  const plan = planOn(await withNested(catalogs, context.tenant, await reading, [stage]));
  if (!plan.ok) return begun.refuse(plan);
  const within = await withinBudgets(services, plan.value, undefined, context);
  if (!within.ok) return begun.refuse(within);
  const kept = {
    context: request.context,
    inputs,
    ...leavingOut(stage.depends_on.filter((name) => !Object.hasOwn(inputs, name))),
    on_disconnect: "continue" as const,
  };
  return ok({ spec: pin(plan.value, kept, await begun.history(plan.value), request, context, settings) });
}

/** A field of the spec, where there is something to say. */
export function leavingOut(left_out: string[]): Pick<RunSpec, "left_out"> {
  return left_out.length === 0 ? {} : { left_out };
}

/** Configs and plans of the catalogs that the isolate remembers: most runs begin as the one before did. */
const configs = new WeakMap<CatalogSnapshot, CoordinatorConfig>();
const plans = new WeakMap<object, { config: CoordinatorConfig; stages: Result<ResolvedStage[]> }>();

export function configOf(settings: Settings, catalog: CatalogSnapshot): CoordinatorConfig {
  const known = configs.get(catalog);
  if (known !== undefined) return known;
  const config = effectiveConfig(settings.config, catalog.config);
  configs.set(catalog, config);
  return config;
}

export function stagesOf(
  pipeline: Pick<Pipeline, "stages">,
  overrides: Readonly<Record<string, StageOverride>>,
  config: CoordinatorConfig,
): Result<ResolvedStage[]> {
  if (Object.keys(overrides).length > 0) return planStages(pipeline.stages, overrides, config);
  const known = plans.get(pipeline);
  if (known?.config === config) return known.stages;
  const stages = planStages(pipeline.stages, {}, config);
  plans.set(pipeline, { config, stages });
  return stages;
}

/** The body and the headers may both ask for a run that bypasses the result cache. */
function bypassOf(
  { cache }: Pick<ExecutionRequest, "cache">,
  { no_cache }: RunContext,
): Pick<RunSpec, "bypass_cache"> {
  return cache === "bypass" || no_cache ? { bypass_cache: true } : {};
}

/** What it may spend and how it is labelled and ranked, as far as there is something to say. */
function boundsOf(
  { budget, priority = 0, tags = {} }: Pick<RunRequest, "budget" | "priority" | "tags">,
  plan: Pick<Plan, "budget">,
): Pick<RunSpec, "budget" | "priority" | "tags"> {
  const own = budget ?? plan.budget;
  return {
    ...(own === undefined ? {} : { budget: own }),
    ...(priority === 0 ? {} : { priority }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

/** Where agents reach the coordinator, in a run that lets one of them answer later. */
function originOf(
  stages: readonly ResolvedStage[],
  { origin }: RunContext,
  { publicOrigin }: Settings,
): Pick<RunSpec, "origin"> {
  const isCalledBack = stages.some((stage) => stage.callback_timeout_seconds !== undefined);
  return isCalledBack ? { origin: publicOrigin ?? origin } : {};
}

export function pin(
  plan: Plan,
  kept: Pick<RunSpec, "context" | "inputs" | "left_out" | "on_disconnect">,
  begun: EnteredRun["spec"],
  request: RunRequest,
  context: RunContext,
  settings: Settings,
): RunSpec {
  const { catalog, config, pipeline, pipeline_version, stages, pipelines } = plan;
  // Its executions are pinned to what is pinned here.
  const all = [...stages, ...Object.values(pipelines ?? {}).flatMap((inner) => inner.stages)];
  const persisted = config.enable_context_persistence && config.context_storage_backend === "durable_object";
  return {
    execution_id: context.identity.execution_id,
    query: request.query,
    conversation_id: request.conversation_id,
    pipeline,
    pipeline_version,
    stages,
    ...kept,
    ...begun,
    ...bypassOf(request, context),
    ...boundsOf(request, plan),
    ...(request.rests_alone === undefined ? {} : { rests_alone: request.rests_alone }),
    ...(request.history === undefined ? {} : { no_turn: true as const, keeps_history: true as const }),
    ...originOf(all, context, settings),
    ...(pipelines === undefined ? {} : { pipelines }),
    tenant: context.tenant,
    ...(request.tags === undefined ? {} : { tags: request.tags }),
    watched: context.watched,
    config: runConfig(config, all, {
      pipelines: [pipeline, ...Object.keys(pipelines ?? {})],
      tags: request.tags,
    }),
    agents: Object.fromEntries(
      agentTypesOf(all, config).map((agent_type) => [
        agent_type,
        registrationOf(catalog, settings, agent_type),
      ]),
    ),
    digest: context.identity.digest,
    traceparent:
      readTraceparent(context.traceparent) ??
      rootTraceparent(crypto.getRandomValues(new Uint8Array(16)), context.identity.execution_id),
    storage: persisted ? "durable_object" : "memory",
    cache_shards: shardsAt(catalog.shards.cache, context.identity.at),
  };
}

/** The effective registration: the tenant's own, else the reference agent of that name where they are bound. */
export function registrationOf(
  catalog: CatalogSnapshot,
  settings: Settings,
  agent_type: string,
): RegisteredAgent | null {
  // By own keys only: `toString` is a name like any other.
  if (Object.hasOwn(catalog.agents, agent_type)) return catalog.agents[agent_type] ?? null;
  if (!settings.hasReferenceAgents || !REFERENCE_AGENTS.includes(agent_type)) return null;
  return { binding: "AGENTS", path: `/${agent_type}`, protocol: "native" };
}

export function pipelineOf(catalog: CatalogSnapshot, name: string, wanted: number): Result<Pipeline> {
  const pipeline = Object.hasOwn(catalog.pipelines, name) ? catalog.pipelines[name] : undefined;
  if (pipeline === undefined) return err({ code: "PIPELINE_NOT_FOUND", pipeline: name });
  if (pipeline.version >= wanted) return ok(pipeline);
  return err({ code: "PIPELINE_NOT_FOUND", pipeline: name, version: { wanted, latest: pipeline.version } });
}
