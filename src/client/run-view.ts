// The view of a run, which fold-event.ts makes of its events: what the console and the demo show. Times are those of
// the events, in ms since the epoch.
import type { Spent } from "../contract/budget.ts";
import type { LifecycleEvent, StageDelta } from "../contract/event.ts";
import type { ExecutionStatus, LogPlace, PipelineExecution } from "../contract/execution.ts";
import type { JsonObject } from "../contract/json.ts";
import type { PipelineStage, StageResult, StageStatus, Usage } from "../contract/stage.ts";
import type { ExecutionEvent } from "./events.ts";

/**
 * An event of a run: as the client's `stream` and callbacks give it, or as it is on the wire.
 *
 * @example
 * const events: RunEvent[] = [];
 * for await (const update of client.stream(execution_id)) events.push(update);
 */
export type RunEvent = ExecutionEvent | StageDelta;

/**
 * An event that is in the log, and so has a `seq`: every one but the deltas and the progress.
 *
 * @example
 * const line = ({ seq, type, message }: LoggedEvent) => `${seq} ${type}: ${message}`;
 */
export type LoggedEvent = LifecycleEvent;

/**
 * A try of a stage (`try`), the wait before its next try (`wait`), the wait of a call until its agent may be called
 * (`queued`), or the wait for an answer from outside (`outside`: a person's, or the result of an agent that answers
 * later); `from` and `to` in ms since the epoch. `to` is the planned end of a wait for the next try, and null while any
 * other lasts.
 *
 * @example
 * const lengthOf = ({ from, to }: StageSpan, now: number) => (to ?? now) - from;
 */
export interface StageSpan {
  kind: "try" | "wait" | "queued" | "outside";
  attempt: number;
  from: number;
  to: number | null;
  /** How a try, or a wait for the outside, ended. */
  outcome: "running" | "completed" | "failed" | "cancelled";
  /** Of one that is `queued`: why. */
  reason?: StageQueue["reason"];
}

/**
 * Why a call is not made yet: each place at its agent is taken (`concurrency`), as many calls as it takes in a period
 * were made (`rate`), or the agent has answered with `Retry-After` (`retry_after`). Times in ms since the epoch.
 *
 * @example
 * const secondsLeft = ({ until }: StageQueue, now: number) => (until === null ? null : (until - now) / 1_000);
 */
export interface StageQueue {
  reason: "concurrency" | "rate" | "retry_after";
  /** When it is made, or asks for a place again; null where that is not known. */
  until: number | null;
  since: number;
}

/**
 * What an event says of a stage's present state: the agent's progress, why it waits or falls back, why it was skipped
 * or failed, or that an answer is kept for it until it asks (`early`). `delay_ms` is the wait before the next try, in ms.
 *
 * @example
 * const text = (note: StageNote | null) => (note?.kind === "retry" ? `again in ${note.delay_ms} ms` : note?.message);
 */
export type StageNote =
  | { kind: "progress" | "skipped" | "failed" | "early"; message: string }
  | { kind: "retry"; message: string; delay_ms: number }
  | { kind: "fallback"; message: string; strategy: string };

/**
 * What a stage whose status is `waiting` waits for: an answer to its question (`wait`), or the result of an agent that
 * has answered 202 (`callback`). `expires_at` in ms since the epoch.
 *
 * @example
 * const secondsLeft = ({ expires_at }: StageWait, now: number) => Math.max(0, expires_at - now) / 1_000;
 */
export interface StageWait {
  reason: "wait" | "callback" | "execution";
  /** What is shown to the person who answers; empty for any other wait. */
  prompt: JsonObject;
  /** The JSON Schema of the answer's data; null where any object is an answer. */
  schema: JsonObject | null;
  /** The time at which the wait ends without an answer. */
  expires_at: number;
}

/**
 * One stage of a run as its events have left it.
 *
 * @example
 * const running = (view: RunView) => view.stages.filter(({ status }: StageView) => status === "running");
 */
export interface StageView {
  name: string;
  definition: PipelineStage;
  /** `retrying` between two tries. */
  status: StageStatus | "retrying";
  /** The try in progress; of a stage that has ended, how many tries there were. */
  attempt: number;
  /**
   * When its first try began and when it ended, in ms since the epoch. A stage whose result was taken over has no try:
   * it has a `reused_from` in its `result`, and no span.
   */
  started_at: number | null;
  ended_at: number | null;
  /** In the order of time. */
  spans: readonly StageSpan[];
  /** When the next try begins, in ms since the epoch. */
  retry_at: number | null;
  /** What it waits for, while its status is `waiting`. */
  wait: StageWait | null;
  /** Why its next call is not made yet; its status is `pending` meanwhile. */
  queue: StageQueue | null;
  note: StageNote | null;
  /** The agent's progress, 0 to 1, where it reports that. */
  fraction: number | null;
  /** The strategy that gives its result instead of the agent. */
  fallback: string | null;
  result: StageResult | null;
  /** What the attempt has written so far. */
  text: string;
  /** Of a stage with `map`, once its list is known. */
  items: ItemsView | null;
  /** Of a stage that runs a pipeline: the execution of its present iteration. Those of items are in their events. */
  child_execution_id: string | null;
  /** Of a stage with `repeat`: the iteration in progress, 1 for the first. */
  iteration: number | null;
}

