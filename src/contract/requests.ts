// Requests: the bodies and the queries that are validated by a schema (src/contract/README.md sections 1 and 2).
// Apart from the responses, which the Worker does not validate and describes only in the OpenAPI document.
import { Budget, RaisedBudget, Tags } from "./budget.ts";
import { OnBusy } from "./config.ts";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { EXECUTION_STATUSES, ExecutionId, Name } from "./names.ts";
import { PipelineStage, StageOverride } from "./stage.ts";
import * as z from "./zod.ts";

export const OnDisconnect = z.enum(["continue", "cancel"]);
export type OnDisconnect = z.infer<typeof OnDisconnect>;

const Query = z.string().check(z.minLength(1), z.maxLength(LIMITS.QUERY_CHARS));
export const ConversationId = z.string().check(z.minLength(1), z.maxLength(LIMITS.CONVERSATION_ID_CHARS));

/** `bypass`: every agent is called, and the new results are kept. */
const CacheUse = z.enum(["bypass"]);

/** The body of POST /v1/executions. */
export const ExecutionRequest = z.lazy(() =>
  z.strictObject({
    query: Query,
    conversation_id: ConversationId,
    pipeline: z._default(Name, "rag"),
    pipeline_config: z._default(z.record(Name, StageOverride), {}),
    /** The least version to run. */
    pipeline_version: z.optional(z.number().check(z.int(), z.gte(1))),
    context: z._default(JsonObject, {}),
    execution_id: z.optional(ExecutionId),
    on_disconnect: z._default(OnDisconnect, "continue"),
    cache: z.optional(CacheUse),
    /** The config's, where it is absent. */
    on_busy: z.optional(OnBusy),
    /** Among the runs that wait for a place at an agent; 0 where it is absent. */
    priority: z.optional(z.number().check(z.int(), z.gte(-LIMITS.PRIORITY), z.lte(LIMITS.PRIORITY))),
    /** The pipeline's, where it is absent. */
    budget: z.optional(Budget),
    tags: z.optional(Tags),
  }),
);
export type ExecutionRequest = z.infer<typeof ExecutionRequest>;

/** The body of POST /v1/executions/:id/fork; may be left out. */
export const ForkRequest = z.lazy(() =>
  z.strictObject({
    /** A stage, which is run with all that depend on it; or `failed`, for what had not completed. */
    from: z.optional(Name),
    query: z.optional(Query),
    context: z.optional(JsonObject),
    pipeline_config: z._default(z.record(Name, StageOverride), {}),
    pipeline_version: z.optional(z.number().check(z.int(), z.gte(1))),
    /** The data of stages that are not run. */
    set: z._default(z.record(Name, JsonObject), {}),
    /** Its answer takes the turn of the execution that it is a fork of. */
    replace_turn: z._default(z.boolean(), false),
    /** Says what would be reused, and starts nothing. */
    dry_run: z._default(z.boolean(), false),
    execution_id: z.optional(ExecutionId),
    on_disconnect: z._default(OnDisconnect, "continue"),
    /** Those of the source, where they are absent. */
    tags: z.optional(Tags),
  }),
);
export type ForkRequest = z.infer<typeof ForkRequest>;

/** The body of POST /v1/stages/execute. */
export const StageExecutionRequest = z.lazy(() =>
  z.strictObject({
    stage: PipelineStage,
    query: Query,
    conversation_id: z._default(ConversationId, "stages"),
    /** The results of its dependencies. */
    inputs: z._default(z.record(Name, z.nullable(JsonObject)), {}),
    context: z._default(JsonObject, {}),
    cache: z.optional(CacheUse),
  }),
);
export type StageExecutionRequest = z.infer<typeof StageExecutionRequest>;

export const PauseMode = z.enum(["drain", "abort"]);
export type PauseMode = z.infer<typeof PauseMode>;

