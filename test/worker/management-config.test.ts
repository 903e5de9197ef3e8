// Every key of CoordinatorConfig, in real workerd: two values and what differs between them in a real run. A key
// without a row fails; a key whose effect belongs to work that is not done yet says which.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CoordinatorConfig, DEFAULT_CONFIG } from "../../src/contract/config.ts";
import {
  after,
  type AgentServer,
  answers,
  type Behaviour,
  failsWith,
  hangs,
  inTurn,
  startAgentServer,
} from "../support/agent-server.ts";
import { type Coordinator, startCoordinator } from "../support/coordinator.ts";
import { callWith } from "../support/keys.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  // Defaults of the environment, so that a key is always laid over one.
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0",
    AGENT_COORDINATOR_MAX_RETRIES: "2",
    // An agent that fails in row after row is to be called in each.
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
  agents.on("/quick", after(60, answers({ said: "quick" })));
  agents.on("/large", answers({ pad: "x".repeat(20_000) }));
  agents.on("/hangs", hangs);
  for (const name of ["quick", "large", "hangs", "fails"])
    await coordinator.agent(name, agents.url(`/${name}`));
  const parallel = ["a", "b", "c", "d"].map((name) => ({ name, agent_type: "quick", parallel: true }));
  await coordinator.pipeline("parallel", parallel);
  for (const name of ["quick", "large", "hangs", "fails"])
    await coordinator.pipeline(name, [{ name: "only", agent_type: name }]);
});

afterAll(async () => {
  await coordinator?.close();
  await agents?.close();
});

const api = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  callWith(coordinator, null, method, path, body, headers);
const patch = (body: unknown) => api("PATCH", "/v1/config", body);
const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

// oxlint-disable-next-line typescript/no-explicit-any -- executions are looked at as JSON.
type Any = any;
const run = async (pipeline: string): Promise<Any> => (await coordinator.run({ pipeline })).body;

/** How many stages were at work at once. */
async function widest(): Promise<number> {
  const { stage_results } = await run("parallel");
  const spans = Object.values<Any>(stage_results).map(
    (at) => [Date.parse(at.start_time), Date.parse(at.end_time)] as const,
  );
  return Math.max(
    ...spans.map(([start]) => spans.filter(([from, to]) => from <= start && start < to).length),
  );
}

let strangers = 0;

/** An agent that nobody has called yet, with a pipeline of its name. */
async function stranger(behaviour: Behaviour): Promise<string> {
  strangers += 1;
  const name = `stranger${strangers}`;
  agents.on(`/${name}`, behaviour);
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [{ name: "only", agent_type: name }]);
  return name;
}

function touchy(failure_threshold: number) {
  return { circuit_breaker: { failure_threshold }, max_retry_attempts: 1 };
}

async function callsOfFailing(): Promise<number> {
  const name = await stranger(failsWith(503));
  for (let made = 0; made < 4; made += 1) await run(name);
  return agents.callsOf(`/${name}`).length;
}

async function askedTwice(): Promise<number> {
  const name = await stranger(answers({}));
  const request = { stage: { name: "only", agent_type: name }, query: "q" };
  for (let made = 0; made < 2; made += 1) await api("POST", "/v1/stages/execute", request);
  return agents.callsOf(`/${name}`).length;
}

async function fallenBack(): Promise<string | null> {
  const name = await stranger(failsWith(400));
  return (await run(name)).stage_results.only.fallback?.strategy ?? null;
}

/** How many turns the agent of a conversation's fifth question is handed. */
async function remembered(): Promise<number> {
  const name = await stranger(answers({}));
  for (let made = 0; made < 5; made += 1) await coordinator.run({ pipeline: name, conversation_id: name });
  return agents.callsOf(`/${name}`).at(-1)?.body.history.length ?? -1;
}

async function failing(): Promise<Any> {
  agents.on("/fails", failsWith(503));
  return run("fails");
}

