// The events of an execution (src/contract/README.md section 3): lifecycle events, which are logged and numbered, and
// the transient events, which are not.
import * as z from "./zod.ts";
import { Budget, Spent } from "./budget.ts";
import { LogPlace, PipelineExecution } from "./execution.ts";
import { JsonObject } from "./json.ts";
import type { LIFECYCLE_TYPES } from "./lifecycle.ts";
import { PauseMode } from "./requests.ts";
import { PipelineStage, type ResolvedStage, StageError, StageResult } from "./stage.ts";

const Int = z.number().check(z.int());

/** What a run was started with, as its first event shows it. */
const startedFields = () => ({
  query: z.string(),
  conversation_id: z.string(),
  pipeline: z.string(),
  pipeline_version: Int,
  stages: z.array(PipelineStage),
  /** Absent where it is no fork. */
  forked_from: z.optional(LogPlace),
});
export const StartedData = z.lazy(() => z.object(startedFields()));
export type StartedData = Omit<z.infer<typeof StartedData>, "stages"> & { stages: ResolvedStage[] };

/** The fields of every lifecycle event, in their order on the wire, with those that some types have among them. */
function fields<Type extends string, Own extends Record<string, z.ZodMiniType>, Data extends z.ZodMiniType>(
  type: Type,
  own: Own,
  data: Data,
) {
  return {
    execution_id: z.string(),
    /** 1, 2, 3 … without a gap. */
    seq: z.number().check(z.int(), z.gte(1)),
    timestamp: z.iso.datetime(),
    type: z.literal(type),
    ...own,
    message: z.string(),
    data,
  };
}

/** The place of the item that an event of a stage with `map` is about, from 0; absent where it is about the stage. */
const Item = z.optional(z.number().check(z.int(), z.gte(0)));

const Nothing = () => z.object({});

function ofExecution<Type extends string, Status extends string, Data extends z.ZodMiniType>(
  type: Type,
  status: readonly Status[],
  data: Data,
) {
  return z.object(fields(type, { status: z.enum(status) }, data));
}

function ofStage<Type extends string, Status extends string, Data extends z.ZodMiniType>(
  type: Type,
  status: Status,
  data: Data,
) {
  const own = { stage: z.string(), item: Item, status: z.literal(status), attempt: Int };
  return z.object(fields(type, own, data));
}

