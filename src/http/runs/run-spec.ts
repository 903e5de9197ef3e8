// Plans a run: builds its RunSpec from a request, with the definition, the config and the agents as the catalog has them
// now, pinned.
import type { CatalogSnapshot } from "../../engine/worker-ports.ts";
import type { Services } from "../../compose.ts";
import type { Settings } from "../../settings.ts";
import type { RegisteredAgent } from "../../contract/agent.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { ExecutionRequest, StageExecutionRequest } from "../../contract/requests.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { ResolvedStage, StageOverride } from "../../contract/stage.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import { runConfig } from "../../core/execution/run-config.ts";
import type { PublicSpec, RunSpec } from "../../core/execution/run-spec.ts";
import { readTraceparent, rootTraceparent } from "../../core/monitoring/tracing/trace-context.ts";
import { leftOut, planAlone, planStages } from "../../core/pipeline/plan.ts";
import { agentTypesOf } from "../../core/resilience/fallback.ts";
import { REFERENCE_AGENTS } from "../../pipelines/rag.ts";
import type { Call } from "../context.ts";
import { bypassesCache } from "../request/negotiate.ts";
import type { Naming } from "./identify.ts";

export interface RunContext {
  tenant: string;
  naming: Naming;
  watched: boolean;
  traceparent: string | null;
  /** The request's headers ask for new results. */
  no_cache: boolean;
}

/** @param watched a caller follows the run from its start */
export function runContext({ req, var: { tenant } }: Call, naming: Naming, watched: boolean): RunContext {
  return {
    tenant,
    naming,
    watched,
    traceparent: req.header("traceparent") ?? null,
    no_cache: bypassesCache(req.header("cache-control") ?? null),
  };
}

/** Everything a pipeline's run is pinned to, or why it cannot be run. */
export async function planRun(
  services: Services,
  request: ExecutionRequest,
  context: RunContext,
): Promise<Result<RunSpec>> {
  const { settings, catalogs } = services;
  const [read, history] = await Promise.all([
    catalogs.readFor(context.tenant, request.pipeline),
    historyOf(services, context.tenant, request.conversation_id),
  ]);
  let catalog = read;
  const wanted = request.pipeline_version ?? 0;
  // It may have just been written or created elsewhere: the isolate's copy may be stale.
  if ((catalog.pipelines[request.pipeline]?.version ?? 0) < Math.max(1, wanted)) {
    catalog = await catalogs.readFor(context.tenant, request.pipeline, 0);
  }
  const pipeline = pipelineOf(catalog, request.pipeline, wanted);
  if (!pipeline.ok) return pipeline;
  const config = configOf(settings, catalog);
  const stages = stagesOf(pipeline.value, request.pipeline_config, config);
  if (!stages.ok) return stages;
  const { query, conversation_id, on_disconnect, context: given } = request;
  const { name, version } = pipeline.value;
  const shown = { query, conversation_id, pipeline: name, pipeline_version: version, stages: stages.value };
  const kept = {
    context: given,
    inputs: {},
    ...leavingOut(leftOut(request.pipeline_config)),
    on_disconnect,
    history: remembered(history, config),
    ...bypassOf(request, context),
  };
  return ok(pin(shown, kept, context, catalog, settings, config));
}

/** The RunSpec of a single-stage run: a pipeline of that stage, with its inputs. */
export async function planStage(
  services: Services,
  request: StageExecutionRequest,
  context: RunContext,
): Promise<Result<RunSpec>> {
  const { settings, catalogs } = services;
  const [catalog, history] = await Promise.all([
    catalogs.read(context.tenant),
    historyOf(services, context.tenant, request.conversation_id),
  ]);
  const config = configOf(settings, catalog);
  // Its dependencies are not run here: `inputs` replace their results.
  const stages = planAlone(request.stage, Object.keys(request.inputs), config);
  if (!stages.ok) return stages;
  const { query, conversation_id, inputs, context: given, stage } = request;
  const shown = { query, conversation_id, pipeline: stage.name, pipeline_version: 0, stages: stages.value };
  const kept = {
    context: given,
    inputs,
    ...leavingOut(stage.depends_on.filter((name) => !Object.hasOwn(inputs, name))),
    on_disconnect: "continue" as const,
    history: remembered(history, config),
    ...bypassOf(request, context),
  };
  return ok(pin(shown, kept, context, catalog, settings, config));
}

