// /v1/pipelines: definitions with their versions and ETags, adding and removing a stage, and the validation of a
// definition that has not been written yet.
import type { WrittenPipeline } from "../../contract/management.ts";
import { ValidationRequest, AddStageQuery } from "../../contract/requests.ts";
import { cutName, Name } from "../../contract/names.ts";
import { type Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";
import { type CoordinatorError, err, ok, type Result } from "../../contract/problem.ts";
import { type PipelineRunStage, PipelineStage } from "../../contract/stage.ts";
import { effectiveConfig } from "../../core/config/config.ts";
import type { PipelineChange } from "../../core/pipeline/edit.ts";
import { hintsOf } from "../../core/pipeline/hints.ts";
import { stagesIn } from "../../core/pipeline/nesting.ts";
import { resolveStage } from "../../core/pipeline/plan.ts";
import { emptyTotals, mergeTotals } from "../../core/monitoring/metrics/run-metrics.ts";
import { mean } from "../../core/monitoring/metrics/sketch.ts";
import { checkDefinition } from "../../core/pipeline/verdict.ts";
import type { CatalogSnapshot, Precondition } from "../../engine/worker-ports.ts";
import type { Settings } from "../../settings.ts";
import type { Call } from "../context.ts";
import { endpoint, type Refused } from "../endpoint.ts";
import { DEFINITION_ERRORS } from "../openapi/description.ts";
import { parseWith } from "../request/body.ts";
import { etagOf, isUnchanged, writeCondition } from "../request/etag.ts";
import { registrationOf } from "../runs/run-spec.ts";

const PATH = "/v1/pipelines/:name";
const withEtag = (description: string) => ({ description, headers: ["ETag"] });
const CHANGE_ERRORS = ["PIPELINE_NOT_FOUND", "STAGE_NOT_FOUND", "PRECONDITION_FAILED"] as const;

/** Of an existing pipeline: a name that cannot be one is not found. */
const anyName = (text: string) => ok(cutName(text));

export const pipelines = [
  endpoint({
    id: "list_pipelines",
    method: "get",
    path: "/v1/pipelines",
    permission: "read",
    answers: { 200: "PipelineList" },
    describe: () => ({
      summary: "List pipelines",
      answers: { 200: "All pipelines, sorted by name" },
    }),
    handle: async ({ call, services, tenant }) => {
      const catalog = await services.catalogs.readAll(tenant);
      const named = Object.values(catalog.pipelines).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return {
        status: 200,
        json: { data: named.map((pipeline) => shown(call, catalog, pipeline).body) },
      };
    },
  }),
  endpoint({
    id: "validate_pipeline_config",
    method: "post",
    path: "/v1/pipelines/validate",
    permission: "read",
    body: { name: "ValidationRequest", schema: ValidationRequest },
    answers: { 200: "Validation" },
    describe: () => ({
      summary: "Validate a definition and return its graph",
      answers: { 200: "The result of the validation, also for an invalid definition" },
    }),
    handle: async ({ call, services, tenant, body: { stages } }) => {
      const [times, catalog] = await Promise.all([observed(call), services.catalogs.readAll(tenant)]);
      const { max_retry_attempts } = effectiveConfig(services.settings.config, catalog.config);
      const isRegistered = registeredIn(catalog, services.settings);
      const find = stagesIn(catalog.pipelines);
      return { status: 200, json: checkDefinition(stages, times, max_retry_attempts, isRegistered, find) };
    },
  }),
  endpoint({
    id: "get_pipeline_config",
    method: "get",
    path: PATH,
    permission: "read",
    params: { name: anyName },
    answers: { 200: "Pipeline", 304: null },
    describe: () => ({
      summary: "Get a pipeline with its effective values",
      headers: ["If-None-Match"],
      answers: { 200: withEtag("The pipeline"), 304: withEtag("Not modified") },
      errors: ["PIPELINE_NOT_FOUND"],
    }),
    handle: async ({ call, params: { name } }) => {
      const catalog = await catalogNow(call, name);
      const pipeline = find(catalog, name);
      if (pipeline === null) return err({ code: "PIPELINE_NOT_FOUND", pipeline: name });
      const { body, etag } = shown(call, catalog, pipeline);
      const isKnown = isUnchanged(call.req.header("if-none-match"), etag);
      return isKnown ? { status: 304, headers: { etag } } : { status: 200, json: body, headers: { etag } };
    },
  }),
  endpoint({
    id: "configure_pipeline",
    method: "put",
    path: PATH,
    permission: "admin",
    params: { name: (text) => parseWith(Name, text) },
    body: { name: "PipelineDefinition", schema: PipelineDefinition },
    answers: { 200: "WrittenPipeline", 201: "WrittenPipeline" },
    describe: () => ({
      summary: "Create or replace a pipeline",
      headers: ["If-Match", "If-None-Match"],
      answers: { 200: withEtag("Replaced"), 201: withEtag("Created") },
      errors: ["PRECONDITION_FAILED", ...DEFINITION_ERRORS],
    }),
    handle: ({ call, params: { name }, body }) =>
      change(call, name, { kind: "replace", ...body }, (isNew) => (isNew ? 201 : 200)),
  }),
  endpoint({
    id: "delete_pipeline",
    method: "delete",
    path: PATH,
    permission: "admin",
    params: { name: anyName },
    answers: { 204: null },
    describe: () => ({
      summary: "Delete a pipeline; executions in flight keep their definition",
      headers: ["If-Match"],
      answers: { 204: "Deleted" },
      errors: ["PIPELINE_NOT_FOUND", "PRECONDITION_FAILED"],
    }),
    handle: async ({ call, services, tenant, params: { name } }) => {
      const condition = await conditionOf(call, name);
      if (!condition.ok) {
        const gone = !Object.hasOwn((await services.catalogs.read(tenant)).versions, name);
        return gone ? err({ code: "PIPELINE_NOT_FOUND", pipeline: name }) : condition;
      }
      const { outcome } = await services.catalogs.write(tenant, (rpc) =>
        rpc.deletePipeline(name, condition.value),
      );
      return outcome.ok ? { status: 204 } : outcome;
    },
  }),
  endpoint({
    id: "add_stage",
    method: "post",
    path: "/v1/pipelines/:name/stages",
    permission: "admin",
    params: { name: anyName },
    query: AddStageQuery,
    body: { name: "PipelineStage", schema: PipelineStage },
    answers: { 201: "WrittenPipeline" },
    describe: () => ({
      summary: "Add a stage",
      parameters: { before: "The stage to insert before; appended if absent" },
      headers: ["If-Match"],
      answers: { 201: withEtag("The pipeline with the new stage") },
      errors: [...CHANGE_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: ({ call, params: { name }, query: { before = null }, body: stage }) =>
      change(call, name, { kind: "add_stage", stage, before }, () => 201),
  }),
  endpoint({
    id: "remove_stage",
    method: "delete",
    path: "/v1/pipelines/:name/stages/:stage",
    permission: "admin",
    params: { name: anyName, stage: ok },
    answers: { 200: "WrittenPipeline" },
    describe: () => ({
      summary: "Remove a stage",
      headers: ["If-Match"],
      answers: { 200: withEtag("The pipeline without the stage") },
      errors: [...CHANGE_ERRORS, ...DEFINITION_ERRORS],
    }),
    handle: ({ call, params: { name, stage } }) =>
      change(call, name, { kind: "remove_stage", stage }, () => 200),
  }),
];

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

/** @param statusOf by whether the pipeline is new */
async function change<Status extends 200 | 201>(
  call: Call,
  name: string,
  what: PipelineChange,
  statusOf: (isNew: boolean) => Status,
): Promise<{ status: Status; json: WrittenPipeline; headers: { etag: string } } | Refused> {
  const condition = await conditionOf(call, name);
  if (!condition.ok) return condition;
  const { services, tenant } = call.var;
  const { outcome, snapshot } = await services.catalogs.write(tenant, (rpc) =>
    rpc.changePipeline(name, what, condition.value, services.settings.config),
  );
  if (!outcome.ok) return outcome;
  const { body, etag } = shown(call, snapshot, outcome.value.pipeline);
  const isPipeline = (other: string) => Object.hasOwn(snapshot.versions, other);
  const hints = hintsOf(body.stages, body.stages, registeredIn(snapshot, services.settings), isPipeline);
  return { status: statusOf(outcome.value.created), json: { ...body, hints }, headers: { etag } };
}

function registeredIn(catalog: CatalogSnapshot, settings: Settings): (agent_type: string) => boolean {
  return (agent_type) => registrationOf(catalog, settings, agent_type) !== null;
}

/** The request's precondition on the current pipeline. */
async function conditionOf(call: Call, name: string): Promise<Result<Precondition>> {
  const ifMatch = call.req.header("if-match");
  const ifNoneMatch = call.req.header("if-none-match");
  if (ifMatch === undefined && ifNoneMatch === undefined) return ok(null);
  const catalog = await catalogNow(call, name);
  const pipeline = find(catalog, name);
  const current =
    pipeline === null ? null : { version: pipeline.version, etag: shown(call, catalog, pipeline).etag };
  const condition = writeCondition(ifMatch, ifNoneMatch, current);
  if (condition !== "fails") return ok(condition);
  return err<CoordinatorError>({ code: "PRECONDITION_FAILED", resource: `the pipeline ${name}` });
}

function catalogNow(call: Call, name: string): Promise<CatalogSnapshot> {
  return call.var.services.catalogs.readFor(call.var.tenant, name, 0);
}

function find(catalog: CatalogSnapshot, name: string): Pipeline | null {
  return Object.hasOwn(catalog.pipelines, name) ? (catalog.pipelines[name] ?? null) : null;
}

/** A pipeline in GET's form, with the config's values for fields that a stage does not set, and its ETag. */
function shown(call: Call, catalog: CatalogSnapshot, pipeline: Pipeline): { body: Pipeline; etag: string } {
  const config = effectiveConfig(call.var.services.settings.config, catalog.config);
  const stages = pipeline.stages.map((stage) => {
    const resolved = resolveStage(stage, config);
    // What GET shows may be written back: a stage that runs a pipeline has no tries to set.
    return resolved.pipeline === undefined ? resolved : omitTries(resolved);
  });
  return { body: { ...pipeline, stages }, etag: etagOf(pipeline, config) };
}

function omitTries({ retry_attempts: _tries, ...stage }: PipelineRunStage): PipelineStage {
  return stage;
}