/** The delays that a failing stage was given, of `tries` tries. */
async function delays(): Promise<number[]> {
  const { execution_id } = await failing();
  const { data } = (
    await api("GET", `/v1/executions/${execution_id}/events`, undefined, { accept: "application/json" })
  ).body;
  return data.filter((at: Any) => at.type === "stage.retrying").map((at: Any) => at.data.delay_ms);
}

/** What a run of a stage that was cut by an eviction of its object comes to. */
async function afterCrash(): Promise<string> {
  agents.on("/fails", inTurn(hangs, answers({ said: "second" })));
  const before = agents.callsOf("/fails").length;
  agents.on("/fails", (call, response, count) =>
    count === before + 1 ? undefined : answers({ said: "again" })(call, response, count),
  );
  const { body } = await coordinator.run({ pipeline: "fails" }, { prefer: "respond-async" });
  while (agents.callsOf("/fails").length === before) await sleep(10);
  await coordinator.abort(body.execution_id);
  for (let tries = 0; tries < 50; tries += 1) {
    const { status } = (await api("GET", `/v1/executions/${body.execution_id}`)).body;
    if (status !== "running") return status;
    await sleep(50);
  }
  return "running";
}

/** What a run is found to be once its object has been out of memory. */
async function evicted(): Promise<number> {
  const { execution_id } = await run("quick");
  await coordinator.evict(execution_id);
  return (await api("GET", `/v1/executions/${execution_id}`)).status;
}

async function pausedFor(ms: number): Promise<string> {
  const { body } = await coordinator.run({ pipeline: "hangs" }, { prefer: "respond-async" });
  await api("POST", `/v1/executions/${body.execution_id}/pause`, { mode: "abort" });
  await sleep(ms);
  const { status } = (await api("GET", `/v1/executions/${body.execution_id}`)).body;
  await api("POST", `/v1/executions/${body.execution_id}/cancel`);
  return status;
}

async function keptFor(ms: number): Promise<number> {
  const { execution_id } = await run("quick");
  await sleep(ms);
  return (await api("GET", `/v1/executions/${execution_id}`)).status;
}

/** How many a run adds to the count of its pipeline. */
async function countedRuns(): Promise<number> {
  const total = async (): Promise<number> =>
    (await api("GET", "/v1/metrics?pipeline=quick")).body.execution_metrics.total_executions;
  const before = await total();
  await run("quick");
  // Figures follow within a second.
  await sleep(1_000);
  return (await total()) - before;
}

/** How many bottlenecks a run of a pipeline of its own is found to have. */
async function bottlenecks(): Promise<number> {
  const name = `watched-${Date.now()}`;
  await coordinator.pipeline(name, [{ name: "only", agent_type: "quick" }]);
  await run(name);
  await sleep(1_000);
  return (await api("GET", `/v1/metrics?pipeline=${name}`)).body.performance_analytics.bottlenecks.length;
}

async function slowAlert(): Promise<boolean> {
  await run("quick");
  await sleep(1_000);
  const { data } = (await api("GET", "/v1/alerts")).body;
  return data.find(({ name }: Any) => name === "avg_execution_time_ms").firing;
}

/** The levels of the lines that a run with a failed stage leaves in the operator's log, in order. */
async function logged(): Promise<string[]> {
  // An agent of its own: nothing is held against it yet.
  const name = `logged-${Date.now()}`;
  agents.on("/logged", failsWith(503));
  await coordinator.agent(name, agents.url("/logged"));
  await coordinator.pipeline(name, [{ name: "only", agent_type: name }]);
  const { execution_id } = await run(name);
  await sleep(200);
  const lines = coordinator.output().split("\n");
  return lines.filter((line) => line.includes(execution_id)).map((line) => JSON.parse(line).level);
}

interface Row {
  /** A patch, what is observed under it, and what is to be seen. */
  cases: readonly (readonly [
    patch: Record<string, unknown>,
    observe: () => Promise<unknown>,
    expected: unknown,
  ])[];
}

const limits = (execution: Any) => execution.error_info?.code ?? execution.status;

