// Plans a fork of an execution: which definition it runs, what of its source it takes over, and the RunSpec of the rest.
// The definition is the one that the source was pinned to, unless the request names a version; agents and config are
// those of now, so that what was mended since is used.
import type { Services } from "../../compose.ts";
import type { CoordinatorConfig } from "../../contract/config.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import type { ForkRequest } from "../../contract/requests.ts";
import type { ReplacedTurn } from "../../core/execution/run-spec.ts";
import type { ForkSource } from "../../core/forks/fork-source.ts";
import { nestedPipelines, withNested } from "./nested-pipelines.ts";
import { type ForkPlan, planFork } from "../../core/forks/plan-fork.ts";
import { reusedStages } from "../../core/forks/reused-stages.ts";
import { homeOf } from "../../core/monitoring/shards.ts";
import { leftOut, planStages } from "../../core/pipeline/plan.ts";
import { agentTypesOf } from "../../core/resilience/fallback.ts";
import { readForkSource } from "../../engine/object-protocol.ts";
import type { CatalogSnapshot } from "../../engine/worker-ports.ts";
import { BegunRun, type Plan, type RunContext } from "./begun-run.ts";
import {
  configOf,
  leavingOut,
  pin,
  type PlannedRun,
  pipelineOf,
  registrationOf,
  stagesOf,
} from "./run-spec.ts";
import { withinBudgets } from "./within-budgets.ts";

export interface PlannedFork {
  plan: ForkPlan;
  /** In the order of the definition. */
  stages: string[];
  /** What its run is pinned to; to be called once, where it is run. */
  begin: () => Promise<Result<PlannedRun>>;
}

/**
 * @param source_id the execution that it is a fork of
 * @param given the turns before it, where its caller keeps the conversation: it is no turn then
 */
export async function planForkOf(
  services: Services,
  source_id: string,
  request: ForkRequest,
  context: RunContext,
  given?: ConversationTurn[],
): Promise<Result<PlannedFork>> {
  const text = await services.executions.rpc(context.tenant, source_id).forkSource();
  if (!text.ok) return text;
  const source = await readForkSource(text.value);
  const planned = await definitionOf(services, source, request, context.tenant);
  if (!planned.ok) return planned;
  const begun = new BegunRun(
    services,
    { ...source.spec, query: request.query ?? source.spec.query },
    context,
  );
  const turn = request.replace_turn ? replacedBy(source, services.clock.now()) : null;
  const history =
    given === undefined
      ? await historyOf(services, source, planned.value, turn, context)
      : ok(given.slice(Math.max(0, given.length - planned.value.config.context_memory_size)));
  if (!history.ok) return history;
  const { config, stages, catalog, pipelines } = planned.value;
  const within = Object.values(pipelines ?? {}).flatMap((inner) => inner.stages);
  const target = {
    stages,
    config,
    agents: Object.fromEntries(
      agentTypesOf([...stages, ...within], config).map((type) => [
        type,
        registrationOf(catalog, services.settings, type),
      ]),
    ),
    query: request.query ?? source.spec.query,
    context: request.context ?? source.spec.context,
    history: history.value,
    inputs: source.spec.inputs,
    left_out: planned.value.left_out,
    ...(pipelines === undefined ? {} : { pipelines }),
  };
  const plan = planFork(source, target, request);
  if (!plan.ok) return plan;
  const tags = request.tags ?? source.spec.tags;
  const begin = async (): Promise<Result<PlannedRun>> => {
    const within = await withinBudgets(services, planned.value, tags, context);
    if (!within.ok) return begun.refuse(within);
    const entered = await begun.enter(planned.value);
    if (!entered.ok) return entered;
    const { spec: admitted, queued } = entered.value;
    // One that was queued had read no history yet.
    const isGiven = source.status !== "queued" || turn !== null || given !== undefined;
    const own = isGiven ? history.value : admitted.history;
    const kept = {
      context: target.context,
      inputs: target.inputs,
      ...leavingOut(target.left_out),
      on_disconnect: request.on_disconnect,
    };
    const { conversation_id } = source.spec;
    // A stage that is to be run again is not to be answered by what the cache has of it.
    const isAnew = plan.value.rerun.some(({ reason }) => reason === "from");
    const { budget, priority } = source.spec;
    const asked = {
      query: target.query,
      conversation_id,
      cache: isAnew ? ("bypass" as const) : undefined,
      budget,
      priority,
      tags,
    };
    const spec = pin(planned.value, kept, { ...admitted, history: own }, asked, context, services.settings);
    const forked: PlannedRun["spec"] = {
      ...spec,
      forked_from: { execution_id: source_id, seq: source.seq },
      reused: reusedStages(source, plan.value),
      ...(isGiven ? { keeps_history: true as const } : {}),
      ...(turn === null ? {} : { replaces: turn }),
      ...(given === undefined ? {} : { no_turn: true as const }),
    };
    return ok({ ...(queued && { queued }), spec: forked });
  };
  return ok({ plan: plan.value, stages: stages.map(({ name }) => name), begin });
}

