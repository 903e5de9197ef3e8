// The parameter types of the client's methods: the contract's own, with optional defaults.
import type { z } from "zod";
import type { AgentRegistration } from "../contract/agent.ts";
import type { Budget as BudgetSchema } from "../contract/budget.ts";
import type { PipelineExecution } from "../contract/execution.ts";
import type { ExecutionRequest, StageExecutionRequest } from "../contract/requests.ts";
import type { Agent as AgentSchema } from "../contract/management.ts";
import type { PipelineStage } from "../contract/stage.ts";
import type { StreamUpdate } from "./events.ts";

/**
 * A run to start; only `query` and `conversation_id` are required.
 *
 * @example
 * const request: RunRequest = { query: "What is a heat pump?", conversation_id: "c1", pipeline: "rag", on_busy: "queue" };
 */
export type RunRequest = z.input<typeof ExecutionRequest>;
/**
 * What a run may spend: in US dollars, as its agents report or by the config's `prices`; in tokens of input and output
 * together. A run that has spent more is paused (`on_exceeded: "pause"`, the default), to be resumed with a higher
 * budget, or fails with `BUDGET_EXCEEDED` in `error_info.code`.
 *
 * @example
 * const budget: Budget = { cost_usd: 0.5, tokens: 100_000, on_exceeded: "fail" };
 * const execution = await client.executePipeline({ query: "What is a heat pump?", conversation_id: "c1", budget });
 * console.log(execution.status, execution.usage["cost_usd"]);
 */
export type Budget = z.input<typeof BudgetSchema>;
/**
 * What happens to a run while another one of its conversation has not ended: both run (`parallel`), it is refused with
 * `CONVERSATION_BUSY` (`reject`), it waits its turn (`queue`), or it supersedes those that run (`interrupt`).
 *
 * @example
 * const ask = (query: string, on_busy: OnBusy) => client.startExecution({ query, conversation_id: "c1", on_busy });
 */
export type OnBusy = NonNullable<RunRequest["on_busy"]>;
/**
 * A stage as it is written: what has a default may be left out. Times in the unit that the name ends in;
 * `retry_attempts` is the total number of tries.
 *
 * @example
 * const stage: Stage = { name: "search", agent_type: "source_retrieval", timeout_seconds: 30, retry_attempts: 2 };
 */
export type Stage = z.input<typeof PipelineStage>;
/**
 * What `executeStage` runs a stage with: the query, and the data that its dependencies would give.
 *
 * @example
 * const run: StageRun = { query: "What is a heat pump?", inputs: { query_rewriting: { queries: ["heat pump"] } } };
 */
export type StageRun = Omit<z.input<typeof StageExecutionRequest>, "stage">;
/**
 * A registered agent with its breaker; `opened_at` and `retry_at` are RFC 3339.
 *
 * @example
 * const failing = (agents: readonly Agent[]) => agents.filter(({ breaker }) => breaker.state !== "closed");
 */
export type Agent = z.infer<typeof AgentSchema>;
/**
 * Where an agent is: a URL, or the name of a service binding with a path; and the headers of its calls, each the name
 * of a secret of the coordinator.
 *
 * @example
 * const registration: Registration = {
 *   url: "https://agents.example.com/search",
 *   headers: { authorization: "secret:SEARCH_AGENT" },
 * };
 */
export type Registration = z.input<typeof AgentRegistration>;
/**
 * A run with the URL, token and all, by which a browser's EventSource follows it while it is not terminal. Durations in
 * ms, times as RFC 3339.
 *
 * @example
 * const execution: Execution = await client.getExecution(execution_id);
 * console.log(execution.status, execution.duration_ms);
 */
export type Execution = PipelineExecution;

/**
 * What every call takes.
 *
 * @example
 * const options: CallOptions = { signal: AbortSignal.timeout(5_000) };
 * const { status } = await client.getExecution(execution_id, options);
 */
export interface CallOptions {
  /** Ends the call: it rejects with the reason of the signal. */
  signal?: AbortSignal;
}

/**
 * How a run is started.
 *
 * @example
 * const options: StartOptions = { idempotencyKey: "order-4711" };
 * await client.startExecution({ query: "What is a heat pump?", conversation_id: "c1" }, options);
 */
export interface StartOptions extends CallOptions {
  /** Repetitions with the same key attach to the same run; a random one where it is left out. */
  idempotencyKey?: string;
}

/**
 * Takes an event with the specification's `partial_answer`; the next event waits for the promise that it returns.
 *
 * @example
 * const show: UpdateCallback = ({ type, partial_answer }) => console.log(type, partial_answer);
 */
export type UpdateCallback = (update: StreamUpdate) => void | Promise<void>;

/**
 * How a run is started and seen.
 *
 * @example
 * const options: ExecuteOptions = { onUpdate: ({ type }) => console.log(type), signal: AbortSignal.timeout(60_000) };
 */
export interface ExecuteOptions extends StartOptions {
  /**
   * Called with every event as it comes; the next one waits for the promise that it returns. What it throws or rejects
   * with ends the call, and the run goes on.
   */
  onUpdate?: UpdateCallback;
  /** The specification's name for `onUpdate`. Where both are given, both are called. */
  streamCallback?: UpdateCallback;
}

/**
 * What must hold for a pipeline to be written, against overwriting the change of another editor.
 *
 * @example
 * const onlyNew: WriteOptions = { ifNoneMatch: "*" };
 * await client.configurePipeline("short", [{ name: "answer", agent_type: "answer_generation" }], onlyNew);
 */
export interface WriteOptions extends CallOptions {
  /** Writes only where the pipeline still has this ETag. */
  ifMatch?: string;
  /** `*` writes only where no pipeline has this name. */
  ifNoneMatch?: string;
}

/**
 * How a definition is written. `description` is for people and models: what the pipeline answers; `budget` is what each
 * of its runs may spend that brings none of its own. A definition that is written without them has none.
 *
 * @example
 * const options: DefinitionOptions = { description: "Answers questions about energy.", budget: { cost_usd: 1 } };
 * await client.configurePipeline("short", [{ name: "answer", agent_type: "answer_generation" }], options);
 */
export interface DefinitionOptions extends WriteOptions {
  description?: string;
  budget?: Budget;
}