const ROWS: Record<string, Row> = {
  max_concurrent_stages: {
    cases: [
      [{ max_concurrent_stages: 2 }, widest, 2],
      [{ max_concurrent_stages: 4 }, widest, 4],
    ],
  },
  enable_parallel_execution: {
    cases: [
      [{ enable_parallel_execution: false }, widest, 1],
      [{ enable_parallel_execution: true }, widest, 3],
    ],
  },
  stage_timeout_seconds: {
    cases: [
      [
        { stage_timeout_seconds: 0.15, max_retry_attempts: 1 },
        async () => limits(await run("hangs")),
        "STAGE_TIMEOUT",
      ],
      [
        { stage_timeout_seconds: 5, pipeline_timeout_seconds: 0.4 },
        async () => limits(await run("hangs")),
        "PIPELINE_TIMEOUT",
      ],
    ],
  },
  pipeline_timeout_seconds: {
    cases: [
      [{ pipeline_timeout_seconds: 0.02 }, async () => limits(await run("quick")), "PIPELINE_TIMEOUT"],
      [{ pipeline_timeout_seconds: 5 }, async () => limits(await run("quick")), "completed"],
    ],
  },
  max_retry_attempts: {
    cases: [
      [{ max_retry_attempts: 1 }, async () => (await failing()).stage_results.only.attempts, 1],
      [{ max_retry_attempts: 4 }, async () => (await failing()).stage_results.only.attempts, 4],
    ],
  },
  retry_delay_seconds: {
    cases: [
      [{ retry_delay_seconds: 0, max_retry_attempts: 6 }, async () => Math.max(...(await delays())), 0],
      [
        { retry_delay_seconds: 0.1, retry_backoff_factor: 1, max_retry_attempts: 6 },
        async () => Math.max(...(await delays())) > 0,
        true,
      ],
    ],
  },
  retry_backoff_factor: {
    cases: [
      // Drawn uniformly up to 1 ms · factor^(n-1): without growth none can pass 1 ms, with it six all but surely do.
      [
        { retry_delay_seconds: 0.001, retry_backoff_factor: 1, max_retry_attempts: 7 },
        async () => Math.max(...(await delays())) <= 1,
        true,
      ],
      [
        { retry_delay_seconds: 0.001, retry_backoff_factor: 4, max_retry_attempts: 7 },
        async () => Math.max(...(await delays())) > 1,
        true,
      ],
    ],
  },
  memory_limit_mb: {
    cases: [
      [{ memory_limit_mb: 0.01 }, async () => limits(await run("large")), "RESOURCE_EXHAUSTED"],
      [{ memory_limit_mb: 1 }, async () => limits(await run("large")), "completed"],
    ],
  },
  enable_context_persistence: {
    cases: [
      [{ enable_context_persistence: false }, evicted, 404],
      [{ enable_context_persistence: true }, evicted, 200],
    ],
  },
  context_storage_backend: {
    cases: [
      [{ context_storage_backend: "memory" }, evicted, 404],
      [{ context_storage_backend: "durable_object" }, evicted, 200],
    ],
  },
  enable_state_recovery: {
    cases: [
      [{ enable_state_recovery: false }, afterCrash, "failed"],
      [{ enable_state_recovery: true }, afterCrash, "completed"],
    ],
  },
  max_pause_seconds: {
    cases: [
      [{ max_pause_seconds: 0.2 }, () => pausedFor(600), "cancelled"],
      [{ max_pause_seconds: 60 }, () => pausedFor(600), "paused"],
    ],
  },
  enable_metrics_collection: {
    cases: [
      [{ enable_metrics_collection: true }, countedRuns, 1],
      [{ enable_metrics_collection: false }, countedRuns, 0],
    ],
  },
  enable_performance_monitoring: {
    cases: [
      [{ enable_performance_monitoring: true, enable_caching: false }, bottlenecks, 1],
      [{ enable_performance_monitoring: false, enable_caching: false }, bottlenecks, 0],
    ],
  },
  alert_thresholds: {
    cases: [
      [{ alert_thresholds: { avg_execution_time_ms: 1 } }, slowAlert, true],
      [{ alert_thresholds: { avg_execution_time_ms: 1_000_000 } }, slowAlert, false],
    ],
  },
  enable_detailed_logging: {
    cases: [
      [
        { enable_detailed_logging: true, max_retry_attempts: 1 },
        logged,
        // execution.started, stage.started, stage.failed, execution.failed
        ["INFO", "INFO", "ERROR", "ERROR"],
      ],
      [{ enable_detailed_logging: false, max_retry_attempts: 1 }, logged, []],
    ],
  },
  log_level: {
    cases: [
      [{ log_level: "DEBUG", max_retry_attempts: 1 }, logged, ["DEBUG", "INFO", "INFO", "ERROR", "ERROR"]],
      [{ log_level: "WARN", max_retry_attempts: 2 }, logged, ["WARN", "ERROR", "ERROR"]],
      [{ log_level: "ERROR", max_retry_attempts: 2 }, logged, ["ERROR", "ERROR"]],
    ],
  },
  enable_circuit_breaker: {
    cases: [
      [{ enable_circuit_breaker: false, ...touchy(1) }, callsOfFailing, 4],
      [{ enable_circuit_breaker: true, ...touchy(1) }, callsOfFailing, 1],
    ],
  },
  circuit_breaker: {
    cases: [
      [{ enable_circuit_breaker: true, ...touchy(3) }, callsOfFailing, 3],
      [{ enable_circuit_breaker: true, ...touchy(2) }, callsOfFailing, 2],
    ],
  },
  enable_caching: {
    cases: [
      [{ enable_caching: true }, askedTwice, 1],
      [{ enable_caching: false }, askedTwice, 2],
    ],
  },
  cache_ttl_seconds: {
    cases: [
      [{ enable_caching: true, cache_ttl_seconds: 60 }, askedTwice, 1],
      [{ enable_caching: true, cache_ttl_seconds: 0.001 }, askedTwice, 2],
    ],
  },
  fallback_strategies: {
    cases: [
      [{ fallback_strategies: { only: { strategy: "use_default", data: {} } } }, fallenBack, "use_default"],
      [{ fallback_strategies: { other: { strategy: "use_default", data: {} } } }, fallenBack, null],
    ],
  },
  context_memory_size: {
    cases: [
      [{ context_memory_size: 1 }, remembered, 1],
      [{ context_memory_size: 3 }, remembered, 3],
      [{ context_memory_size: 0 }, remembered, 0],
    ],
  },
  retention_seconds: {
    cases: [
      [{ retention_seconds: 1 }, () => keptFor(1_300), 404],
      [{ retention_seconds: 60 }, () => keptFor(1_300), 200],
    ],
  },
};

