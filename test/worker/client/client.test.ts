// The client against a real coordinator: the specification's examples in TypeScript with the names of
// src/contract/README.md, its three unit tests, streams that are cut, and errors by their code.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CoordinatorClient,
  CoordinatorClientError,
  type ExecutionEvent,
  type Stage,
} from "../../../src/client/index.ts";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  hangs,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { speaks, speech } from "../../support/agents/speaker.ts";

const QUERY = { query: "What are the benefits of renewable energy?", conversation_id: "conv_123" };
const answer = speech(30, "energy");
const rag: Stage[] = [
  { name: "query_analysis", agent_type: "analysis", cache: false },
  { name: "source_retrieval", agent_type: "retrieval", cache: false, depends_on: ["query_analysis"] },
  { name: "ranking", agent_type: "ranking", cache: false, depends_on: ["source_retrieval"], required: false },
  {
    name: "answer_generation",
    agent_type: "answer",
    cache: false,
    depends_on: ["source_retrieval", "ranking"],
  },
];

let agents: AgentServer;
let coordinator: Coordinator;
let client: CoordinatorClient;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  client = new CoordinatorClient({ baseUrl: `${coordinator.url}/` });
  agents.on("/analysis", answers({ intent: "benefits" }));
  agents.on("/retrieval", answers({ sources: ["a", "b"] }));
  agents.on("/ranking", answers({ order: [1, 0] }));
  agents.on("/answer", speaks(answer, 2));
  agents.on("/slow", after(300, answers({ slow: true })));
  agents.on("/stuck", hangs);
  for (const name of ["analysis", "retrieval", "ranking", "answer", "slow", "stuck", "flaky", "broken"]) {
    await client.registerAgent(name, { url: agents.url(`/${name}`) });
  }
  await client.configurePipeline("research", rag);
  await client.configurePipeline("slow", [
    { name: "one", agent_type: "slow", cache: false },
    { name: "two", agent_type: "analysis", cache: false, depends_on: ["one"] },
  ]);
});

afterAll(() => closeAll(coordinator, agents));

/** The error that a call of the client ends with. */
async function errorOf(call: Promise<unknown>): Promise<CoordinatorClientError> {
  const thrown = await call.then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(thrown).toBeInstanceOf(CoordinatorClientError);
  return thrown as CoordinatorClientError;
}

