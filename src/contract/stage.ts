// PipelineStage (a stage in a definition), ResolvedStage (a stage in a run: the config's values filled in) and
// StageResult (its outcome). src/contract/README.md section 2.
import * as z from "./zod.ts";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { Name } from "./names.ts";
import { WaitSeconds, WaitSpec } from "./wait.ts";

const Seconds = z.number().check(z.gte(0.001), z.lte(LIMITS.TIMEOUT_SECONDS));

const FallbackByName = z.enum(["use_cached_results", "use_simple_model"]);

/** What to give instead of a stage's own answer when the stage would fail. */
export const FallbackStrategy = z.lazy(() =>
  z.union([
    FallbackByName,
    z.strictObject({ strategy: z.literal("use_cached_results") }),
    z.strictObject({
      strategy: z.literal("use_simple_model"),
      agent_type: z.optional(Name),
      config: z.optional(JsonObject),
    }),
    z.strictObject({ strategy: z.literal("use_default"), data: JsonObject }),
  ]),
);
export type FallbackStrategy = z.infer<typeof FallbackStrategy>;

const Expression = z.string().check(z.minLength(1), z.maxLength(LIMITS.CONDITION_CHARS));

/** One call for each item of a list. */
export const MapSpec = z.strictObject({
  /** CEL over `query`, `context` and `results`; gives the list. */
  over: Expression,
  /** A longer list fails before any call. */
  max_items: z._default(z.number().check(z.int(), z.gte(1), z.lte(LIMITS.MAP_ITEMS)), 100),
  /** Items at work at a time. */
  concurrency: z._default(z.number().check(z.int(), z.gte(1), z.lte(LIMITS.MAP_ITEMS)), 4),
  /** Whether an item that fails fails the stage, or is an entry of its result. */
  on_error: z._default(z.enum(["fail", "collect"]), "fail"),
});
export type MapSpec = z.infer<typeof MapSpec>;

/** The stage is called again until its result is good. */
export const RepeatSpec = z.strictObject({
  /** CEL over `result`, `iteration`, `query`, `context` and `results`; gives a bool. */
  until: Expression,
  /** The most iterations. */
  max: z.number().check(z.int(), z.gte(2), z.lte(LIMITS.ITERATIONS)),
  /** After them the last result is taken, or the stage fails. */
  on_max: z._default(z.enum(["accept", "fail"]), "accept"),
});
export type RepeatSpec = z.infer<typeof RepeatSpec>;

const CachePolicy = z.lazy(() => z.union([z.boolean(), z.strictObject({ ttl_seconds: Seconds })]));

const stageFields = {
  /** The agent that it calls … */
  agent_type: z.optional(Name),
  /** … or the answer from outside that it waits for … */
  wait: z.optional(WaitSpec),
  /** … or the pipeline that it runs as an execution of its own: a stage has exactly one of them. */
  pipeline: z.optional(Name),
  /** The question of that execution: CEL that gives a string. Absent: the run's own. */
  query: z.optional(Expression),
  /** The context of that execution: CEL that gives an object. Absent: the run's own. */
  context: z.optional(Expression),
  required: z.boolean(),
  parallel: z.boolean(),
  depends_on: z.array(Name).check(z.maxLength(LIMITS.STAGES)),
  config: JsonObject,
  timeout_seconds: z.optional(Seconds),
  /** The total number of tries. */
  retry_attempts: z.optional(z.number().check(z.int(), z.gte(1), z.lte(LIMITS.RETRY_ATTEMPTS))),
  /** A CEL expression over `query`, `context` and the `results` it depends on; false skips the stage. */
  when: z.optional(Expression),
  /** What the agent gets as `input`: a CEL expression of the same variables for each member. */
  input: z.optional(
    z
      .record(z.string().check(z.minLength(1), z.maxLength(LIMITS.NAME_CHARS)), Expression)
      .check(
        z.refine(
          (input) => Object.keys(input).length <= LIMITS.INPUT_KEYS,
          `must have at most ${LIMITS.INPUT_KEYS} members`,
        ),
      ),
  ),
  /** A JSON Schema (2020-12) that the agent's data must satisfy. */
  output_schema: z.optional(JsonObject),
  map: z.optional(MapSpec),
  repeat: z.optional(RepeatSpec),
  fallback: z.optional(FallbackStrategy),
  cache: z.optional(CachePolicy),
  hedge_after_ms: z.optional(z.number().check(z.int(), z.gte(1), z.lte(LIMITS.TIMEOUT_SECONDS * 1000))),
  /** Maximum time between two chunks of a streamed answer. */
  idle_timeout_seconds: z.optional(Seconds),
  /** Lets the agent answer 202, and its result later: by a callback within this time. */
  callback_timeout_seconds: z.optional(WaitSeconds),
  /** What follows where its agent asks for input: it fails, or a person is asked and the agent is called with the answer. */
  on_input_required: z.optional(z.enum(["fail", "wait"])),
  /** How long such a question is open; a day by default. */
  input_timeout_seconds: z.optional(WaitSeconds),
  /** Maximum silence of an agent that answers later, between two heartbeats. */
  heartbeat_seconds: z.optional(WaitSeconds),
};