/** Keys whose effect is the matter of later work, which moves them into ROWS, or is shown by the test that is named. */
const OWNED_BY: Record<string, string> = {
  enable_streaming: "test/worker/stream-slow.test.ts",
  stream_buffer_size: "test/http/reader-buffer.test.ts",
  stream_timeout_ms: "test/worker/stream-slow.test.ts",
  enable_backpressure: "test/worker/stream-slow.test.ts",
  metrics_export_interval: "test/worker/metrics-traces.test.ts",
};

test("every key has a row, or an owner, and none has both", () => {
  const keys = Object.keys(CoordinatorConfig.shape).toSorted();
  expect([...Object.keys(ROWS), ...Object.keys(OWNED_BY)].toSorted()).toEqual(keys);
  for (const [key, { cases }] of Object.entries(ROWS)) {
    const values = cases.map(([changes]) => JSON.stringify(changes[key]));
    expect(new Set(values).size, key).toBeGreaterThan(1);
  }
});

describe("each key has its effect in a run", () => {
  test.each(Object.keys(ROWS))("%s", async (key) => {
    for (const [changes, observe, expected] of ROWS[key]?.cases ?? []) {
      expect((await patch(changes)).status).toBe(200);
      try {
        expect(await observe(), JSON.stringify(changes)).toEqual(expected);
      } finally {
        await patch(Object.fromEntries(Object.keys(changes).map((name) => [name, null])));
      }
    }
  });
});