async function collect(events: AsyncIterable<ExecutionEvent>): Promise<ExecutionEvent[]> {
  const all: ExecutionEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("the specification's unit tests", () => {
  test("a pipeline executes and completes with results", async () => {
    const execution = await client.executePipeline({ ...QUERY, pipeline: "research" });
    expect(execution.status).toBe("completed");
    expect(Object.keys(execution.stage_results)).toEqual(rag.map((stage) => stage.name));
    expect(execution.final_result).toEqual({ answer: answer.join("") });
    expect(execution.duration_ms).toBeGreaterThan(0);
  });

  test("a stage's failure is retried, and a lasting failure is reported", async () => {
    agents.on("/flaky", inTurn(failsWith(503), answers({ fine: true })));
    const retried = await client.executeStage(
      { name: "only", agent_type: "flaky", cache: false },
      { query: "q" },
    );
    expect(retried).toMatchObject({ status: "completed", attempts: 2, data: { fine: true } });
    agents.on("/broken", failsWith(503, { detail: "busy" }));
    await client.configurePipeline("broken", [
      { name: "only", agent_type: "broken", cache: false, retry_attempts: 2 },
    ]);
    const failed = await client.executePipeline({ ...QUERY, pipeline: "broken" });
    expect(failed).toMatchObject({
      status: "failed",
      error_info: { code: "AGENT_UNAVAILABLE", failed_stage: "only", retry_attempts: 2 },
    });
  });

  test("a circular dependency is detected", async () => {
    const circle: Stage[] = [
      { name: "a", agent_type: "x", depends_on: ["b"] },
      { name: "b", agent_type: "x", depends_on: ["a"] },
    ];
    expect(await client.detectCircularDependencies(circle)).toMatchObject([{ code: "CIRCULAR_DEPENDENCY" }]);
    expect(await client.detectCircularDependencies(rag)).toEqual([]);
    expect((await errorOf(client.configurePipeline("circle", circle))).code).toBe("CIRCULAR_DEPENDENCY");
  });
});

describe("executing", () => {
  test("executePipeline with a config for a stage", async () => {
    const before = agents.callsOf("/retrieval").length;
    await client.executePipeline({
      ...QUERY,
      pipeline: "research",
      pipeline_config: {
        source_retrieval: { config: { search_strategy: "keyword" } },
        ranking: { enabled: false },
      },
    });
    expect(agents.callsOf("/retrieval").slice(before)).toMatchObject([
      { body: { config: { search_strategy: "keyword" } } },
    ]);
  });

  test("the stream callback sees every event in order, with the text so far, and the end is the result", async () => {
    const seen: ExecutionEvent[] = [];
    const execution = await client.executePipeline(
      { ...QUERY, pipeline: "research" },
      { onUpdate: (event) => void seen.push(event) },
    );
    expect(execution.final_result).toEqual({ answer: answer.join("") });
    const numbered = seen.flatMap((event) => ("seq" in event ? [event.seq] : []));
    expect(numbered).toEqual(numbered.map((_, at) => at + 1));
    expect(seen.findLast((event) => event.type === "stage.delta")?.text).toBe(answer.join(""));
    expect(seen.at(-1)?.type).toBe("execution.completed");
    expect(execution).toEqual(await client.getExecution(execution.execution_id));
  });

  test("what the callback throws ends the call", async () => {
    const refuse = () => Promise.reject(new Error("enough"));
    await expect(
      client.executePipeline({ ...QUERY, pipeline: "research" }, { onUpdate: refuse }),
    ).rejects.toThrow("enough");
  });

  test("startExecution, then for await over the stream, with a status in between", async () => {
    const { execution_id, status, stream_url } = await client.startExecution({ ...QUERY, pipeline: "slow" });
    expect(status).toBe("running");
    expect(stream_url).toContain(`/v1/executions/${execution_id}/events`);
    expect((await client.getExecution(execution_id)).current_stage).toBe("one");
    const events = await collect(client.stream(execution_id));
    expect(events.map((event) => event.type)).toEqual([
      "execution.started",
      "stage.started",
      "stage.completed",
      "stage.started",
      "stage.completed",
      "execution.completed",
    ]);
    expect(await collect(client.stream(execution_id, { after: 4 }))).toEqual(events.slice(4));
    expect(await collect(client.stream(execution_id, { after: 6 }))).toEqual([]);
  });

  test("the same key runs once", async () => {
    const options = { idempotencyKey: "client-key" };
    const before = agents.callsOf("/slow").length;
    const [a, b] = await Promise.all([
      client.executePipeline({ ...QUERY, pipeline: "slow" }, options),
      client.executePipeline({ ...QUERY, pipeline: "slow" }, { ...options, onUpdate: () => {} }),
    ]);
    expect(a).toEqual(b);
    expect(agents.callsOf("/slow").length - before).toBe(1);
    const other = { ...QUERY, query: "another", pipeline: "slow" };
    expect((await errorOf(client.executePipeline(other, options))).code).toBe("IDEMPOTENCY_MISMATCH");
  });

  test("pause, resume, cancel", async () => {
    const { execution_id } = await client.startExecution({ ...QUERY, pipeline: "slow" });
    expect((await client.pauseExecution(execution_id, { mode: "abort" })).status).toBe("paused");
    expect((await client.resumeExecution(execution_id)).status).toBe("running");
    expect((await errorOf(client.resumeExecution(execution_id))).code).toBe("EXECUTION_CONFLICT");
    expect((await client.cancelExecution(execution_id)).status).toBe("cancelled");
    const types = (await collect(client.stream(execution_id))).map((event) => event.type);
    expect(types).toContain("execution.resumed");
    expect(types.at(-1)).toBe("execution.cancelled");
  });

  test("the trace has every event with its timing", async () => {
    const { execution_id } = await client.executePipeline({ ...QUERY, pipeline: "broken" });
    const trace = await client.getExecutionTrace(execution_id);
    expect(trace.execution_id).toBe(execution_id);
    expect(trace.events.map(({ seq }) => seq)).toEqual(trace.events.map((_, at) => at + 1));
    expect(trace.events.find((event) => event.event_type === "stage.retrying")).toMatchObject({
      stage: "only",
      attempt: 1,
      error: { code: "AGENT_UNAVAILABLE" },
    });
    expect(trace.events.at(-1)).toMatchObject({ stage: null, error: { failed_stage: "only" } });
    expect((await errorOf(client.getExecutionTrace("nobody"))).code).toBe("EXECUTION_NOT_FOUND");
  });

  test("lists, deletes and cleans up", async () => {
    const { execution_id } = await client.executePipeline({ ...QUERY, pipeline: "broken" });
    await expect
      .poll(
        async () => (await client.listExecutions({ pipeline: "broken", limit: 1 })).data[0]?.execution_id,
        {
          timeout: 5_000,
        },
      )
      .toBe(execution_id);
    await client.deleteExecution(execution_id);
    expect((await errorOf(client.getExecution(execution_id))).code).toBe("EXECUTION_NOT_FOUND");
    expect(await client.cleanupCompletedExecutions(86_400)).toEqual({ deleted: 0, has_more: false });
  });
});

describe("definitions", () => {
  test("configures a pipeline, adds a stage, takes it out, and deletes it", async () => {
    const written = await client.configurePipeline("mine", [
      { name: "a", agent_type: "analysis", cache: false },
    ]);
    expect(written.stages).toMatchObject([{ name: "a", timeout_seconds: 60, retry_attempts: 3 }]);
    const grown = await client.addStage(
      "mine",
      { name: "b", agent_type: "ranking", cache: false },
      { before: "a" },
    );
    expect(grown.stages.map((stage) => stage.name)).toEqual(["b", "a"]);
    expect((await client.removeStage("mine", "b")).stages.map((stage) => stage.name)).toEqual(["a"]);
    expect((await errorOf(client.removeStage("mine", "b"))).code).toBe("STAGE_NOT_FOUND");
    expect((await client.getPipelineConfig("mine")).version).toBe(3);
    expect((await client.listPipelines()).map((pipeline) => pipeline.name)).toContain("mine");
    expect((await errorOf(client.configurePipeline("mine", rag, { ifMatch: '"0"' }))).code).toBe(
      "PRECONDITION_FAILED",
    );
    await client.deletePipeline("mine");
    expect((await errorOf(client.getPipelineConfig("mine"))).code).toBe("PIPELINE_NOT_FOUND");
  });

  test("validates and resolves dependencies without an error", async () => {
    const missing = await client.validatePipelineConfig([
      { name: "a", agent_type: "x", depends_on: ["ghost"] },
    ]);
    expect(missing).toMatchObject({ valid: false, errors: [{ code: "MISSING_DEPENDENCY" }] });
    expect(await client.resolveDependencies(rag)).toEqual({
      dependencies: {
        query_analysis: [],
        source_retrieval: ["query_analysis"],
        ranking: ["source_retrieval"],
        answer_generation: ["source_retrieval", "ranking"],
      },
      layers: [["query_analysis"], ["source_retrieval"], ["ranking"], ["answer_generation"]],
      critical_path: ["query_analysis", "source_retrieval", "ranking", "answer_generation"],
    });
  });

  test("updates the config deeply, and gives a default back", async () => {
    const updated = await client.updateConfig({
      circuit_breaker: { failure_threshold: 9 },
      stage_timeout_seconds: 30,
    });
    expect(updated.circuit_breaker).toEqual({ failure_threshold: 9, recovery_timeout_seconds: 60 });
    expect((await client.getConfig()).stage_timeout_seconds).toBe(30);
    const reset = await client.updateConfig({ circuit_breaker: null, stage_timeout_seconds: null });
    expect(reset).toMatchObject({ circuit_breaker: { failure_threshold: 5 }, stage_timeout_seconds: 60 });
    const wrong = await errorOf(client.updateConfig({ max_concurrent_stages: 99 }));
    expect(wrong).toMatchObject({ code: "INVALID_REQUEST", status: 400 });
    expect(wrong.errors[0]?.pointer).toBe("/max_concurrent_stages");
  });

  test("registers, shows, lists and unregisters an agent", async () => {
    await client.registerAgent("temporary", { url: agents.url("/temporary") });
    expect(await client.getAgent("temporary")).toMatchObject({ agent_type: "temporary", protocol: "native" });
    expect((await client.listAgents()).map((agent) => agent.agent_type)).toContain("temporary");
    await client.unregisterAgent("temporary");
    expect((await errorOf(client.getAgent("temporary"))).code).toBe("AGENT_NOT_FOUND");
  });
});

describe("endings", () => {
  test("an abort ends the iteration and the call with its reason", async () => {
    const { execution_id } = await client.startExecution({ ...QUERY, pipeline: "slow" });
    const gone = new AbortController();
    const reason = new Error("closed the tab");
    const seen: string[] = [];
    const following = (async () => {
      for await (const event of client.stream(execution_id, { signal: gone.signal })) {
        seen.push(event.type);
        if (event.type === "stage.started") gone.abort(reason);
      }
    })();
    await expect(following).rejects.toBe(reason);
    expect(seen).toEqual(["execution.started", "stage.started"]);
    const call = client.executePipeline(
      { ...QUERY, pipeline: "slow" },
      { signal: AbortSignal.abort(reason) },
    );
    await expect(call).rejects.toBe(reason);
  });

  test("leaving the loop leaves the stream", async () => {
    const { execution_id } = await client.startExecution({ ...QUERY, pipeline: "slow" });
    for await (const event of client.stream(execution_id)) if (event.type === "stage.started") break;
    expect((await client.cancelExecution(execution_id)).status).toBe("cancelled");
  });

  test("an unknown execution, a missing key and a dead server are errors by their code", async () => {
    expect(await errorOf(collect(client.stream("nobody")))).toMatchObject({
      code: "EXECUTION_NOT_FOUND",
      status: 404,
    });
    const dead = new CoordinatorClient({ baseUrl: "http://127.0.0.1:9" });
    expect((await errorOf(dead.getConfig())).code).toBe("NETWORK_ERROR");
    expect((await errorOf(collect(dead.stream("x", { maxRetries: 0 })))).code).toBe("NETWORK_ERROR");
    const page = new CoordinatorClient({
      baseUrl: "http://x.test",
      fetch: async () => new Response("<html>", { status: 502 }),
    });
    expect(await errorOf(page.getConfig())).toMatchObject({
      code: "INVALID_RESPONSE",
      status: 502,
      isTransient: true,
    });
  });

  test("an execution is executed with what only the client knows of HTTP: no header but its own", async () => {
    const sent: RequestInit[] = [];
    const spy = new CoordinatorClient({
      baseUrl: coordinator.url,
      apiKey: "k",
      fetch: (input, init) => {
        sent.push(init);
        return fetch(input, init);
      },
    });
    await spy.executePipeline({ ...QUERY, pipeline: "research" });
    expect(sent).toHaveLength(1);
    expect(sent[0]?.headers).toMatchObject({
      authorization: "Bearer k",
      "idempotency-key": expect.any(String),
    });
  });
});
