// CoordinatorClient: the specification's methods in camelCase over the HTTP of API.md, typed by the same contract
// that the coordinator validates with. Every method throws CoordinatorClientError, told apart by its `code`.
import type { z } from "zod";
import type { CoordinatorConfig } from "../contract/config.ts";
import type { CleanupResult, ExecutionList } from "../contract/execution-list.ts";
import type { ExecutionFilter, PauseMode } from "../contract/requests.ts";
import type { Validation, WrittenPipeline } from "../contract/management.ts";
import type { Pipeline } from "../contract/pipeline.ts";
import type { DefinitionError } from "../contract/problem.ts";
import type { StageResult } from "../contract/stage.ts";
import type { ExecutionTrace } from "../contract/trace.ts";
import { CoordinatorClientError } from "./errors.ts";
import { type ExecutionEvent, isTerminalEvent } from "./events.ts";
import { follow, type FollowOptions, pause } from "./follow.ts";
import type { Alert, ConfigPatch, Metrics, StageMetrics } from "./metrics.ts";
import type {
  Agent,
  CallOptions,
  ExecuteOptions,
  Execution,
  Registration,
  RunRequest,
  Stage,
  StageRun,
  StartOptions,
  WriteOptions,
} from "./requests.ts";
import { type ClientOptions, Transport } from "./transport.ts";

/** Tries of a start that nothing answered. */
const START_TRIES = 5;

export class CoordinatorClient {
  private readonly http: Transport;

  constructor(options: ClientOptions) {
    this.http = new Transport(options);
  }

  /**
   * Runs a pipeline and resolves with what became of it: also one that failed is a result, and one that somebody has
   * paused comes back with the status `paused`. With `onUpdate` the events come as they happen. A connection that
   * breaks is taken up again; the pipeline runs once.
   */
  async executePipeline(request: RunRequest, options: ExecuteOptions = {}): Promise<Execution> {
    const { onUpdate, signal } = options;
    const start = startOf(request, options);
    if (onUpdate === undefined) return this.start(start, signal);
    const open = (after: number | null, cut: AbortSignal) =>
      this.http.open("/v1/executions", {
        ...start,
        headers: { ...start.headers, ...followHeaders(after) },
        signal: cut,
      });
    for await (const event of follow(open, signal === undefined ? {} : { signal })) {
      await onUpdate(event);
      if (!isTerminalEvent(event)) continue;
      return event.data.truncated === true ? this.getExecution(event.execution_id, options) : event.data;
    }
    throw new CoordinatorClientError("INVALID_RESPONSE", "the stream had no terminal event");
  }

  /** Starts a pipeline and comes back at once; `stream` and `getExecution` follow it. */
  async startExecution(request: RunRequest, options: StartOptions = {}): Promise<Execution> {
    const start = startOf(request, options);
    return this.start({ ...start, headers: { ...start.headers, prefer: "respond-async" } }, options.signal);
  }

  /**
   * Every event after `options.after` (0), until the terminal one; reconnects by itself. Where the config's
   * `enable_streaming` is false there are no deltas and no progress among them.
   */
  stream(execution_id: string, options: FollowOptions = {}): AsyncGenerator<ExecutionEvent, void, undefined> {
    const open = (after: number | null, signal: AbortSignal) =>
      this.http.open(`${pathOf(execution_id)}/events`, { headers: followHeaders(after), signal });
    return follow(open, options);
  }

  async executeStage(stage: Stage, run: StageRun, options: StartOptions = {}): Promise<StageResult> {
    return this.http.json("/v1/stages/execute", {
      method: "POST",
      body: { ...run, stage },
      headers: { "idempotency-key": options.idempotencyKey },
      signal: options.signal,
    });
  }

  async getExecution(execution_id: string, options: CallOptions = {}): Promise<Execution> {
    return this.http.json(pathOf(execution_id), { signal: options.signal });
  }

  async listExecutions(
    filter: Partial<z.output<typeof ExecutionFilter>> = {},
    options: CallOptions = {},
  ): Promise<z.infer<typeof ExecutionList>> {
    const query = filter as Record<string, string | number | undefined>;
    return this.http.json("/v1/executions", { query, signal: options.signal });
  }

