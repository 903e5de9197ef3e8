// The pipelines that the stages of a run are to run, and those that these run: as the catalog has them now.
import type { CatalogSnapshot, Catalogs } from "../../engine/worker-ports.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { PipelineStage, ResolvedStage } from "../../contract/stage.ts";
import type { PinnedPipeline } from "../../core/execution/run-spec.ts";
import { nestingOf, stagesIn } from "../../core/pipeline/nesting.ts";
import { definitionError } from "../../core/pipeline/plan.ts";

type Definition = Pick<Pipeline, "version" | "stages">;

/**
 * Nothing where no stage runs a pipeline.
 * @param name of the pipeline that the stages are of; null where they are no pipeline's
 * @param planOf the stages of another one, as a run has them
 */
export function nestedPipelines(
  catalog: { pipelines: Readonly<Record<string, Definition>> },
  name: string | null,
  stages: readonly PipelineStage[],
  planOf: (pipeline: Definition) => Result<ResolvedStage[]>,
): Result<{ pipelines?: Record<string, PinnedPipeline> }> {
  if (!runsPipelines(stages)) return ok({});
  const { reached, faults, missing } = nestingOf(name, stages, stagesIn(catalog.pipelines));
  const [lost] = missing;
  if (lost !== undefined) return err({ code: "PIPELINE_NOT_FOUND", pipeline: lost.name });
  if (faults.length > 0) return err(definitionError(faults));
  const pipelines: Record<string, PinnedPipeline> = {};
  for (const inner of reached) {
    const pipeline = catalog.pipelines[inner];
    if (pipeline === undefined) continue;
    const planned = planOf(pipeline);
    if (!planned.ok) return planned;
    pipelines[inner] = { version: pipeline.version, stages: planned.value };
  }
  return ok({ pipelines });
}

/** The catalog with the definitions that the stages reach: large ones are not in every snapshot. */
export async function withNested(
  catalogs: Catalogs,
  tenant: string,
  catalog: CatalogSnapshot,
  stages: readonly PipelineStage[],
): Promise<CatalogSnapshot> {
  let known = catalog;
  if (!runsPipelines(stages)) return known;
  for (;;) {
    const { missing } = nestingOf(null, stages, stagesIn(known.pipelines));
    const wanted = missing.map(({ name }) => name).find((name) => Object.hasOwn(known.versions, name));
    if (wanted === undefined) return known;
    const pipeline = (await catalogs.readFor(tenant, wanted)).pipelines[wanted];
    // It was deleted since.
    if (pipeline === undefined) return known;
    known = { ...known, pipelines: { ...known.pipelines, [wanted]: pipeline } };
  }
}

function runsPipelines(stages: readonly PipelineStage[]): boolean {
  return stages.some(({ pipeline }) => pipeline !== undefined);
}
