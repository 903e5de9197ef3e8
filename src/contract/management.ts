// Responses of the management endpoints other than definitions: agents with their breakers, the validation of a
// pipeline, the lists. src/contract/README.md sections 1, 4 and 7.
import { JsonObject } from "./json.ts";
import * as z from "./zod.ts";
import { AgentLimits, ProtocolName } from "./agent.ts";
import { LIMITS } from "./limits.ts";
import { Name } from "./names.ts";
import { Pipeline } from "./pipeline.ts";
import { DefinitionError } from "./problem.ts";

export const BreakerState = z.object({
  state: z.enum(["closed", "open", "half_open"]),
  failures: z.number().check(z.int()),
  opened_at: z.nullable(z.iso.datetime()),
  retry_at: z.nullable(z.iso.datetime()),
  /** Its Retry-After holds its calls back until then; absent where none does. */
  held_until: z.optional(z.nullable(z.iso.datetime())),
  /** Why the last of the failures failed; absent where there is none. */
  last_failure: z.optional(z.string()),
});
export type BreakerState = z.infer<typeof BreakerState>;

/** A registration in responses. Header values are references to secrets, never the secrets. */
export const Agent = z.object({
  agent_type: Name,
  url: z.optional(z.string()),
  binding: z.optional(z.string()),
  path: z.optional(z.string()),
  protocol: ProtocolName,
  options: z.optional(JsonObject),
  headers: z.optional(z.record(z.string(), z.string())),
  limits: z.optional(AgentLimits),
  /** Of one agent with limits: calls that have a lease, and calls that wait for a place. */
  load: z.optional(z.object({ in_use: z.number().check(z.int()), queued: z.number().check(z.int()) })),
  breaker: BreakerState,
});

export const AgentList = z.object({ data: z.array(Agent) });
export const PipelineList = z.object({ data: z.array(Pipeline) });

/** A warning on a valid definition that may not behave as its author expects. */
export const Hint = z.lazy(() =>
  z.object({
    code: z.enum([
      "INDEPENDENT_STAGES_ALONE",
      "AGENT_NOT_REGISTERED",
      "PIPELINE_NOT_FOUND",
      "HAS_OF_A_STAGE",
    ]),
    message: z.string(),
    stage: z.string(),
  }),
);
export type Hint = z.infer<typeof Hint>;

/** Absent in the answers of earlier versions. */
const Hints = z.optional(z.lazy(() => z.array(Hint).check(z.maxLength(LIMITS.ERRORS))));

/** The answer to a change of a pipeline: the definition as GET has it, and hints. */
export const WrittenPipeline = z.lazy(() => z.extend(Pipeline, { hints: Hints }));
export type WrittenPipeline = z.infer<typeof WrittenPipeline>;

const Count = z.number().check(z.int());

/** What there is to draw of a stage. */
const StageOutline = z.object({
  name: z.string(),
  kind: z.enum(["agent", "wait", "pipeline"]),
  /** The pipeline that it runs. */
  pipeline: z.optional(z.string()),
  map: z.optional(z.object({ max_items: Count, concurrency: Count })),
  repeat: z.optional(z.object({ max: Count })),
});
export type StageOutline = z.infer<typeof StageOutline>;

const graphFields = {
  /** In definition order. */
  stages: z.array(StageOutline),
  /** Each stage's dependencies. */
  dependencies: z.record(z.string(), z.array(z.string())),
  /** Stages that can run side by side, layer after layer; empty where there is a cycle. */
  layers: z.array(z.array(z.string())),
  /** The longest chain: by duration if all of its stages have run before, else by number; empty with a cycle. */
  critical_path: z.array(z.string()),
};

const DefinitionGraph = z.object(graphFields);
export type DefinitionGraph = z.infer<typeof DefinitionGraph>;

export const Validation = z.object({
  valid: z.boolean(),
  /** The first of them. */
  errors: z.array(DefinitionError).check(z.maxLength(LIMITS.ERRORS)),
  /** How many there are in all, where there are any. */
  error_count: z.optional(z.number().check(z.int())),
  /** Warnings: valid, and probably not intended. */
  hints: Hints,
  ...graphFields,
  /** Absent in the answers of earlier versions. */
  stages: z.optional(graphFields.stages),
  /** The graphs of the pipelines that its stages run, and of those that these run, by name. */
  pipelines: z.optional(z.record(z.string(), DefinitionGraph)),
});
export type Validation = z.infer<typeof Validation>;

export const Health = z.object({ status: z.literal("ok"), version: z.string() });
