// A pipeline's definition as it is written and as it is kept: a list of stages, versioned by the catalog.
import * as z from "./zod.ts";
import { Budget } from "./budget.ts";
import { LIMITS } from "./limits.ts";
import { Name } from "./names.ts";
import { PipelineStage } from "./stage.ts";

/** The body of PUT /v1/pipelines/:name and of validate. The limits on stages and edges are checked by validate. */
export const PipelineDefinition = z.strictObject({
  /** For people and models: what it answers. */
  description: z.optional(z.string().check(z.minLength(1), z.maxLength(LIMITS.DESCRIPTION_CHARS))),
  /** Of each run that brings none of its own. */
  budget: z.optional(Budget),
  stages: z.array(PipelineStage).check(z.minLength(1)),
});
export type PipelineDefinition = z.infer<typeof PipelineDefinition>;

/** A definition as stored by the catalog and returned by GET. */
export const Pipeline = z.object({
  name: Name,
  version: z.number().check(z.int(), z.gte(1)),
  description: z.optional(z.string()),
  budget: z.optional(Budget),
  stages: z.array(PipelineStage),
});
export type Pipeline = z.infer<typeof Pipeline>;
