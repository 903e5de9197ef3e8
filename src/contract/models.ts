// Pipelines as OpenAI's clients list them: src/contract/README.md section 15.
import * as z from "./zod.ts";

export const Model = z.object({
  id: z.string(),
  object: z.literal("model"),
  /** Unknown: always 0. */
  created: z.number(),
  owned_by: z.string(),
});

export const ModelList = z.object({ object: z.literal("list"), data: z.array(Model) });