  /** Forgets an execution that has ended. */
  async deleteExecution(execution_id: string, options: CallOptions = {}): Promise<void> {
    await this.http.answered(pathOf(execution_id), { method: "DELETE", signal: options.signal });
  }

  /** `drain` lets the stages in flight finish, `abort` stops them, to run again after resume. */
  async pauseExecution(
    execution_id: string,
    { mode = "drain", signal }: CallOptions & { mode?: PauseMode } = {},
  ): Promise<Execution> {
    return this.http.json(`${pathOf(execution_id)}/pause`, { method: "POST", body: { mode }, signal });
  }

  async resumeExecution(execution_id: string, options: CallOptions = {}): Promise<Execution> {
    return this.http.json(`${pathOf(execution_id)}/resume`, { method: "POST", signal: options.signal });
  }

  async cancelExecution(execution_id: string, options: CallOptions = {}): Promise<Execution> {
    return this.http.json(`${pathOf(execution_id)}/cancel`, { method: "POST", signal: options.signal });
  }

  async getExecutionTrace(execution_id: string, options: CallOptions = {}): Promise<ExecutionTrace> {
    return this.http.json(`${pathOf(execution_id)}/trace`, { signal: options.signal });
  }

  /** Deletes what ended longer ago than this; to be called again while `has_more`. */
  async cleanupCompletedExecutions(
    older_than_seconds: number,
    options: CallOptions = {},
  ): Promise<z.infer<typeof CleanupResult>> {
    const body = { older_than_seconds };
    return this.http.json("/v1/executions/cleanup", { method: "POST", body, signal: options.signal });
  }

  /** Writes a pipeline whole. Its `hints` are what may not be meant, and refuse nothing. */
  async configurePipeline(
    name: string,
    stages: readonly Stage[],
    options: WriteOptions = {},
  ): Promise<WrittenPipeline> {
    return this.http.json(pipelinePath(name), {
      method: "PUT",
      body: { stages },
      headers: { "if-match": options.ifMatch, "if-none-match": options.ifNoneMatch },
      signal: options.signal,
    });
  }

  async getPipelineConfig(name: string, options: CallOptions = {}): Promise<Pipeline> {
    return this.http.json(pipelinePath(name), { signal: options.signal });
  }

  async listPipelines(options: CallOptions = {}): Promise<Pipeline[]> {
    return (await this.http.json<{ data: Pipeline[] }>("/v1/pipelines", { signal: options.signal })).data;
  }

  async deletePipeline(name: string, options: WriteOptions = {}): Promise<void> {
    const headers = { "if-match": options.ifMatch };
    await this.http.answered(pipelinePath(name), { method: "DELETE", headers, signal: options.signal });
  }

  /** Adds a stage at the end, or before another one. */
  async addStage(
    pipeline: string,
    stage: Stage,
    options: WriteOptions & { before?: string } = {},
  ): Promise<WrittenPipeline> {
    return this.http.json(`${pipelinePath(pipeline)}/stages`, {
      method: "POST",
      query: { before: options.before },
      body: stage,
      headers: { "if-match": options.ifMatch },
      signal: options.signal,
    });
  }

  async removeStage(pipeline: string, stage: string, options: WriteOptions = {}): Promise<WrittenPipeline> {
    return this.http.json(`${pipelinePath(pipeline)}/stages/${encodeURIComponent(stage)}`, {
      method: "DELETE",
      headers: { "if-match": options.ifMatch },
      signal: options.signal,
    });
  }

  /** Everything that is wrong with a definition, and its graph; a definition that is wrong is no error. */
  async validatePipelineConfig(stages: readonly unknown[], options: CallOptions = {}): Promise<Validation> {
    const body = { stages };
    return this.http.json("/v1/pipelines/validate", { method: "POST", body, signal: options.signal });
  }

  /** What depends on what, which stages may run side by side, and the longest chain. */
  async resolveDependencies(
    stages: readonly unknown[],
    options: CallOptions = {},
  ): Promise<Pick<Validation, "dependencies" | "layers" | "critical_path">> {
    const { dependencies, layers, critical_path } = await this.validatePipelineConfig(stages, options);
    return { dependencies, layers, critical_path };
  }

