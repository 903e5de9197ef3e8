// CoordinatorClient: the specification's methods in camelCase over the HTTP of src/contract/README.md, typed by the
// same contract that the coordinator validates with. The calls about executions are here, those about conversations and
// forks, waits, pipelines and the coordinator itself in the classes that it extends.
import type { z } from "zod";
import type { RaisedBudget } from "../contract/budget.ts";
import type { CleanupResult, ExecutionList } from "../contract/execution-list.ts";
import type { ExecutionFilter, PauseMode } from "../contract/requests.ts";
import type { StageResult } from "../contract/stage.ts";
import type { ExecutionTrace } from "../contract/trace.ts";
import type { StreamUpdate } from "./events.ts";
import { follow, type FollowOptions } from "./follow.ts";
import type {
  CallOptions,
  ExecuteOptions,
  Execution,
  RunRequest,
  Stage,
  StageRun,
  StartOptions,
} from "./requests.ts";
import { ConversationCalls } from "./calls/conversation-calls.ts";
import { executeRun, executionPath, followHeaders, startRun } from "./starts.ts";

/**
 * Calls one coordinator.
 *
 * Every method throws `CoordinatorClientError`, distinguished by its `code`, or the reason of the `signal` that the
 * caller aborted. Besides the codes that a method lists, any call may end with `NETWORK_ERROR` (no answer),
 * `INVALID_RESPONSE` (the response is not from a coordinator), `UNAUTHORIZED`, `FORBIDDEN`, `INVALID_REQUEST`
 * (`errors` names each bad field) or `INTERNAL_ERROR`, and a call that starts work with `RATE_LIMITED`,
 * `BUDGET_EXCEEDED` or `COORDINATOR_DISABLED`.
 *
 * Answers are read with JSON.parse, which changes the digits of integers beyond 2^53: ids of 64 bits that JavaScript is
 * to read are strings where agents send them.
 *
 * @example
 * const client = new CoordinatorClient({ baseUrl: "http://localhost:8787" });
 * const execution = await client.executePipeline({
 *   query: "What are the benefits of renewable energy?",
 *   conversation_id: "conv_123",
 * });
 * console.log(execution.status, execution.final_result);
 */
export class CoordinatorClient extends ConversationCalls {
  /**
   * Runs a pipeline and resolves with the execution. An execution that failed is a result, too: look at its `status`
   * and `error_info`. One that is paused, or waits for a person, comes back as it is where no callback is given; with one the
   * call waits for its end. A connection that breaks is reopened, and the pipeline runs once.
   *
   * @param request `query` and `conversation_id`, and what differs from the defaults: the pipeline (`rag`), a
   * `pipeline_config` of single fields by stage, a `context`; `on_busy`, what happens while another question of the
   * conversation has not been answered; a `budget`, past which it pauses or fails; a `priority`, -10 to 10 (default 0), among
   * the runs that wait for an agent, the highest first; `tags`, up to 8 labels by key
   * @param options `onUpdate` (or `streamCallback`) sees each event as it comes, with `partial_answer`
   * @throws CoordinatorClientError `PIPELINE_NOT_FOUND`; `INVALID_PIPELINE_CONFIG`, `CIRCULAR_DEPENDENCY` or
   * `MISSING_DEPENDENCY` for a `pipeline_config` that breaks the definition; `IDEMPOTENCY_MISMATCH` for another request
   * under the same key; `CONVERSATION_BUSY`, with those that run in `running`, where `on_busy` is not `parallel`; also
   * what a callback throws
   * @example
   * const request = {
   *   query: "What are the benefits of renewable energy?",
   *   conversation_id: "conv_123",
   *   pipeline_config: { source_retrieval: { config: { search_strategy: "keyword" } } },
   * };
   * const execution = await client.executePipeline(request, {
   *   onUpdate: ({ type, status, partial_answer }) => {
   *     if (type === "stage.delta") console.log("so far:", partial_answer);
   *     if (type === "execution.completed") console.log(status, partial_answer);
   *   },
   * });
   */
  async executePipeline(request: RunRequest, options: ExecuteOptions = {}): Promise<Execution> {
    return executeRun(this.http, { path: "/v1/executions", body: request }, options);
  }

  /**
   * Starts a pipeline and resolves at once; `stream` and `getExecution` follow the run.
   *
   * @param request as of `executePipeline`
   * @returns the execution as it begins; its `stream_url` opens its events in a browser, for 24 hours
   * @throws CoordinatorClientError as `executePipeline`
   * @example
   * const { execution_id } = await client.startExecution({ query: "What is a heat pump?", conversation_id: "c1" });
   */
  async startExecution(request: RunRequest, options: StartOptions = {}): Promise<Execution> {
    return startRun(this.http, { path: "/v1/executions", body: request }, options);
  }

  /**
   * Iterates over the events of an execution until its terminal one, and reconnects where the connection breaks. Where
   * the config's `enable_streaming` is false there are no deltas and no progress among them.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @param options `after`, the last `seq` that is known already (0, the beginning); `maxRetries`, the tries in a row
   * without an event (10)
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`, or the last error after `maxRetries`
   * @example
   * for await (const update of client.stream(execution_id)) {
   *   if (update.type === "stage.delta") console.log(update.partial_answer);
   * }
   */
  stream(execution_id: string, options: FollowOptions = {}): AsyncGenerator<StreamUpdate, void, undefined> {
    const open = (after: number | null, signal: AbortSignal) =>
      this.http.open(`${executionPath(execution_id)}/events`, { headers: followHeaders(after), signal });
    return follow(open, options);
  }

