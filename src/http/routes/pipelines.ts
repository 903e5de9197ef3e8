// /v1/pipelines: definitions with their versions and ETags, adding and removing a stage, and the validation of a
// definition that has not been written yet.
import { Hono } from "hono/tiny";
import type { Settings } from "../../settings.ts";
import type { CatalogSnapshot, Precondition } from "../../adapters/durable/catalog-client.ts";
import type { WrittenPipeline } from "../../contract/management.ts";
import { ValidationRequest } from "../../contract/requests.ts";
import { cutName, Name } from "../../contract/names.ts";
import { type Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { PipelineStage } from "../../contract/stage.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import type { PipelineChange } from "../../core/pipeline/edit.ts";
import { hintsOf } from "../../core/pipeline/hints.ts";
import { resolveStage } from "../../core/pipeline/plan.ts";
import { emptyTotals, mergeTotals } from "../../core/monitoring/metrics/run-metrics.ts";
import { mean } from "../../core/monitoring/metrics/sketch.ts";
import { checkDefinition } from "../../core/pipeline/verdict.ts";
import { parseWith, readBody } from "../request/body.ts";
import { type AppEnv, type Call, problem, queryOf } from "../context.ts";
import { registrationOf } from "../runs/run-spec.ts";
import { etagOf, isUnchanged, writeCondition } from "../request/etag.ts";

export const pipelines = new Hono<AppEnv>()
  .get("/", list)
  .post("/validate", validate)
  .get("/:name", read)
  .put("/:name", put)
  .delete("/:name", remove)
  .post("/:name/stages", addStage)
  .delete("/:name/stages/:stage", removeStage);

async function list(call: Call): Promise<Response> {
  const catalog = await catalogNow(call);
  const named = Object.values(catalog.pipelines).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return call.json({ data: named.map((pipeline) => shown(call, catalog, pipeline).body) });
}

async function read(call: Call): Promise<Response> {
  const name = nameOf(call);
  const catalog = await catalogNow(call);
  const pipeline = find(catalog, name);
  if (pipeline === null) return problem(call, { code: "PIPELINE_NOT_FOUND", pipeline: name });
  const { body, etag } = shown(call, catalog, pipeline);
  if (isUnchanged(call.req.header("if-none-match"), etag)) {
    return new Response(null, { status: 304, headers: { etag } });
  }
  return call.json(body, 200, { etag });
}

async function put(call: Call): Promise<Response> {
  const name = parseWith(Name, call.req.param("name"));
  if (!name.ok) return problem(call, name.error);
  const definition = await readBody(call.req.raw, PipelineDefinition);
  if (!definition.ok) return problem(call, definition.error);
  return change(call, name.value, { kind: "replace", stages: definition.value.stages });
}

async function addStage(call: Call): Promise<Response> {
  const stage = await readBody(call.req.raw, PipelineStage);
  if (!stage.ok) return problem(call, stage.error);
  const { before = null } = queryOf(call, "add_stage");
  return change(call, nameOf(call), { kind: "add_stage", stage: stage.value, before });
}

async function removeStage(call: Call): Promise<Response> {
  return change(call, nameOf(call), { kind: "remove_stage", stage: call.req.param("stage") ?? "" });
}

async function remove(call: Call): Promise<Response> {
  const { services, tenant } = call.var;
  const name = nameOf(call);
  const condition = await conditionOf(call, name);
  if (!condition.ok) {
    const gone = find(await services.catalogs.read(tenant), name) === null;
    return problem(call, gone ? { code: "PIPELINE_NOT_FOUND", pipeline: name } : condition.error);
  }
  const { outcome } = await services.catalogs.write(tenant, (rpc) =>
    rpc.deletePipeline(name, condition.value),
  );
  return outcome.ok ? new Response(null, { status: 204 }) : problem(call, outcome.error);
}

async function validate(call: Call): Promise<Response> {
  const request = await readBody(call.req.raw, ValidationRequest);
  if (!request.ok) return problem(call, request.error);
  const { services, tenant } = call.var;
  const [times, catalog] = await Promise.all([observed(call), services.catalogs.read(tenant)]);
  const { max_retry_attempts } = effectiveConfig(services.settings.config, catalog.config);
  const judged = checkDefinition(
    request.value.stages,
    times,
    max_retry_attempts,
    registeredIn(catalog, services.settings),
  );
  return call.json(judged);
}

/** How long the tenant's stages take on average, by name, in ms. */
async function observed(call: Call): Promise<Map<string, number>> {
  const { by_pipeline } = await call.var.services.executionIndex.metrics(call.var.tenant, {
    period: "ever",
    shapes: 0,
  });
  const all = emptyTotals();
  for (const metrics of by_pipeline.values()) mergeTotals(all, metrics);
  return new Map(Array.from(all.stages, ([name, { durations }]) => [name, mean(durations)]));
}

async function change(call: Call, name: string, what: PipelineChange): Promise<Response> {
  const condition = await conditionOf(call, name);
  if (!condition.ok) return problem(call, condition.error);
  const { services, tenant } = call.var;
  const { outcome, snapshot } = await services.catalogs.write(tenant, (rpc) =>
    rpc.changePipeline(name, what, condition.value, services.settings.config),
  );
  if (!outcome.ok) return problem(call, outcome.error);
  const { body, etag } = shown(call, snapshot, snapshot.pipelines[name] as Pipeline);
  const isNew = outcome.value.created || what.kind === "add_stage";
  const hints = hintsOf(body.stages, body.stages, registeredIn(snapshot, services.settings));
  const written: WrittenPipeline = { ...body, hints };
  return call.json(written, isNew ? 201 : 200, { etag });
}

function registeredIn(catalog: CatalogSnapshot, settings: Settings): (agent_type: string) => boolean {
  return (agent_type) => registrationOf(catalog, settings, agent_type) !== null;
}

/** The request's precondition on the current pipeline. */
async function conditionOf(call: Call, name: string): Promise<Result<Precondition>> {
  const ifMatch = call.req.header("if-match");
  const ifNoneMatch = call.req.header("if-none-match");
  if (ifMatch === undefined && ifNoneMatch === undefined) return ok(null);
  const catalog = await catalogNow(call);
  const pipeline = find(catalog, name);
  const current =
    pipeline === null ? null : { version: pipeline.version, etag: shown(call, catalog, pipeline).etag };
  const condition = writeCondition(ifMatch, ifNoneMatch, current);
  if (condition !== "fails") return ok(condition);
  return err<CoordinatorError>({ code: "PRECONDITION_FAILED", resource: `the pipeline ${name}` });
}

function catalogNow(call: Call): Promise<CatalogSnapshot> {
  return call.var.services.catalogs.read(call.var.tenant, 0);
}

function find(catalog: CatalogSnapshot, name: string): Pipeline | null {
  return Object.hasOwn(catalog.pipelines, name) ? (catalog.pipelines[name] ?? null) : null;
}

function nameOf(call: Call): string {
  return cutName(call.req.param("name") ?? "");
}

/** A pipeline in GET's form, with the config's values for fields that a stage does not set, and its ETag. */
function shown(call: Call, catalog: CatalogSnapshot, pipeline: Pipeline): { body: Pipeline; etag: string } {
  const config = effectiveConfig(call.var.services.settings.config, catalog.config);
  const stages = pipeline.stages.map((stage) => resolveStage(stage, config));
  return { body: { ...pipeline, stages }, etag: etagOf(pipeline, config) };
}
