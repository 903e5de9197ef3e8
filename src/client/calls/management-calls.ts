// The client's calls about the coordinator itself: its config, metrics, alerts and the registry of agents.
import type { CoordinatorConfig } from "../../contract/config.ts";
import type {
  Alert,
  Bottleneck,
  BudgetState,
  ConfigPatch,
  Metrics,
  MetricsWindow,
  StageMetrics,
} from "../metrics.ts";
import type { Agent, CallOptions, Registration } from "../requests.ts";
import { type ClientOptions, Transport } from "../transport.ts";

export abstract class ManagementCalls {
  /** For the classes that extend this one. */
  protected readonly http: Transport;

  constructor(options: ClientOptions) {
    this.http = new Transport(options);
  }

  /**
   * Reads the config that holds for executions which start now: patched values, else the environment's, else defaults.
   *
   * @returns every key with its value; the names end in the unit (`_seconds`, `_ms`, `_mb`)
   * @example
   * const { stage_timeout_seconds } = await client.getConfig();
   */
  async getConfig(options: CallOptions = {}): Promise<CoordinatorConfig> {
    return this.http.json("/v1/config", { signal: options.signal });
  }

  /**
   * Changes the config for executions that start after the answer. The patch is merged deeply: a key that is absent
   * keeps its value, and `null` gives a key its default back.
   *
   * @param patch any part of the config, in the units of the keys' names
   * @returns the whole config as it is afterwards
   * @throws CoordinatorClientError `INVALID_REQUEST`: an unknown key or a bad value; `errors` names each
   * @example
   * await client.updateConfig({ max_concurrent_stages: 4, alert_thresholds: { stage_error_rate: 0.05 } });
   * await client.updateConfig({ max_concurrent_stages: null }); // its default again
   * await client.updateConfig({
   *   prices: { small: { input_per_million: 0.5, output_per_million: 2 } }, // US dollars
   *   budgets: [{ scope: "pipeline:rag", cost_usd: 20, window_seconds: 86_400 }],
   * });
   */
  async updateConfig(patch: ConfigPatch, options: CallOptions = {}): Promise<CoordinatorConfig> {
    return this.http.json("/v1/config", { method: "PATCH", body: patch, signal: options.signal });
  }

  /**
   * Reads all metrics at once: `execution_metrics`, `stage_metrics`, `performance_analytics`, `waits` and `cost`.
   *
   * @param window which executions count: of one `pipeline`, ended in the last `window_seconds` (a day at most and by
   * default)
   * @returns durations in ms, rates from 0 to 1, `percentage_of_total` from 0 to 100; costs in US dollars, null where none
   * is known
   * @throws CoordinatorClientError `INVALID_REQUEST`: a window that is not a whole number from 1 to 86,400
   * @example
   * const { execution_metrics } = await client.getPerformanceMetrics({ pipeline: "rag", window_seconds: 3_600 });
   */
  async getPerformanceMetrics(window: MetricsWindow = {}, options: CallOptions = {}): Promise<Metrics> {
    return this.http.json("/v1/metrics", { query: { ...window }, signal: options.signal });
  }

  /**
   * Reads the metrics of whole executions: how many, how they ended, how long they took.
   *
   * @param window as of `getPerformanceMetrics`
   * @returns durations in ms; `success_rate` from 0 to 1, and 1 where no execution has ended
   * @throws CoordinatorClientError as `getPerformanceMetrics`
   * @example
   * const { success_rate, p95_duration_ms } = await client.getExecutionMetrics({ pipeline: "rag" });
   */
  async getExecutionMetrics(
    window: MetricsWindow = {},
    options: CallOptions = {},
  ): Promise<Metrics["execution_metrics"]> {
    return (await this.getPerformanceMetrics(window, options)).execution_metrics;
  }

  /**
   * Reads the metrics of every stage, by its name.
   *
   * @param window as of `getPerformanceMetrics`
   * @returns durations in ms, rates from 0 to 1; a stage that has not run is absent
   * @throws CoordinatorClientError as `getPerformanceMetrics`
   * @example
   * const { answer_generation } = await client.getStageMetrics({ pipeline: "rag" });
   * console.log(answer_generation?.avg_duration_ms);
   */
  async getStageMetrics(
    window: MetricsWindow = {},
    options: CallOptions = {},
  ): Promise<Record<string, StageMetrics>> {
    return (await this.getPerformanceMetrics(window, options)).stage_metrics;
  }