/**
 * The items of a stage with `map`, as their events have left them.
 *
 * @example
 * const done = ({ total, completed, failed }: ItemsView) => (completed + failed) / total;
 */
export interface ItemsView {
  total: number;
  completed: number;
  failed: number;
  /** The places in the list, from 0, of those that have begun and not ended. */
  open: readonly number[];
}

/**
 * The budget because of which a run is paused: what it has spent, and what it may spend. For one of the configuration's
 * budgets `spent` and `limit` are those of all runs in its scope, in US dollars alone (`tokens` is 0). `cost_usd` is null
 * where no call had a known price. `resumeExecution` with a higher `budget` lets the run go on, but not where `scope` is
 * set: there a resume tries again.
 *
 * @example
 * const spentOf = ({ spent, limit }: RunBudget) => `${spent.cost_usd ?? "?"} of ${limit.cost_usd ?? "?"} USD`;
 */
export interface RunBudget {
  spent: Spent;
  limit: { cost_usd?: number | undefined; tokens?: number | undefined };
  /** Of each stage of this run that has spent something. */
  by_stage: Readonly<Record<string, Spent>>;
  /** Which of the configuration's budgets is spent (`tenant`, `pipeline:NAME`, `tag:KEY`); null where it is the run's own. */
  scope: string | null;
}

/**
 * A run as its events have left it.
 *
 * @example
 * let view: RunView | null = null;
 * for await (const update of client.stream(execution_id)) view = foldEvent(view, update);
 * console.log(view?.status, view?.answer?.text);
 */
export interface RunView {
  execution_id: string;
  query: string;
  pipeline: string;
  status: ExecutionStatus;
  /** While it is queued: the execution before it in its conversation, and its place, 1 for the next. */
  queue: { behind: string; position: number } | null;
  /** What it is a fork of; the log of that execution up to `seq` is what it takes results from. */
  forked_from: LogPlace | null;
  /** The execution whose question has superseded this one. */
  superseded_by: string | null;
  /** In ms since the epoch; of a run that was queued, since when. */
  started_at: number;
  ended_at: number | null;
  /** In the order of the definition. */
  stages: readonly StageView[];
  /** In ms since the epoch; `to` is null while it lasts. */
  pauses: readonly { from: number; to: number | null }[];
  /** While the run is paused because a budget is spent. */
  budget: RunBudget | null;
  /**
   * What its agents have used: tokens, and `cost_usd` in US dollars, null where it is not known. While the run goes on, of
   * stages that have ended.
   */
  usage: Usage;
  /** The text that was written last, and which attempt of which stage wrote it. */
  answer: { stage: string; attempt: number; text: string } | null;
  /** The logged events of known types, in order. */
  events: readonly LoggedEvent[];
  /** The last `seq` that was folded: the cursor after which a reader goes on. */
  seq: number;
  /** The whole execution, once it has ended. */
  execution: PipelineExecution | null;
}

/**
 * Adds the whole execution to the view of a run that has ended, where its last event was `truncated`.
 *
 * @param view the view of an ended run
 * @param execution as `getExecution` gives it
 * @returns the view with the stages' results and the execution. Nothing is thrown
 * @example
 * if (view.execution?.truncated) view = addExecution(view, await client.getExecution(view.execution_id));
 */
export function addExecution(view: RunView, execution: PipelineExecution): RunView {
  const stages = view.stages.map((stage) => ({
    ...stage,
    result: execution.stage_results[stage.name] ?? stage.result,
  }));
  return { ...view, execution, stages };
}

/**
 * Whether an execution of this status has ended.
 *
 * @param status of a `RunView` or an `Execution`
 * @returns false for `queued`, `running`, `waiting`, `paused`, and each status that this version does not know. Nothing is thrown
 * @example
 * const { status } = await client.getExecution(execution_id);
 * if (isRunOver(status)) await client.deleteExecution(execution_id);
 */
export function isRunOver(status: ExecutionStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/**
 * The view of a stage that has not begun: what there is to show of a definition before it runs.
 *
 * @param definition the stage with its defaults filled in, as `getPipelineConfig` gives it
 * @returns a view with the status `pending`. Nothing is thrown
 * @example
 * const { stages } = await client.getPipelineConfig("rag");
 * console.log(stages.map(pendingStage).map(({ name, status }) => `${name} ${status}`));
 */
export function pendingStage(definition: PipelineStage): StageView {
  return {
    name: definition.name,
    definition,
    status: "pending",
    attempt: 0,
    started_at: null,
    ended_at: null,
    spans: [],
    retry_at: null,
    wait: null,
    queue: null,
    note: null,
    fraction: null,
    fallback: null,
    result: null,
    text: "",
    items: null,
    child_execution_id: null,
    iteration: null,
  };
}