/** The definition that the fork runs, as a run of now resolves it. */
async function definitionOf(
  { catalogs, settings }: Services,
  { spec }: ForkSource,
  { pipeline_config, pipeline_version }: ForkRequest,
  tenant: string,
): Promise<Result<Plan & { left_out: string[] }>> {
  const { pipeline } = spec;
  if (pipeline_version === undefined) {
    const known = await catalogs.read(tenant);
    const config = configOf(settings, known);
    const stages = planStages(spec.stages, pipeline_config, config);
    if (!stages.ok) return stages;
    const catalog = await withNested(catalogs, tenant, known, stages.value);
    const left_out = [...(spec.left_out ?? []), ...leftOut(pipeline_config)];
    // As the source's own stages, those that they run are as they were; an override may name another one.
    const pinned = { pipelines: { ...catalog.pipelines, ...spec.pipelines } };
    const nested = nestedPipelines(pinned, pipeline, stages.value, (inner) => stagesOf(inner, {}, config));
    if (!nested.ok) return nested;
    return ok({
      ...nested.value,
      ...(spec.pipeline_version === 0 ? {} : admissionBy(config)),
      catalog,
      config,
      pipeline,
      pipeline_version: spec.pipeline_version,
      stages: stages.value,
      left_out,
    });
  }
  // A stage on its own has a name that may be a pipeline's.
  if (spec.pipeline_version === 0) return err({ code: "PIPELINE_NOT_FOUND", pipeline });
  let catalog: CatalogSnapshot = await catalogs.readFor(tenant, pipeline);
  if ((catalog.pipelines[pipeline]?.version ?? 0) < pipeline_version) {
    catalog = await catalogs.readFor(tenant, pipeline, 0);
  }
  const found = pipelineOf(catalog, pipeline, pipeline_version);
  if (!found.ok) return found;
  const config = configOf(settings, catalog);
  const stages = stagesOf(found.value, pipeline_config, config);
  if (!stages.ok) return stages;
  catalog = await withNested(catalogs, tenant, catalog, stages.value);
  const nested = nestedPipelines(catalog, pipeline, stages.value, (inner) => stagesOf(inner, {}, config));
  if (!nested.ok) return nested;
  const { version, budget } = found.value;
  const left_out = leftOut(pipeline_config);
  return ok({
    ...nested.value,
    ...admissionBy(config),
    catalog,
    config,
    pipeline,
    pipeline_version: version,
    budget,
    stages: stages.value,
    left_out,
  });
}

function admissionBy({ on_busy }: CoordinatorConfig): Pick<Plan, "on_busy"> {
  return on_busy === "parallel" ? {} : { on_busy };
}

/** The turn whose place the answer of a fork takes. */
function replacedBy({ spec, started_at, ended_at }: ForkSource, now: number): ReplacedTurn {
  return spec.replaces ?? { execution_id: spec.execution_id, start: started_at, at: ended_at ?? now };
}

/** What the fork's agents are handed of its conversation: its source's history, or what is before the replaced turn. */
async function historyOf(
  services: Services,
  source: ForkSource,
  { catalog, config }: Plan,
  turn: ReplacedTurn | null,
  { tenant, identity }: RunContext,
): Promise<Result<ConversationTurn[]>> {
  if (turn === null) return ok(source.spec.history);
  const { conversation_id, execution_id, pipeline_version } = source.spec;
  const conflict = (why: string): CoordinatorError => ({ code: "EXECUTION_CONFLICT", execution_id, why });
  if (pipeline_version === 0) {
    return err(
      conflict(`the execution ${execution_id} is a stage on its own, and no turn of its conversation`),
    );
  }
  const kept_ms = (config.retention_seconds + config.max_pause_seconds) * 1_000;
  const home = homeOf(conversation_id, catalog.shards.index, identity.at, kept_ms);
  const asked = { conversation_id, turn, turns: config.context_memory_size, ...home };
  const before = await services.executionIndex.turnsBefore(tenant, asked);
  if (before === null) return err({ code: "RESOURCE_EXHAUSTED", what: "index", retry_after_seconds: 5 });
  // One that has not completed has had no turn: the fork's answer is the first one there.
  const hadTurn = source.status === "completed" && source.spec.config.context_memory_size > 0;
  return hadTurn && before.holder === null
    ? err(
        conflict(
          `the turn of the execution ${execution_id} is gone: it was deleted, or is over its retention`,
        ),
      )
    : ok(before.history);
}