/** A lifecycle event, as it is stored and as a reader gets it: the same bytes at every replay. */
export const LifecycleEvent = z.lazy(() =>
  z.discriminatedUnion("type", [
    // It waits for the execution before it in its conversation; the first event then.
    ofExecution(
      "execution.queued",
      ["queued"],
      z.object({ ...startedFields(), behind: z.string(), position: Int }),
    ),
    ofExecution("execution.started", ["running"], StartedData),
    ofExecution(
      "execution.paused",
      ["paused"],
      z.union([
        // It has spent more than it may; `mode` as of a pause that a caller asks for.
        z.object({
          mode: PauseMode,
          reason: z.literal("budget"),
          spent: Spent,
          limit: z.object({ cost_usd: z.optional(z.number()), tokens: z.optional(z.number()) }),
          /** Of each stage that has spent something. */
          by_stage: z.record(z.string(), Spent),
          /** Of the config's budgets, where it is one of them that is spent and not the run's own. */
          scope: z.optional(z.string()),
        }),
        z.object({ mode: PauseMode }),
      ]),
    ),
    // `budget`: the one that holds from now on, where it was raised.
    ofExecution("execution.resumed", ["running"], z.object({ budget: z.optional(Budget) })),
    ofExecution(
      "execution.recovered",
      ["running", "paused"],
      // The stages whose calls were interrupted.
      z.object({ stages: z.array(z.string()), recoveries: Int }),
    ),
    ofExecution("execution.completed", ["completed"], PipelineExecution),
    ofExecution("execution.failed", ["failed"], PipelineExecution),
    ofExecution("execution.cancelled", ["cancelled"], PipelineExecution),
    // A call that must wait: for a place at its agent, or until its agent may be called again. No try, and no time of one.
    ofStage(
      "stage.queued",
      "pending",
      z.object({
        reason: z.enum(["concurrency", "rate", "retry_after"]),
        /** When it is called, or asks again, where that is known. */
        until: z.optional(z.iso.datetime()),
      }),
    ),
    ofStage(
      "stage.started",
      "running",
      z.object({
        /** Null for a stage that runs a pipeline. */
        agent_type: z.nullable(z.string()),
        /** The execution that it runs, or that its item does. */
        child_execution_id: z.optional(z.string()),
        /** Of a stage with `map`: how many there are. */
        items: z.optional(Int),
        /** Of a stage with `repeat`: 1 for the first. */
        iteration: z.optional(Int),
      }),
    ),
    // An iteration has ended with this result, and another one follows.
    ofStage("stage.iterated", "running", z.object({ iteration: Int, data: JsonObject })),
    ofStage(
      "stage.waiting",
      "waiting",
      z.union([
        z.object({
          reason: z.literal("wait"),
          prompt: JsonObject,
          /** Null where any object is an answer. */
          schema: z.nullable(JsonObject),
          expires_at: z.iso.datetime(),
        }),
        // The agent has answered 202: its result comes by a callback.
        z.object({ reason: z.literal("callback"), expires_at: z.iso.datetime() }),
        // The execution that the stage runs is paused, or waits itself.
        z.object({
          reason: z.literal("execution"),
          child_execution_id: z.string(),
          /** A question is open in it. */
          asks: z.optional(z.literal(true)),
          expires_at: z.iso.datetime(),
        }),
      ]),
    ),
    z.object(
      fields(
        "stage.signalled",
        { stage: z.string(), item: Item, status: z.enum(["pending", "waiting"]), attempt: Int },
        z.union([
          // An answer that came before its question: it is taken when the stage begins.
          z.object({ signal: z.enum(["complete", "fail"]), answered_by: z.string() }),
          // A sign of life of an agent that answers later.
          z.object({ signal: z.literal("heartbeat"), expires_at: z.iso.datetime() }),
          // The execution that the stage runs goes on, or has ended.
          z.object({ signal: z.literal("continue"), child_execution_id: z.string() }),
        ]),
      ),
    ),
    ofStage(
      "stage.retrying",
      "running",
      z.object({ error: StageError, delay_ms: z.number(), next_attempt: Int }),
    ),
    ofStage("stage.fallback", "running", z.object({ strategy: z.string(), reason: z.string() })),
    ofStage("stage.completed", "completed", StageResult),
    ofStage("stage.failed", "failed", StageResult),
    // A stage that is skipped has no attempt.
    z.object(
      fields(
        "stage.skipped",
        { stage: z.string(), status: z.literal("skipped") },
        z.object({ reason: z.string() }),
      ),
    ),
    ofStage("stage.cancelled", "cancelled", Nothing()),
  ]),
);
export type LifecycleEvent = Readable<z.infer<typeof LifecycleEvent>>;

/** `stage`, `item` and `attempt` may be read of every event: they are undefined where its type has none. */
type Readable<Event> = Event extends { attempt: number }
  ? Event
  : Event extends { stage: string }
    ? Event & { item?: undefined; attempt?: undefined }
    : Event & { stage?: undefined; item?: undefined; attempt?: undefined };

export type LifecycleType = (typeof LIFECYCLE_TYPES)[number];

/** The lifecycle events of some types. */
export type EventOf<Type extends LifecycleType> = Extract<LifecycleEvent, { type: Type }>;

/** A piece of a running stage's text; `offset` in UTF-16 units from the start of that attempt's text. */
export const StageDelta = z.object({
  execution_id: z.string(),
  type: z.literal("stage.delta"),
  stage: z.string(),
  item: Item,
  attempt: z.number().check(z.int()),
  status: z.literal("running"),
  data: z.object({ partial_answer: z.string(), offset: z.number().check(z.int(), z.gte(0)) }),
});
export type StageDelta = z.infer<typeof StageDelta>;

export const StageProgress = z.object({
  execution_id: z.string(),
  type: z.literal("stage.progress"),
  stage: z.string(),
  item: Item,
  attempt: z.number().check(z.int()),
  status: z.literal("running"),
  message: z.string(),
  data: z.object({ message: z.string(), fraction: z.optional(z.number()) }),
});
export type StageProgress = z.infer<typeof StageProgress>;

/** What GET …/events answers where JSON is asked for. */
export const EventList = z.lazy(() => z.object({ data: z.array(LifecycleEvent) }));
