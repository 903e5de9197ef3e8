// GET /v1/metrics over a real coordinator: what ran is counted once, by pipeline and by window; what is in flight is
// seen, also after a crash; switches do what they say.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AgentServer,
  after,
  answers,
  failsWith,
  hangs,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    // What is asked again is to be seen to cost.
    AGENT_COORDINATOR_CACHING: "false",
  });
  agents.on("/quick", answers({ said: "quick" }));
  agents.on("/slow", after(150, answers({ said: "slow" })));
  // Longer than a busy machine makes what takes no time.
  agents.on("/sluggish", after(1_000, answers({ said: "sluggish" })));
  agents.on("/broken", failsWith(400, { detail: "no" }));
  agents.on("/hangs", hangs);
  agents.on("/flaky", inTurn(failsWith(503), answers({ fine: true })));
  for (const name of ["quick", "slow", "sluggish"]) await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline("two", [
    { name: "first", agent_type: "quick" },
    { name: "second", agent_type: "slow", depends_on: ["first"] },
  ]);
  for (const name of ["broken", "hangs", "flaky"]) await coordinator.alone(name, agents.url(`/${name}`));
});

afterAll(() => closeAll(coordinator, agents));

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
type Json = any;

async function metrics(query = ""): Promise<Json> {
  return (await coordinator.fetch(`/v1/metrics${query}`)).json();
}

/** The figures once so many executions have been counted. */
async function counted(query: string, total: number): Promise<Json> {
  return eventually(
    () => metrics(query),
    (seen) => seen.execution_metrics.total_executions >= total,
  );
}