/** A field of the spec, where there is something to say. */
function leavingOut(left_out: string[]): Pick<RunSpec, "left_out"> {
  return left_out.length === 0 ? {} : { left_out };
}

/** Configs and plans of the catalogs that the isolate remembers: most runs begin as the one before did. */
const configs = new WeakMap<CatalogSnapshot, CoordinatorConfig>();
const plans = new WeakMap<Pipeline, { config: CoordinatorConfig; stages: Result<ResolvedStage[]> }>();

function configOf(settings: Settings, catalog: CatalogSnapshot): CoordinatorConfig {
  const known = configs.get(catalog);
  if (known !== undefined) return known;
  const config = effectiveConfig(settings.config, catalog.config);
  configs.set(catalog, config);
  return config;
}

function stagesOf(
  pipeline: Pipeline,
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

/** The conversation's turns, read beside the catalog; none are asked for where the config is known to want none. */
async function historyOf(
  { catalogs, conversations, settings }: Services,
  tenant: string,
  conversation_id: string,
): Promise<ConversationTurn[]> {
  const known = catalogs.peek(tenant);
  const wanted = known === null ? LIMITS.HISTORY_TURNS : configOf(settings, known).context_memory_size;
  return conversations.history(tenant, conversation_id, wanted);
}

function remembered(
  history: ConversationTurn[],
  { context_memory_size }: CoordinatorConfig,
): ConversationTurn[] {
  return history.slice(Math.max(0, history.length - context_memory_size));
}

/** The body and the headers may both ask for a run that bypasses the result cache. */
function bypassOf(
  { cache }: Pick<ExecutionRequest, "cache">,
  { no_cache }: RunContext,
): Pick<RunSpec, "bypass_cache"> {
  return cache === "bypass" || no_cache ? { bypass_cache: true } : {};
}

function pin(
  shown: PublicSpec,
  kept: Pick<RunSpec, "context" | "inputs" | "left_out" | "on_disconnect" | "history" | "bypass_cache">,
  context: RunContext,
  catalog: CatalogSnapshot,
  settings: Settings,
  config: CoordinatorConfig,
): RunSpec {
  const persisted = config.enable_context_persistence && config.context_storage_backend === "durable_object";
  return {
    execution_id: context.naming.execution_id,
    ...shown,
    ...kept,
    tenant: context.tenant,
    watched: context.watched,
    config: runConfig(config, shown.stages),
    agents: Object.fromEntries(
      agentTypesOf(shown.stages, config).map((agent_type) => [
        agent_type,
        registrationOf(catalog, settings, agent_type),
      ]),
    ),
    digest: context.naming.digest,
    traceparent:
      readTraceparent(context.traceparent) ??
      rootTraceparent(crypto.getRandomValues(new Uint8Array(16)), context.naming.execution_id),
    storage: persisted ? "durable_object" : "memory",
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

function pipelineOf(catalog: CatalogSnapshot, name: string, wanted: number): Result<Pipeline> {
  const pipeline = Object.hasOwn(catalog.pipelines, name) ? catalog.pipelines[name] : undefined;
  if (pipeline === undefined) return err({ code: "PIPELINE_NOT_FOUND", pipeline: name });
  if (pipeline.version >= wanted) return ok(pipeline);
  return err({ code: "PIPELINE_NOT_FOUND", pipeline: name, version: { wanted, latest: pipeline.version } });
}
