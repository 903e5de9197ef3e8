// /v1/pipelines: whole definitions.
import { Hono } from "hono";
import { Name } from "../../contract/names.ts";
import { type Pipeline, PipelineDefinition } from "../../contract/pipeline.ts";
import { effectiveConfig } from "../../core/config.ts";
import { definitionError, resolveStage } from "../../core/pipeline/plan.ts";
import { validatePipeline } from "../../core/pipeline/validate.ts";
import { parseWith, readBody } from "../body.ts";
import { type AppEnv, type Call, problem } from "../context.ts";

export const pipelines = new Hono<AppEnv>().get("/:name", read).put("/:name", put);

async function read(call: Call): Promise<Response> {
  const name = call.req.param("name") ?? "";
  const catalog = await call.var.services.catalogs.read(call.var.tenant, 0);
  const pipeline = Object.hasOwn(catalog.pipelines, name) ? catalog.pipelines[name] : undefined;
  if (pipeline === undefined)
    return problem(call, { code: "PIPELINE_NOT_FOUND", pipeline: name.slice(0, 64) });
  return call.json(withValues(call, pipeline, catalog.config));
}

async function put(call: Call): Promise<Response> {
  const name = parseWith(Name, call.req.param("name"));
  if (!name.ok) return problem(call, name.error);
  const definition = await readBody(call.req.raw, PipelineDefinition);
  if (!definition.ok) return problem(call, definition.error);
  const faults = validatePipeline(definition.value.stages);
  if (faults.length > 0) return problem(call, definitionError(faults));
  const { created, snapshot } = await call.var.services.catalogs.write(call.var.tenant, (rpc) =>
    rpc.putPipeline(name.value, definition.value),
  );
  const pipeline = snapshot.pipelines[name.value] as Pipeline;
  return call.json(withValues(call, pipeline, snapshot.config), created ? 201 : 200);
}

/** GET shows the values that hold where a stage names none. */
function withValues(call: Call, pipeline: Pipeline, patched: Record<string, unknown>): Pipeline {
  const config = effectiveConfig(call.var.services.settings.config, patched);
  return { ...pipeline, stages: pipeline.stages.map((stage) => resolveStage(stage, config)) };
}