export const PipelineStage = z.strictObject({
  name: Name,
  ...stageFields,
  required: z._default(stageFields.required, true),
  parallel: z._default(stageFields.parallel, false),
  depends_on: z._default(stageFields.depends_on, []),
  config: z._default(stageFields.config, {}),
});
export type PipelineStage = z.infer<typeof PipelineStage>;

/** One stage's entry of `pipeline_config`: any field but `name`, and `enabled`. */
export const StageOverride = z.lazy(() =>
  z.partial(z.strictObject({ ...stageFields, enabled: z.boolean() })),
);
export type StageOverride = z.infer<typeof StageOverride>;

/** A stage as a run holds it: what the config supplies is filled in and pinned. */
export type ResolvedStage = AgentStage | WaitStage | PipelineRunStage;

/** A stage that calls an agent. */
export type AgentStage = PipelineStage & {
  agent_type: string;
  wait?: undefined;
  pipeline?: undefined;
  timeout_seconds: number;
  retry_attempts: number;
};

/** A stage that waits for a person or a system. */
export type WaitStage = PipelineStage & { agent_type?: undefined; wait: WaitSpec; pipeline?: undefined };

/** A stage that runs a pipeline. */
export type PipelineRunStage = PipelineStage & {
  agent_type?: undefined;
  wait?: undefined;
  pipeline: string;
  timeout_seconds: number;
  /** 1: what the execution's stages do not mend is not mended by another one. */
  retry_attempts: number;
};

/** A stage that has something to call. */
export type CallingStage = AgentStage | PipelineRunStage;

export const StageStatus = z.enum([
  "pending",
  "running",
  "waiting",
  "completed",
  "failed",
  "skipped",
  "cancelled",
]);
export type StageStatus = z.infer<typeof StageStatus>;

export const StageError = z.object({
  code: z.string(),
  message: z.string(),
  /** The agent's HTTP status, where it gave one. */
  status: z.optional(z.number().check(z.int())),
  retryable: z.boolean(),
  /** The agent that was called: its URL without user and query, or `binding:NAME/path`. Absent in older logs. */
  url: z.optional(z.string()),
});
export type StageError = z.infer<typeof StageError>;

/** Numbers an agent reports of its own consumption (tokens, cost), summed by name; see usage.ts for what is kept. */
export const Usage = z.record(z.string(), z.unknown());
export type Usage = z.infer<typeof Usage>;

const Timestamp = z.iso.datetime();

export const StageResult = z.lazy(() =>
  z.object({
    stage: Name,
    /** Null for a stage that calls none. */
    agent_type: z.nullable(Name),
    status: StageStatus,
    /** Tries made. */
    attempts: z.number().check(z.int()),
    start_time: z.nullable(Timestamp),
    end_time: z.nullable(Timestamp),
    duration_ms: z.nullable(z.number()),
    data: z.nullable(JsonObject),
    error: z.nullable(StageError),
    cached: z.boolean(),
    fallback: z.nullable(z.object({ strategy: z.string(), reason: z.string() })),
    skip_reason: z.nullable(z.string()),
    usage: z.nullable(Usage),
    /** Of a stage with `repeat`: how many have begun. */
    iterations: z.optional(z.number().check(z.int())),
    /** Who answered a wait: `key:<id>`, `token:<id>`, or `timeout`. Earlier versions lack it. */
    answered_by: z._default(z.nullable(z.string()), null),
    /** Where the result was taken over from. Earlier versions lack it. */
    reused_from: z._default(
      z.nullable(z.object({ execution_id: z.string(), seq: z.number().check(z.int()) })),
      null,
    ),
  }),
);
export type StageResult = z.infer<typeof StageResult>;