describe("PATCH", () => {
  const config = async () => (await api("GET", "/v1/config")).body;

  test("lies over the environment, which lies over the defaults; null gives back, {} changes nothing", async () => {
    const before = await config();
    expect(before).toEqual({
      ...DEFAULT_CONFIG,
      retry_delay_seconds: 0,
      max_retry_attempts: 2,
      enable_circuit_breaker: false,
      enable_caching: false,
    });
    expect((await patch({})).body).toEqual(before);
    const changed = await patch({
      max_retry_attempts: 7,
      circuit_breaker: { failure_threshold: 9 },
      fallback_strategies: { a: "use_simple_model" },
    });
    expect(changed.body).toEqual({
      ...before,
      max_retry_attempts: 7,
      circuit_breaker: { failure_threshold: 9, recovery_timeout_seconds: 60 },
      fallback_strategies: { a: "use_simple_model" },
    });
    expect(await config()).toEqual(changed.body);
    expect(
      (await patch({ circuit_breaker: { failure_threshold: null }, fallback_strategies: { a: null } })).body,
    ).toEqual({ ...before, max_retry_attempts: 7 });
    expect((await patch({ max_retry_attempts: null, circuit_breaker: null })).body).toEqual(before);
  });

  test("holds for runs that start after its answer, and for no other", async () => {
    const { body } = await coordinator.run({ pipeline: "hangs" }, { prefer: "respond-async" });
    await patch({ pipeline_timeout_seconds: 0.3 });
    const later = await run("hangs");
    expect(later.error_info.code).toBe("PIPELINE_TIMEOUT");
    expect((await api("GET", `/v1/executions/${body.execution_id}`)).body.status).toBe("running");
    await api("POST", `/v1/executions/${body.execution_id}/cancel`);
    await patch({ pipeline_timeout_seconds: null });
  });

  test("takes merge-patch's own media type too", async () => {
    const answer = await api("PATCH", "/v1/config", {}, { "content-type": "application/merge-patch+json" });
    expect(answer.status).toBe(200);
  });

  test.each([
    [{ max_concurrent_stages: 7 }, "/max_concurrent_stages"],
    [{ max_concurrent_stages: "3" }, "/max_concurrent_stages"],
    [{ enable_caching: "yes" }, "/enable_caching"],
    [{ colour: "red" }, "/colour"],
    [{ colour: null }, "/colour"],
    [{ circuit_breaker: { colour: 1 } }, "/circuit_breaker/colour"],
    [{ fallback_strategies: { a: "nonsense" } }, "/fallback_strategies/a"],
    [{ fallback_strategies: { a: { strategy: "use_default" } } }, "/fallback_strategies/a"],
    [{ context_storage_backend: "redis" }, "/context_storage_backend"],
    [{ memory_limit_mb: 2_048 }, "/memory_limit_mb"],
    [[], ""],
  ])("%o is refused at %s, and changes nothing", async (body, pointer) => {
    const before = await config();
    const refused = await patch(body);
    expect(refused).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
    expect(refused.body.errors[0].pointer).toBe(pointer);
    expect(await config()).toEqual(before);
  });
});

test("AGENT_COORDINATOR_ENABLED=false refuses what starts work, and goes on with the rest", async () => {
  const disabled = await startCoordinator([agents], { AGENT_COORDINATOR_ENABLED: "false" });
  try {
    const call = (method: string, path: string, body?: unknown) =>
      callWith(disabled, null, method, path, body);
    const started = await call("POST", "/v1/executions", { query: "q", conversation_id: "c" });
    expect(started).toMatchObject({ status: 503, body: { code: "COORDINATOR_DISABLED" } });
    const stage = await call("POST", "/v1/stages/execute", {
      stage: { name: "s", agent_type: "quick" },
      query: "q",
    });
    expect(stage.status).toBe(503);
    for (const path of ["/v1/executions", "/v1/pipelines", "/v1/agents", "/v1/config", "/healthz"]) {
      expect((await call("GET", path)).status, path).toBe(200);
    }
  } finally {
    await disabled.close();
  }
});