/** The body of POST /v1/executions/:id/pause; may be left out. */
export const PauseRequest = z.strictObject({ mode: z._default(PauseMode, "drain") });

/** The body of POST /v1/executions/:id/resume; may be left out. */
export const ResumeRequest = z.lazy(() => z.strictObject({ budget: z.optional(RaisedBudget) }));

/** The body of POST /v1/pipelines/validate: stages of any shape, so that all errors are reported at once. */
export const ValidationRequest = z.strictObject({
  /** As in a definition: what is validated may be what is written. */
  description: z.optional(z.string()),
  budget: z.optional(Budget),
  stages: z.array(z.unknown()),
});

/** A number in a query: decimal digits and nothing else, so that no other notation is taken for a number. */
const decimal = (minimum: number, maximum: number) =>
  z.pipe(
    z.pipe(z.string().check(z.regex(/^\d{1,15}$/, "must be a decimal integer")), z.transform(Number)),
    z.number().check(z.int(), z.gte(minimum), z.lte(maximum)),
  );

/** Default page size. */
const PAGE = 20;

/** The query of GET /v1/executions. */
export const ExecutionFilter = z.lazy(() =>
  z.strictObject({
    status: z.optional(z.enum(EXECUTION_STATUSES)),
    pipeline: z.optional(z.string().check(z.maxLength(64))),
    conversation_id: z.optional(z.string().check(z.maxLength(128))),
    limit: z._default(decimal(1, 100), PAGE),
    cursor: z.optional(z.string().check(z.maxLength(256))),
  }),
);
export type ExecutionFilter = z.infer<typeof ExecutionFilter>;

/** The query of GET /v1/conversations/:id. */
export const TurnsQuery = z.lazy(() =>
  z.strictObject({
    limit: z._default(decimal(1, LIMITS.TURNS_LISTED), LIMITS.TURNS_LISTED),
    cursor: z.optional(z.string().check(z.maxLength(256))),
  }),
);

/** The query of DELETE /v1/conversations/:id. */
export const ForgetQuery = z.lazy(() =>
  z.strictObject({
    /** Runs that go on are cancelled first. */
    cancel: z.optional(z.enum(["true", "false"])),
  }),
);
/** The query of GET /v1/waits. */
export const WaitFilter = z.lazy(() =>
  z.strictObject({
    pipeline: z.optional(z.string().check(z.maxLength(LIMITS.NAME_CHARS))),
    conversation_id: z.optional(z.string().check(z.maxLength(LIMITS.CONVERSATION_ID_CHARS))),
    limit: z._default(decimal(1, 100), PAGE),
    cursor: z.optional(z.string().check(z.maxLength(256))),
  }),
);
export type WaitFilter = z.infer<typeof WaitFilter>;

/** The body of POST /v1/executions/cleanup. */
export const CleanupRequest = z.strictObject({
  /** Counted from an execution's end. */
  older_than_seconds: z.number().check(z.gte(0), z.lte(10 * 365 * 86_400)),
});

/** The query of GET /v1/executions/:id/events. */
export const EventsQuery = z.lazy(() =>
  z.strictObject({
    /** The `seq` of the last event that the reader has. */
    after: z.optional(decimal(0, 999_999_999_999_999)),
    /** A stream token; checked by http/middleware/authenticate.ts. */
    token: z.optional(z.string()),
  }),
);

/** The query of POST /v1/pipelines/:name/stages. */
export const AddStageQuery = z.lazy(() =>
  z.strictObject({
    /** The stage to insert before. */
    before: z.optional(Name),
  }),
);

/** The query of GET /v1/metrics. */
export const MetricsFilter = z.lazy(() =>
  z.strictObject({
    pipeline: z.optional(z.string().check(z.maxLength(LIMITS.NAME_CHARS))),
    window_seconds: z._default(decimal(1, LIMITS.METRICS_WINDOW_SECONDS), LIMITS.METRICS_WINDOW_SECONDS),
  }),
);