  /** The cycles of a definition; none where there is no error of that kind. */
  async detectCircularDependencies(
    stages: readonly unknown[],
    options: CallOptions = {},
  ): Promise<DefinitionError[]> {
    const { errors } = await this.validatePipelineConfig(stages, options);
    return errors.filter((error) => error.code === "CIRCULAR_DEPENDENCY");
  }

  async getConfig(options: CallOptions = {}): Promise<CoordinatorConfig> {
    return this.http.json("/v1/config", { signal: options.signal });
  }

  /** Merges deeply; null gives a key its default back. */
  async updateConfig(patch: ConfigPatch, options: CallOptions = {}): Promise<CoordinatorConfig> {
    return this.http.json("/v1/config", { method: "PATCH", body: patch, signal: options.signal });
  }

  async getPerformanceMetrics(
    window: { pipeline?: string; window_seconds?: number } = {},
    options: CallOptions = {},
  ): Promise<Metrics> {
    return this.http.json("/v1/metrics", { query: window, signal: options.signal });
  }

  /** The metrics of every stage by name. */
  async getStageMetrics(
    window: { pipeline?: string; window_seconds?: number } = {},
    options: CallOptions = {},
  ): Promise<Record<string, StageMetrics>> {
    return (await this.getPerformanceMetrics(window, options)).stage_metrics;
  }

  /** Where the time goes, and what could be done about it. */
  async analyzeBottlenecks(
    window: { pipeline?: string; window_seconds?: number } = {},
    options: CallOptions = {},
  ): Promise<Metrics["performance_analytics"]> {
    return (await this.getPerformanceMetrics(window, options)).performance_analytics;
  }

  async getAlerts(options: CallOptions = {}): Promise<Alert[]> {
    return (await this.http.json<{ data: Alert[] }>("/v1/alerts", { signal: options.signal })).data;
  }

  async registerAgent(
    agent_type: string,
    registration: Registration,
    options: CallOptions = {},
  ): Promise<Agent> {
    return this.http.json(agentPath(agent_type), {
      method: "PUT",
      body: registration,
      signal: options.signal,
    });
  }

  async getAgent(agent_type: string, options: CallOptions = {}): Promise<Agent> {
    return this.http.json(agentPath(agent_type), { signal: options.signal });
  }

  async listAgents(options: CallOptions = {}): Promise<Agent[]> {
    return (await this.http.json<{ data: Agent[] }>("/v1/agents", { signal: options.signal })).data;
  }

  async unregisterAgent(agent_type: string, options: CallOptions = {}): Promise<void> {
    await this.http.answered(agentPath(agent_type), { method: "DELETE", signal: options.signal });
  }

  /** May be repeated: its key names the run. */
  private async start(send: ReturnType<typeof startOf>, signal: AbortSignal | undefined): Promise<Execution> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.http.json<Execution>("/v1/executions", { ...send, signal });
      } catch (cause) {
        const again = cause instanceof CoordinatorClientError && cause.code === "NETWORK_ERROR";
        if (!again || tried === START_TRIES) throw cause;
        await pause(100 * 2 ** tried, signal);
      }
    }
  }
}

function startOf(request: RunRequest, options: StartOptions) {
  const key =
    options.idempotencyKey ?? (request.execution_id === undefined ? crypto.randomUUID() : undefined);
  const headers: Record<string, string | undefined> = { "idempotency-key": key };
  return { method: "POST", body: request, headers };
}

function followHeaders(after: number | null): Record<string, string | undefined> {
  return { accept: "text/event-stream", "last-event-id": after === null ? undefined : String(after) };
}

function pathOf(execution_id: string): string {
  return `/v1/executions/${encodeURIComponent(execution_id)}`;
}

function pipelinePath(name: string): string {
  return `/v1/pipelines/${encodeURIComponent(name)}`;
}

function agentPath(agent_type: string): string {
  return `/v1/agents/${encodeURIComponent(agent_type)}`;
}