describe("GET /v1/metrics", () => {
  test("counts each run once, with the specification's keys", async () => {
    for (let run = 0; run < 10; run += 1) await coordinator.run({ pipeline: "two" });
    const body = await counted("?pipeline=two", 10);
    expect(Object.keys(body)).toEqual([
      "execution_metrics",
      "stage_metrics",
      "waits",
      "cost",
      "performance_analytics",
    ]);
    expect(body.execution_metrics).toMatchObject({
      total_executions: 10,
      successful_executions: 10,
      failed_executions: 0,
      cancelled_executions: 0,
      success_rate: 1,
      concurrent_executions: 0,
    });
    const { average_duration_ms, p50_duration_ms, p95_duration_ms, p99_duration_ms } = body.execution_metrics;
    expect(average_duration_ms).toBeGreaterThan(150);
    expect(p50_duration_ms).toBeGreaterThanOrEqual(149);
    expect(p95_duration_ms).toBeGreaterThanOrEqual(p50_duration_ms);
    expect(p99_duration_ms).toBeGreaterThanOrEqual(p95_duration_ms);
    expect(Object.keys(body.stage_metrics)).toEqual(["first", "second"]);
    expect(body.stage_metrics.second).toMatchObject({
      executions: 10,
      success_rate: 1,
      error_rate: 0,
      retries: 0,
      cache_hits: 0,
    });
    expect(body.stage_metrics.second.avg_duration_ms).toBeGreaterThan(149);
    const [worst] = body.performance_analytics.bottlenecks;
    expect(worst).toMatchObject({ stage: "second", impact: "high" });
    // More than the other stage's share, however slow the machine makes what takes no time.
    expect(worst.impact_score).toBeGreaterThan(0.5);
    expect(worst.cause).not.toBe("");
    // The same was asked ten times.
    expect(worst.cause).toContain("cache that could have hit");
    expect(body.performance_analytics.optimization_opportunities[0].type).toBe("result_caching");
  });

  test("a result that came out of the cache is a hit, and takes no time", async () => {
    await coordinator.pipeline("kept", [{ name: "only", agent_type: "sluggish" }]);
    await coordinator.configure({ enable_caching: true });
    // Each in a conversation of its own: a history would be another input.
    for (const conversation_id of ["kept-1", "kept-2"]) {
      await coordinator.run({ pipeline: "kept", conversation_id });
    }
    await coordinator.configure({ enable_caching: null });
    const body = await counted("?pipeline=kept", 2);
    expect(body.stage_metrics.only).toMatchObject({ executions: 2, cache_hits: 1, retries: 0 });
    // The mean of a call and of a hit.
    expect(body.stage_metrics.only.avg_duration_ms).toBeLessThan(1_000);
  });

  test("distinguishes failures, retries and cancellations", async () => {
    await coordinator.run({ pipeline: "broken" });
    await coordinator.run({ pipeline: "flaky" });
    const begun = await coordinator.run({ pipeline: "hangs" }, { prefer: "respond-async" });
    const during = await eventually(
      () => metrics("?pipeline=hangs"),
      (seen) => seen.execution_metrics.concurrent_executions === 1,
    );
    expect(during.execution_metrics.total_executions).toBe(0);
    await coordinator.fetch(`/v1/executions/${begun.body.execution_id}/cancel`, { method: "POST" });
    const cancelled = await counted("?pipeline=hangs", 1);
    expect(cancelled.execution_metrics).toMatchObject({ cancelled_executions: 1, concurrent_executions: 0 });
    const broken = await counted("?pipeline=broken", 1);
    expect(broken.execution_metrics).toMatchObject({ failed_executions: 1, success_rate: 0 });
    expect(broken.stage_metrics.only).toMatchObject({ executions: 1, error_rate: 1, success_rate: 0 });
    const flaky = await counted("?pipeline=flaky", 1);
    expect(flaky.stage_metrics.only).toMatchObject({ executions: 1, retries: 1, success_rate: 1 });
  });

  test("an execution that is forgotten stays counted, and no name of an object's own is lost", async () => {
    await coordinator.pipeline("odd", [{ name: "toString", agent_type: "quick" }]);
    const { body } = await coordinator.run({ pipeline: "odd" });
    await counted("?pipeline=odd", 1);
    const gone = await coordinator.fetch(`/v1/executions/${body.execution_id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    const after = await metrics("?pipeline=odd");
    expect(after.execution_metrics.total_executions).toBe(1);
    expect(after.stage_metrics.toString.executions).toBe(1);
    const listed = (await (await coordinator.fetch("/v1/executions?pipeline=odd")).json()) as {
      data: unknown[];
    };
    expect(listed.data).toEqual([]);
  });

  test("an end that is reported twice is counted once, also after the retention of its row", async () => {
    await coordinator.pipeline("twice", [{ name: "only", agent_type: "quick" }]);
    await coordinator.configure({ retention_seconds: 2 });
    const { body } = await coordinator.run({ pipeline: "twice" });
    await coordinator.configure({ retention_seconds: null });
    await counted("?pipeline=twice", 1);
    // The next instance does not know what this one has told: before it forgets the run it tells the end again.
    await coordinator.evict(body.execution_id);
    await eventually(
      async () => (await coordinator.fetch(`/v1/executions/${body.execution_id}`)).status,
      (status) => status === 404,
    );
    expect((await metrics("?pipeline=twice")).execution_metrics.total_executions).toBe(1);
  });

  test("validate's critical path goes by what stages were seen to take, and by number where one is new", async () => {
    const diamond = [
      { name: "in", agent_type: "quick" },
      { name: "short", agent_type: "quick", depends_on: ["in"] },
      { name: "long", agent_type: "sluggish", depends_on: ["in"] },
      { name: "out", agent_type: "quick", depends_on: ["short", "long"] },
    ];
    const path = async (stages: unknown[]): Promise<string[]> => {
      const response = await coordinator.fetch("/v1/pipelines/validate", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ stages }),
      });
      const { critical_path }: { critical_path: string[] } = await response.json();
      return critical_path;
    };
    expect(await path(diamond)).toEqual(["in", "short", "out"]);
    await coordinator.pipeline("diamond", diamond);
    await coordinator.run({ pipeline: "diamond" });
    await counted("?pipeline=diamond", 1);
    expect(await path(diamond)).toEqual(["in", "long", "out"]);
    expect(await path([...diamond, { name: "new", agent_type: "x", depends_on: ["out"] }])).toEqual([
      "in",
      "short",
      "out",
      "new",
    ]);
  });

  test("window_seconds is bounded, and of a pipeline that never ran there is nothing", async () => {
    for (const wrong of ["0", "86401", "x", "1.5"]) {
      const response = await coordinator.fetch(`/v1/metrics?window_seconds=${wrong}`);
      expect(response.status, wrong).toBe(400);
      expect(await response.json()).toMatchObject({ code: "INVALID_REQUEST" });
    }
    const nothing = await metrics("?pipeline=never&window_seconds=60");
    expect(nothing.execution_metrics).toMatchObject({
      total_executions: 0,
      success_rate: 1,
      p99_duration_ms: 0,
    });
    expect(nothing.stage_metrics).toEqual({});
    expect(nothing.performance_analytics).toEqual({ bottlenecks: [], optimization_opportunities: [] });
  });

  test("an object that crashes while it runs leaves one count and nothing in progress", async () => {
    await coordinator.pipeline("short", [{ name: "only", agent_type: "slow" }]);
    const { body } = await coordinator.run({ pipeline: "short" }, { prefer: "respond-async" });
    await coordinator.abort(body.execution_id);
    const seen = await counted("?pipeline=short", 1);
    expect(seen.execution_metrics).toMatchObject({ total_executions: 1, concurrent_executions: 0 });
  });
});

describe("the switches", () => {
  test("enable_metrics_collection false: listed, and not counted", async () => {
    await coordinator.pipeline("uncounted", [{ name: "only", agent_type: "quick" }]);
    await coordinator.configure({ enable_metrics_collection: false });
    await coordinator.run({ pipeline: "uncounted" });
    await coordinator.configure({ enable_metrics_collection: null });
    await eventually(
      async (): Promise<Json> => (await coordinator.fetch("/v1/executions?pipeline=uncounted")).json(),
      (page) => page.data[0]?.status === "completed",
    );
    expect((await metrics("?pipeline=uncounted")).execution_metrics.total_executions).toBe(0);
  });

  test("enable_performance_monitoring false: counted, and not analysed", async () => {
    await coordinator.pipeline("unwatched", [{ name: "only", agent_type: "slow" }]);
    await coordinator.configure({ enable_performance_monitoring: false });
    for (let run = 0; run < 3; run += 1) await coordinator.run({ pipeline: "unwatched" });
    await coordinator.configure({ enable_performance_monitoring: null });
    const body = await counted("?pipeline=unwatched", 3);
    expect(body.stage_metrics.only.executions).toBe(3);
    expect(body.performance_analytics).toEqual({ bottlenecks: [], optimization_opportunities: [] });
  });
});