  /**
   * Runs one stage by itself, as a durable execution. A stage that fails is a result, too.
   *
   * @param stage as in a pipeline; `timeout_seconds` in seconds
   * @param run `query`, and the `inputs` that the stage's dependencies would give, by stage name
   * @throws CoordinatorClientError `INVALID_PIPELINE_CONFIG`; `IDEMPOTENCY_MISMATCH` as of `executePipeline`
   * @example
   * const { status, data, duration_ms } = await client.executeStage(
   *   { name: "search", agent_type: "source_retrieval" },
   *   { query: "What is a heat pump?" },
   * );
   */
  async executeStage(stage: Stage, run: StageRun, options: StartOptions = {}): Promise<StageResult> {
    return this.http.json("/v1/stages/execute", {
      method: "POST",
      body: { ...run, stage },
      headers: { "idempotency-key": options.idempotencyKey },
      signal: options.signal,
    });
  }

  /**
   * Reads an execution as it is now.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @returns durations in ms, times as RFC 3339
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`
   * @example
   * const { status, current_stage } = await client.getExecution(execution_id);
   */
  async getExecution(execution_id: string, options: CallOptions = {}): Promise<Execution> {
    return this.http.json(executionPath(execution_id), { signal: options.signal });
  }

  /**
   * Lists executions, the newest first. A change shows within a second.
   *
   * @param filter by `status`, `pipeline` or `conversation_id`; `limit` entries a page (1 to 100, 20 by default)
   * @returns a page; `next_cursor` as `cursor` gives the next one while `has_more`
   * @example
   * const { data } = await client.listExecutions({ status: "failed", limit: 10 });
   */
  async listExecutions(
    filter: Partial<z.output<typeof ExecutionFilter>> = {},
    options: CallOptions = {},
  ): Promise<z.infer<typeof ExecutionList>> {
    const query = filter as Record<string, string | number | undefined>;
    return this.http.json("/v1/executions", { query, signal: options.signal });
  }

  /**
   * Deletes an execution that has ended, with its events.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`; `EXECUTION_CONFLICT` while it runs
   * @example
   * await client.deleteExecution(execution_id);
   */
  async deleteExecution(execution_id: string, options: CallOptions = {}): Promise<void> {
    await this.http.answered(executionPath(execution_id), { method: "DELETE", signal: options.signal });
  }

  /**
   * Pauses an execution: no stage starts until it is resumed. Pausing twice changes nothing.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @param options `mode`: `drain` (the default) lets the stages in flight finish, `abort` stops them, to run again
   * after the resume
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`; `EXECUTION_CONFLICT` where it has ended
   * @example
   * await client.pauseExecution(execution_id, { mode: "abort" });
   */
  async pauseExecution(
    execution_id: string,
    { mode = "drain", signal }: CallOptions & { mode?: PauseMode } = {},
  ): Promise<Execution> {
    return this.http.json(`${executionPath(execution_id)}/pause`, { method: "POST", body: { mode }, signal });
  }

  /**
   * Resumes a paused execution. Completed stages are not called again.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @param options `budget`: the fields that it names replace those of the run's budget. Each is a new total, not an
   * addition. Needed where the run has spent more than its budget
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`; `EXECUTION_CONFLICT` where it is not paused, or has spent more
   * than its budget
   * @example
   * await client.resumeExecution(execution_id);
   * // One that was paused by its budget.
   * await client.resumeExecution(execution_id, { budget: { cost_usd: 2 } });
   */
  async resumeExecution(
    execution_id: string,
    { budget, signal }: CallOptions & { budget?: RaisedBudget } = {},
  ): Promise<Execution> {
    return this.http.json(`${executionPath(execution_id)}/resume`, {
      method: "POST",
      ...(budget === undefined ? {} : { body: { budget } }),
      signal,
    });
  }

  /**
   * Cancels an execution and aborts its calls in flight. Cancelling twice changes nothing.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`; `EXECUTION_CONFLICT` where it has completed or failed
   * @example
   * const { status } = await client.cancelExecution(execution_id); // "cancelled"
   */
  async cancelExecution(execution_id: string, options: CallOptions = {}): Promise<Execution> {
    return this.http.json(`${executionPath(execution_id)}/cancel`, {
      method: "POST",
      signal: options.signal,
    });
  }

  /**
   * Reads every event of an execution with its time, its stage, its attempt and its error.
   *
   * @param execution_id as `startExecution` and `listExecutions` give it
   * @returns times as RFC 3339 with milliseconds
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND`
   * @example
   * for (const { timestamp, stage, event_type } of (await client.getExecutionTrace(execution_id)).events) {
   *   console.log(timestamp, stage, event_type);
   * }
   */
  async getExecutionTrace(execution_id: string, options: CallOptions = {}): Promise<ExecutionTrace> {
    return this.http.json(`${executionPath(execution_id)}/trace`, { signal: options.signal });
  }

  /**
   * Deletes executions that ended some time ago. One call deletes a part: repeat it while `has_more`.
   *
   * @param older_than_seconds in seconds since their end; 0 means all that have ended
   * @returns how many it `deleted`, and whether there are more
   * @example
   * let result = await client.cleanupCompletedExecutions(86_400);
   * while (result.has_more) result = await client.cleanupCompletedExecutions(86_400);
   */
  async cleanupCompletedExecutions(
    older_than_seconds: number,
    options: CallOptions = {},
  ): Promise<z.infer<typeof CleanupResult>> {
    const body = { older_than_seconds };
    return this.http.json("/v1/executions/cleanup", { method: "POST", body, signal: options.signal });
  }
}