  /**
   * Analyses where the time goes and what would save some of it.
   *
   * @param window as of `getPerformanceMetrics`
   * @returns `bottlenecks`, the largest `impact_score` first, and `optimization_opportunities` with the ms that each
   * would save in a run, on average
   * @throws CoordinatorClientError as `getPerformanceMetrics`
   * @example
   * const { optimization_opportunities } = await client.analyzeBottlenecks({ pipeline: "rag" });
   */
  async analyzeBottlenecks(
    window: MetricsWindow = {},
    options: CallOptions = {},
  ): Promise<Metrics["performance_analytics"]> {
    return (await this.getPerformanceMetrics(window, options)).performance_analytics;
  }

  /**
   * Lists the stages with at least a tenth of the time on the critical path, the largest share first.
   *
   * @param window as of `getPerformanceMetrics`
   * @returns each with its `root_cause` (also as `cause`) and its `optimization_recommendation` (also as
   * `recommendation`); `impact_score` from 0 to 1, `percentage_of_total` from 0 to 100, durations in ms
   * @throws CoordinatorClientError as `getPerformanceMetrics`
   * @example
   * for (const bottleneck of await client.analyzePerformanceBottlenecks({ pipeline: "rag" })) {
   *   console.log(bottleneck.stage, bottleneck.root_cause, bottleneck.optimization_recommendation);
   * }
   */
  async analyzePerformanceBottlenecks(
    window: MetricsWindow = {},
    options: CallOptions = {},
  ): Promise<Bottleneck[]> {
    return (await this.analyzeBottlenecks(window, options)).bottlenecks;
  }

  /**
   * Lists every alert with its threshold, its current value and whether it is firing. `updateConfig` changes the
   * thresholds (`alert_thresholds`).
   *
   * @returns values and thresholds in the unit of the alert's name, rates from 0 to 1
   * @example
   * const firing = (await client.getAlerts()).filter((alert) => alert.firing);
   */
  async getAlerts(options: CallOptions = {}): Promise<Alert[]> {
    return (await this.http.json<{ data: Alert[] }>("/v1/alerts", { signal: options.signal })).data;
  }

  /**
   * Lists the config's budgets of the tenant and of pipelines with what is spent of them now, not those of tags, which
   * have one for each value. `updateConfig` sets them (`budgets`). Past one of them a call that starts work is refused
   * with `BUDGET_EXCEEDED`.
   *
   * @returns amounts in US dollars, of the last `window_seconds`; null where one is not known now
   * @example
   * const spent = (await client.getBudgets()).filter(({ spent_usd, cost_usd }) => (spent_usd ?? 0) >= cost_usd);
   */
  async getBudgets(options: CallOptions = {}): Promise<BudgetState[]> {
    return (await this.http.json<{ data: BudgetState[] }>("/v1/budgets", { signal: options.signal })).data;
  }

  /**
   * Registers an agent, or replaces its registration.
   *
   * @param agent_type the name that stages call it by
   * @param registration its `url` or its `binding`; `headers`, whose values are `secret:NAME`; `limits`, the calls that it
   * gets from all runs together: `concurrency` at once, `rate.calls` in any `rate.per_seconds`
   * @throws CoordinatorClientError `INVALID_REQUEST`: a URL that is not allowed, or another bad field
   * @example
   * const limits = { concurrency: 4, rate: { calls: 60, per_seconds: 60 } };
   * await client.registerAgent("translator", { url: "https://translator.example.com/", limits });
   */
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

  /**
   * Reads one agent's registration and the state of its circuit breaker; of one with `limits` also its `load`: how many
   * calls have a place (`in_use`), and how many wait (`queued`).
   *
   * @param agent_type as stages name it
   * @throws CoordinatorClientError `AGENT_NOT_FOUND`
   * @example
   * const { breaker, load } = await client.getAgent("answer_generation");
   */
  async getAgent(agent_type: string, options: CallOptions = {}): Promise<Agent> {
    return this.http.json(agentPath(agent_type), { signal: options.signal });
  }

  /**
   * Lists every registered agent.
   *
   * @example
   * const names = (await client.listAgents()).map((agent) => agent.agent_type);
   */
  async listAgents(options: CallOptions = {}): Promise<Agent[]> {
    return (await this.http.json<{ data: Agent[] }>("/v1/agents", { signal: options.signal })).data;
  }

  /**
   * Removes an agent from the registry. Stages that call it fail with `AGENT_UNAVAILABLE` from then on.
   *
   * @param agent_type as stages name it
   * @throws CoordinatorClientError `AGENT_NOT_FOUND`
   * @example
   * await client.unregisterAgent("translator");
   */
  async unregisterAgent(agent_type: string, options: CallOptions = {}): Promise<void> {
    await this.http.answered(agentPath(agent_type), { method: "DELETE", signal: options.signal });
  }
}

function agentPath(agent_type: string): string {
  return `/v1/agents/${encodeURIComponent(agent_type)}`;
}
