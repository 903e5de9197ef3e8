// The specification's usage examples and its three unit tests, through the client, against the coordinator and the
// reference agents that `npm run dev` starts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStack, type Stack } from "../../../src/cli/stack.ts";
import {
  CoordinatorClient,
  CoordinatorClientError,
  type Execution,
  type Stage,
  type StreamUpdate,
} from "../../../src/client/index.ts";
import { agentsOver, type AnswerData } from "../../fixtures/agents/support.ts";
import {
  type AgentServer,
  type Behaviour,
  failsWith,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";

const QUESTION = { query: "What are the benefits of renewable energy?", conversation_id: "conv_123" };
/** Words as fast as they are read, for examples that do not look at the text as it grows. */
const QUICK = { answer_generation: { config: { pace_ms: 0 } } };
/** Slow enough to be interrupted in the middle. */
const SLOW = { answer_generation: { config: { pace_ms: 100 } } };
const STAGES = ["query_rewriting", "context_decision", "source_retrieval", "answer_generation"];

let agents: AgentServer;
let stack: Stack;
let client: CoordinatorClient;

beforeAll(async () => {
  agents = await startAgentServer();
  stack = await startStack({
    coordinatorVars: {
      AGENT_COORDINATOR_AUTH: "none",
      AGENT_COORDINATOR_CACHING: "false",
      AGENT_COORDINATOR_RETRY_DELAY: "0.01",
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
    },
    // An answer of the sources' own sentences, whatever model the environment names.
    agentVars: {},
    onLog: () => {},
  });
  client = new CoordinatorClient({ baseUrl: stack.url });
});

afterAll(() => closeAll(stack, agents));

/** The answer of a run that completed, which cites its sources. */
function answerOf({ status, error_info, final_result }: Execution): AnswerData {
  expect(error_info).toBe(null);
  expect(status).toBe("completed");
  const data = final_result as AnswerData;
  expect(data.grounded).toBe(true);
  expect(data.answer).toMatch(/\[1\]/);
  expect(data.citations.length).toBeGreaterThan(0);
  return data;
}

/** A reference agent at a URL of its own. */
const reference: Behaviour = async (call, response) => {
  const init = { method: "POST", body: JSON.stringify(call.body) };
  const request = new Request(`http://agents.test/${call.body.agent_type}`, init);
  const answer = await agentsOver().handler(request, {});
  response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
};

describe("the specification's unit tests", () => {
  test("a pipeline executes and completes with results", async () => {
    const execution = await client.executePipeline(QUESTION);
    const { answer, citations } = answerOf(execution);
    expect(answer).toMatch(/renewable|fuel|emission|energy/i);
    expect(citations.map(({ document }) => document)).toContain("renewable-energy.md");
    expect(execution).toMatchObject({ ...QUESTION, pipeline: "rag", current_stage: null, error_info: null });
    expect(Object.keys(execution.stage_results)).toEqual(STAGES);
    for (const result of Object.values(execution.stage_results)) {
      expect(result).toMatchObject({ status: "completed", attempts: 1, error: null, cached: false });
      expect(result.duration_ms).toBeGreaterThanOrEqual(0);
    }
    expect(execution.duration_ms).toBeGreaterThan(0);
    expect(execution.performance_metrics.critical_path.at(-1)).toBe("answer_generation");
    expect(execution.context_data).toEqual({});
    expect(await client.getExecution(execution.execution_id)).toEqual(execution);
  });

  test("a stage's failure is retried", async () => {
    agents.on("/flaky", inTurn(failsWith(503), failsWith(503), reference));
    // The registry may have an address of its own for a reference agent.
    await client.registerAgent("source_retrieval", { url: agents.url("/flaky") });
    try {
      const execution = await client.executePipeline({ ...QUESTION, pipeline_config: QUICK });
      answerOf(execution);
      expect(execution.stage_results["source_retrieval"]).toMatchObject({ status: "completed", attempts: 3 });
      expect(execution.performance_metrics.retries).toBe(2);
      expect(agents.callsOf("/flaky")).toHaveLength(3);
    } finally {
      await client.registerAgent("source_retrieval", { binding: "AGENTS", path: "/source_retrieval" });
    }
  });

  test("a circular dependency is detected", async () => {
    const circle: Stage[] = [
      { name: "query_rewriting", agent_type: "query_rewriter", depends_on: ["answer_generation"] },
      { name: "answer_generation", agent_type: "answer_generation", depends_on: ["query_rewriting"] },
    ];
    const [error, ...more] = await client.detectCircularDependencies(circle);
    expect(error).toMatchObject({ code: "CIRCULAR_DEPENDENCY" });
    expect(error?.message).toMatch(/query_rewriting.*answer_generation|answer_generation.*query_rewriting/);
    expect(more).toEqual([]);
    const before = await client.getPipelineConfig();
    const refused = await client.configurePipeline(circle).catch((cause: unknown) => cause);
    expect(refused).toBeInstanceOf(CoordinatorClientError);
    expect(refused).toMatchObject({ code: "CIRCULAR_DEPENDENCY", status: 422 });
    expect(await client.getPipelineConfig()).toEqual(before);
    expect(await client.detectCircularDependencies(before.stages)).toEqual([]);
  });
});

describe("executing", () => {
  test("with a pipeline_config", async () => {
    const execution = await client.executePipeline({
      ...QUESTION,
      pipeline_config: { ...QUICK, source_retrieval: { config: { search_strategy: "keyword" } } },
    });
    answerOf(execution);
    expect(execution.stage_results["source_retrieval"]?.data).toMatchObject({ search_strategy: "keyword" });
    // For this run alone.
    const { stages } = await client.getPipelineConfig();
    expect(stages.find(({ name }) => name === "source_retrieval")?.config).toEqual({});
  });

  test.each(["onUpdate", "streamCallback"])(
    "streaming: %s sees the text grow, and the answer",
    async (name) => {
      const updates: StreamUpdate[] = [];
      const execution = await client.executePipeline(QUESTION, {
        [name]: (update: StreamUpdate) => void updates.push(update),
      });
      const { answer } = answerOf(execution);

      const texts = updates.flatMap(({ type, status, partial_answer }) => {
        if (type !== "stage.delta") return [];
        expect(status).toBe("running");
        return [partial_answer ?? ""];
      });
      expect(texts.length).toBeGreaterThan(3);
      expect(texts.at(-1)).toBe(answer);
      texts.forEach((text, at) => expect(text.startsWith(texts[at - 1] ?? "")).toBe(true));

      // As the specification's callback reads them.
      const completed = updates.filter(
        (update) => update.status === "completed" && update.partial_answer !== undefined,
      );
      expect(completed.map((update) => ("stage" in update ? update.stage : update.type))).toEqual([
        "answer_generation",
        "execution.completed",
      ]);
      for (const { partial_answer } of completed) expect(partial_answer).toBe(answer);
      const ended = updates.flatMap((update) => (update.type === "stage.completed" ? [update.stage] : []));
      expect(ended.toSorted()).toEqual(STAGES.toSorted());
    },
  );

  test("both names at once: each callback sees every update", async () => {
    const seen: [string[], string[]] = [[], []];
    await client.executePipeline(
      { ...QUESTION, pipeline_config: QUICK },
      {
        onUpdate: ({ type }) => void seen[0].push(type),
        streamCallback: ({ type }) => void seen[1].push(type),
      },
    );
    expect(seen[0].at(-1)).toBe("execution.completed");
    expect(seen[1]).toEqual(seen[0]);
  });

  test("started at once, and followed by another reader", async () => {
    const { execution_id, status } = await client.startExecution({ ...QUESTION, pipeline_config: QUICK });
    expect(status).toBe("running");
    let last: StreamUpdate | undefined;
    for await (const update of client.stream(execution_id)) last = update;
    const { final_result } = await client.getExecution(execution_id);
    expect(last).toMatchObject({ type: "execution.completed", status: "completed" });
    expect(last?.partial_answer).toBe((final_result as AnswerData).answer);
  });

  test("several retrievals side by side, and an answer from what they found", async () => {
    const search = (name: string, search_strategy: string): Stage => ({
      name,
      agent_type: "source_retrieval",
      parallel: true,
      depends_on: ["query_rewriting"],
      config: { search_strategy, max_results: 2 },
    });
    const searches = ["keyword_search", "vector_search", "hybrid_search"];
    await client.configurePipeline("parallel_retrieval", [
      { name: "query_rewriting", agent_type: "query_rewriter", required: false },
      ...searches.map((name) => search(name, name.replace("_search", ""))),
      { name: "answer_generation", agent_type: "answer_generation", depends_on: searches },
    ]);
    const execution = await client.executePipeline({
      ...QUESTION,
      pipeline: "parallel_retrieval",
      pipeline_config: QUICK,
    });
    const { citations } = answerOf(execution);

    const found = searches.flatMap((name) => {
      const data = execution.stage_results[name]?.data as { passages: { document: string }[] } | undefined;
      const passages = data?.passages ?? [];
      expect(passages.length, name).toBeGreaterThan(0);
      return passages.map(({ document }) => document);
    });
    for (const { document } of citations) expect(found).toContain(document);
    const { events } = await client.getExecutionTrace(execution.execution_id);
    const types = events.flatMap(({ stage, event_type }) =>
      searches.includes(stage ?? "") ? [event_type] : [],
    );
    expect(types.slice(0, 3)).toEqual(["stage.started", "stage.started", "stage.started"]);
  });

  test("one stage by itself", async () => {
    const result = await client.executeStage(
      { name: "source_retrieval", agent_type: "source_retrieval", config: { search_strategy: "hybrid" } },
      { query: QUESTION.query },
    );
    expect(result).toMatchObject({
      stage: "source_retrieval",
      status: "completed",
      attempts: 1,
      error: null,
    });
    expect(result.data).toMatchObject({ passages: expect.arrayContaining([expect.anything()]) });
  });
});

describe("pause, resume, cancel", () => {
  /** Reads until the answer has begun. */
  async function begun(execution_id: string): Promise<string> {
    for await (const update of client.stream(execution_id)) {
      if (update.type === "stage.delta" && update.partial_answer !== "") return update.partial_answer;
    }
    throw new Error("the execution ended without a piece of an answer");
  }

  test.each([
    ["drain", 1],
    ["abort", 2],
  ] as const)(
    "paused by %s in the middle of its answer, an execution is resumed and completes",
    async (mode, calls) => {
      const { execution_id } = await client.startExecution(QUESTION);
      await begun(execution_id);
      expect((await client.pauseExecution(execution_id, { mode })).status).toBe("paused");
      expect((await client.getExecution(execution_id)).status).toBe("paused");
      expect((await client.resumeExecution(execution_id)).status).toBe("running");
      const updates: StreamUpdate[] = [];
      for await (const update of client.stream(execution_id)) updates.push(update);
      expect(updates.map(({ type }) => type)).toEqual(
        expect.arrayContaining(["execution.paused", "execution.resumed"]),
      );
      const started = updates.filter(
        (update) => update.type === "stage.started" && update.stage === "answer_generation",
      );
      expect(started).toHaveLength(calls);
      const { answer } = answerOf(await client.getExecution(execution_id));
      expect(updates.at(-1)).toMatchObject({ type: "execution.completed", partial_answer: answer });
    },
  );

  test("a cancelled execution ends in the middle of its answer", async () => {
    const { execution_id } = await client.startExecution({ ...QUESTION, pipeline_config: SLOW });
    await begun(execution_id);
    const cancelled = await client.cancelExecution(execution_id);
    expect(cancelled).toMatchObject({ status: "cancelled", final_result: null });
    expect(cancelled.stage_results["answer_generation"]?.status).toBe("cancelled");
    expect(cancelled.stage_results["source_retrieval"]?.status).toBe("completed");
  });
});

describe("monitoring", () => {
  test("metrics of executions and stages, and bottlenecks", async () => {
    const { stages } = await client.getPipelineConfig();
    await client.configurePipeline("measured", stages);
    for (const query of [QUESTION.query, "Why have turbines become so tall?"]) {
      answerOf(await client.executePipeline({ ...QUESTION, query, pipeline: "measured" }));
    }
    const window = { pipeline: "measured", window_seconds: 3_600 };
    await expect
      .poll(async () => (await client.getExecutionMetrics(window)).total_executions, { timeout: 5_000 })
      .toBe(2);
    const execution_metrics = await client.getExecutionMetrics(window);
    expect(execution_metrics).toMatchObject({
      successful_executions: 2,
      failed_executions: 0,
      cancelled_executions: 0,
      success_rate: 1,
      concurrent_executions: 0,
    });
    for (const key of ["average", "avg", "p50", "p95", "p99"] as const) {
      expect(execution_metrics[`${key}_duration_ms`], key).toBeGreaterThan(0);
    }
    const stage_metrics = await client.getStageMetrics(window);
    expect(Object.keys(stage_metrics).toSorted()).toEqual(STAGES.toSorted());
    expect(stage_metrics["answer_generation"]).toMatchObject({
      executions: 2,
      success_rate: 1,
      error_rate: 0,
      retries: 0,
      cache_hits: 0,
    });

    const bottlenecks = await client.analyzePerformanceBottlenecks(window);
    // Words are written one by one, which takes longer than all the rest.
    expect(bottlenecks[0]).toMatchObject({
      stage: "answer_generation",
      impact: "high",
      root_cause: expect.stringMatching(/^slow agent: /),
      optimization_recommendation: expect.stringContaining("Make the agent of answer_generation faster"),
    });
    for (const bottleneck of bottlenecks) {
      expect(bottleneck).toMatchObject({
        cause: bottleneck.root_cause,
        recommendation: bottleneck.optimization_recommendation,
      });
      expect(bottleneck.impact_score).toBeGreaterThan(0);
      expect(bottleneck.percentage_of_total).toBeGreaterThan(0);
      expect(bottleneck.avg_duration_ms).toBe(bottleneck.average_duration_ms);
    }
    const performance_analytics = await client.analyzeBottlenecks(window);
    expect(performance_analytics.bottlenecks).toEqual(bottlenecks);
    expect(await client.getPerformanceMetrics(window)).toEqual({
      execution_metrics,
      stage_metrics,
      performance_analytics,
      waits: { open: 0, expired: 0, answered: 0, p50_ms: 0, p95_ms: 0 },
      cost: {
        total_usd: 0,
        unpriced_tokens: 0,
        by_pipeline: {},
        by_model: {},
        by_tag: {},
        recent_runs: [],
      },
    });
  });

  test("the trace of an execution", async () => {
    const { execution_id } = await client.executePipeline({ ...QUESTION, pipeline_config: QUICK });
    const trace = await client.getExecutionTrace(execution_id);
    expect(trace.execution_id).toBe(execution_id);
    expect(trace.events[0]).toMatchObject({
      seq: 1,
      event_type: "execution.started",
      stage: null,
      error: null,
    });
    expect(trace.events.at(-1)).toMatchObject({ event_type: "execution.completed", stage: null });
    for (const stage of STAGES) {
      const own = trace.events.filter((event) => event.stage === stage);
      expect(own.map(({ event_type }) => event_type)).toEqual(["stage.started", "stage.completed"]);
      const [began = 0, ended = 0] = own.map(({ timestamp }) => Date.parse(timestamp));
      expect(ended).toBeGreaterThanOrEqual(began);
    }
  });

  test("an alert fires where its threshold is passed", async () => {
    const names = new Set((await client.getAlerts()).map(({ name }) => name));
    expect([...names].toSorted()).toEqual([
      "avg_execution_time_ms",
      "concurrent_executions",
      "cost_usd_per_hour",
      "execution_success_rate",
      "memory_usage_mb",
      "stage_error_rate",
      "wait_age_seconds",
    ]);
    await client.updateConfig({ alert_thresholds: { avg_execution_time_ms: 1 } });
    await client.executePipeline(QUESTION);
    const slow = async () => (await client.getAlerts()).find(({ name }) => name === "avg_execution_time_ms");
    await expect.poll(async () => (await slow())?.firing, { timeout: 5_000 }).toBe(true);
    expect(await slow()).toMatchObject({ threshold: 1, since: expect.any(String) });
    expect((await slow())?.value).toBeGreaterThan(1);
    await client.updateConfig({ alert_thresholds: null });
    expect((await slow())?.threshold).toBe(5_000);
  });

  test("executions are listed, and those that ended are cleaned up", async () => {
    const conversation_id = "conv_cleanup";
    const { execution_id } = await client.executePipeline({
      ...QUESTION,
      conversation_id,
      pipeline_config: QUICK,
    });
    const listed = async () => (await client.listExecutions({ conversation_id })).data;
    await expect.poll(listed, { timeout: 5_000 }).toMatchObject([{ execution_id, status: "completed" }]);
    expect(await client.cleanupCompletedExecutions(3_600)).toEqual({ deleted: 0, has_more: false });
    let cleaned = await client.cleanupCompletedExecutions(0);
    expect(cleaned.deleted).toBeGreaterThan(0);
    while (cleaned.has_more) cleaned = await client.cleanupCompletedExecutions(0);
    await expect.poll(listed, { timeout: 5_000 }).toEqual([]);
  });
});

describe("managing", () => {
  test("the default pipeline is rag: read, extended, reduced, replaced", async () => {
    const original = await client.getPipelineConfig();
    expect(original.name).toBe("rag");
    expect(original).toEqual(await client.getPipelineConfig("rag"));
    expect(original.stages.map(({ name }) => name)).toEqual(STAGES);
    expect(original.stages[0]).toMatchObject({ agent_type: "query_rewriter", required: false });

    const last: Stage = {
      name: "second_look",
      agent_type: "answer_generation",
      depends_on: ["source_retrieval"],
    };
    expect((await client.addStage(last)).stages.map(({ name }) => name)).toEqual([...STAGES, "second_look"]);
    expect((await client.removeStage("second_look")).stages.map(({ name }) => name)).toEqual(STAGES);
    const first: Stage = { name: "opening", agent_type: "context_decision" };
    const opened = await client.addStage(first, { before: "query_rewriting" });
    expect(opened.stages.map(({ name }) => name)).toEqual(["opening", ...STAGES]);
    await client.removeStage("opening");
    const kept = await client.removeStage("source_retrieval").catch((cause: unknown) => cause);
    expect(kept).toMatchObject({ code: "MISSING_DEPENDENCY" });

    const two: Stage[] = [
      { name: "source_retrieval", agent_type: "source_retrieval", timeout_seconds: 30 },
      { name: "answer_generation", agent_type: "answer_generation", depends_on: ["source_retrieval"] },
    ];
    const { version } = await client.getPipelineConfig();
    const refused = await client.configurePipeline(two, { ifMatch: '"0"' }).catch((cause: unknown) => cause);
    expect(refused).toMatchObject({ code: "PRECONDITION_FAILED" });
    const written = await client.configurePipeline(two);
    expect(written).toMatchObject({ name: "rag", version: version + 1 });
    const execution = await client.executePipeline({ ...QUESTION, pipeline_config: QUICK });
    answerOf(execution);
    expect(Object.keys(execution.stage_results)).toEqual(["source_retrieval", "answer_generation"]);
    expect((await client.configurePipeline(original.stages)).stages).toEqual(original.stages);
  });

  test("a definition is validated and resolved", async () => {
    const { stages } = await client.getPipelineConfig();
    expect(await client.validatePipelineConfig(stages)).toMatchObject({ valid: true, errors: [] });
    const { dependencies, layers, critical_path } = await client.resolveDependencies(stages);
    expect(dependencies["source_retrieval"]).toEqual(["query_rewriting", "context_decision"]);
    expect(layers).toEqual([
      ["query_rewriting", "context_decision"],
      ["source_retrieval"],
      ["answer_generation"],
    ]);
    expect(critical_path.slice(-2)).toEqual(["source_retrieval", "answer_generation"]);
    const wrong = await client.validatePipelineConfig([
      { name: "answer_generation", agent_type: "answer_generation", depends_on: ["source_retrieval"] },
    ]);
    expect(wrong).toMatchObject({
      valid: false,
      errors: [{ code: "MISSING_DEPENDENCY", stage: "answer_generation" }],
    });
  });

  test("the config is updated, and holds for the next execution", async () => {
    const updated = await client.updateConfig({
      max_concurrent_stages: 5,
      stage_timeout_seconds: 45,
      enable_parallel_execution: false,
      circuit_breaker: { failure_threshold: 7 },
    });
    expect(updated).toMatchObject({ max_concurrent_stages: 5, stage_timeout_seconds: 45 });
    expect(await client.getConfig()).toEqual(updated);
    const { execution_id } = await client.executePipeline({ ...QUESTION, pipeline_config: QUICK });
    const { events } = await client.getExecutionTrace(execution_id);
    // No two stages overlap.
    const order = events.flatMap(({ event_type, stage }) => (stage === null ? [] : [event_type]));
    expect(order.filter((type, at) => (type === "stage.started") !== (at % 2 === 0))).toEqual([]);
    const reset = await client.updateConfig({
      max_concurrent_stages: null,
      stage_timeout_seconds: null,
      enable_parallel_execution: null,
      circuit_breaker: null,
    });
    expect(reset).toMatchObject({
      max_concurrent_stages: 3,
      stage_timeout_seconds: 60,
      enable_parallel_execution: true,
      circuit_breaker: { failure_threshold: 5 },
    });
  });

  test("the registry has the reference agents, takes another, and gives it up", async () => {
    const types = async () => (await client.listAgents()).map(({ agent_type }) => agent_type);
    expect(await types()).toEqual(
      expect.arrayContaining(["query_rewriter", "context_decision", "source_retrieval", "answer_generation"]),
    );
    agents.on("/spare", reference);
    await client.registerAgent("spare", { url: agents.url("/spare") });
    expect(await types()).toContain("spare");
    expect(await client.getAgent("spare")).toMatchObject({ breaker: { state: "closed", failures: 0 } });
    await client.unregisterAgent("spare");
    expect(await types()).not.toContain("spare");
    const gone = await client.executeStage({ name: "only", agent_type: "spare" }, { query: "q" });
    expect(gone).toMatchObject({ status: "failed", error: { code: "AGENT_UNAVAILABLE" } });
  });
});
