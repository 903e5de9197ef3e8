// PATCH /v1/config in real workerd: what it lies over, from when on it holds, what it refuses; and the one switch that
// no patch reaches.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { type AgentServer, hangs, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  // Defaults of the environment, so that a key is always laid over one.
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0",
    AGENT_COORDINATOR_MAX_RETRIES: "2",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
  agents.on("/hangs", hangs);
  await coordinator.alone("hangs", agents.url("/hangs"));
});

afterAll(() => closeAll(coordinator, agents));

const patch = (body: unknown) => coordinator.api("PATCH", "/v1/config", body);

describe("PATCH", () => {
  const config = async () => (await coordinator.api("GET", "/v1/config")).body;

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
    const later = (await coordinator.run({ pipeline: "hangs" })).body;
    expect(later.error_info.code).toBe("PIPELINE_TIMEOUT");
    expect((await coordinator.api("GET", `/v1/executions/${body.execution_id}`)).body.status).toBe("running");
    await coordinator.api("POST", `/v1/executions/${body.execution_id}/cancel`);
    await patch({ pipeline_timeout_seconds: null });
  });

  test("takes merge-patch's own media type too", async () => {
    const answer = await coordinator.api(
      "PATCH",
      "/v1/config",
      {},
      { "content-type": "application/merge-patch+json" },
    );
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

test("a run shows and keeps what has an effect on it, and not what other runs use", async () => {
  const strategy = (text: string) => ({ strategy: "use_default", data: { text } });
  await coordinator.alone("gone", agents.url("/gone"));
  const others = Array.from({ length: 50 }, (_, at) => [`other${at}`, strategy("x".repeat(1_000))] as const);
  const fallback_strategies = { ...Object.fromEntries(others), only: strategy("instead") };
  expect((await patch({ fallback_strategies })).status).toBe(200);
  try {
    const { body } = await coordinator.run({ pipeline: "gone" });
    expect(body.final_result).toEqual({ text: "instead" });
    const { config } = body.execution_metadata;
    expect(config.fallback_strategies).toEqual({ only: strategy("instead") });
    expect(Object.keys(config)).not.toContain("alert_thresholds");
    expect(Object.keys(config)).not.toContain("metrics_export_interval");
    expect(config.max_retry_attempts).toBe(2);
    expect(JSON.stringify(body).length).toBeLessThan(5_000);
  } finally {
    await patch({ fallback_strategies: null });
  }
});

test("AGENT_COORDINATOR_ENABLED=false refuses what starts work, and goes on with the rest", async () => {
  const disabled = await startCoordinator([agents], { AGENT_COORDINATOR_ENABLED: "false" });
  try {
    const started = await disabled.api("POST", "/v1/executions", { query: "q", conversation_id: "c" });
    expect(started).toMatchObject({ status: 503, body: { code: "COORDINATOR_DISABLED" } });
    const stage = await disabled.api("POST", "/v1/stages/execute", {
      stage: { name: "s", agent_type: "quick" },
      query: "q",
    });
    expect(stage.status).toBe(503);
    for (const path of ["/v1/executions", "/v1/pipelines", "/v1/agents", "/v1/config", "/healthz"]) {
      expect((await disabled.api("GET", path)).status, path).toBe(200);
    }
  } finally {
    await disabled.close();
  }
});
