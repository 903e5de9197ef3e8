// What counts against a budget: all that agents were called for, be it in vain; and nothing that was had without a call.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type AgentServer,
  type Behaviour,
  inTurn,
  startAgentServer,
  streams,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls, resume, read, events } = spendingAt(() => ({ agents, coordinator }));

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    AGENT_COORDINATOR_CACHING: "true",
  });
});

afterAll(() => closeAll(coordinator, agents));

/** Fails after it has used something. */
const usesInVain = (usage: object): Behaviour =>
  streams([
    ["usage", usage],
    ["error", { status: 503, detail: "overloaded" }],
  ]);

test("failed tries: their usage is the stage's and the run's, and stops it", async () => {
  await row(
    "flaky",
    inTurn(usesInVain({ cost_usd: 0.3 }), usesInVain({ cost_usd: 0.3 }), uses({ cost_usd: 0.3 })),
    ["a", "b"],
  );
  const { body } = await coordinator.run({ pipeline: "flaky", budget: { cost_usd: 0.5 } });
  // Two tries in vain are more: there is no third one before it is raised.
  expect([body.status, calls("flaky")]).toEqual(["paused", 2]);
  const [{ data }] = await events(body.execution_id, "execution.paused");
  expect(data.by_stage).toEqual({ a: { cost_usd: 0.6, tokens: 0 } });
  await resume(body.execution_id, { budget: { cost_usd: 5 } });
  await expect.poll(async () => (await read(body.execution_id)).status).toBe("completed");
  const run = await read(body.execution_id);
  expect(run.usage["cost_usd"]).toBeCloseTo(1.2);
  expect(run.stage_results.a.usage["cost_usd"]).toBeCloseTo(0.9);
  expect(run.stage_results.b.usage["cost_usd"]).toBeCloseTo(0.3);
});

test("a stage that fails for good has used what its tries have", async () => {
  await row("broken", usesInVain({ input_tokens: 40 }), ["a"], { retry_attempts: 2 });
  const { body } = await coordinator.run({ pipeline: "broken" });
  expect([body.status, body.usage]).toEqual(["failed", { input_tokens: 80 }]);
  expect(body.stage_results.a.usage).toEqual({ input_tokens: 80 });
});

test("a hedge's loser: what it had streamed", async () => {
  const slow: Behaviour = (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    setTimeout(() => response.write('event: usage\ndata: {"output_tokens":700}\n\n'), 350);
  };
  const second: Behaviour = (call, response, count) => {
    setTimeout(() => void uses({ output_tokens: 5 })(call, response, count), 600);
  };
  await row("hedged", inTurn(slow, second), ["a", "b"], { hedge_after_ms: 200, retry_attempts: 1 });
  const { body } = await coordinator.run({ pipeline: "hedged", budget: { tokens: 600 } });
  const id = body.execution_id;
  await expect.poll(async () => (await read(id)).stage_results.a.status).toBe("completed");
  const run = await read(id);
  expect([run.status, run.usage]).toEqual(["paused", { output_tokens: 705 }]);
  expect(calls("hedged")).toBe(2);
});

test("each item of a stage that maps, and no further item is begun past the budget", async () => {
  await row("each", uses({ cost_usd: 0.1 }), ["all"], {
    map: { over: "[1, 2, 3, 4, 5, 6]", concurrency: 1 },
  });
  const { body } = await coordinator.run({ pipeline: "each", budget: { cost_usd: 0.25 } });
  expect([body.status, calls("each")]).toEqual(["paused", 3]);
  const [{ data }] = await events(body.execution_id, "execution.paused");
  expect(data.spent.cost_usd).toBeCloseTo(0.3);
  expect(data.by_stage.all.cost_usd).toBeCloseTo(0.3);
  await resume(body.execution_id, { budget: { cost_usd: 1 } });
  await expect.poll(async () => (await read(body.execution_id)).status).toBe("completed");
  expect((await read(body.execution_id)).usage["cost_usd"]).toBeCloseTo(0.6);
  expect(calls("each")).toBe(6);
});

test("not what the cache answers, and not what a fork takes over", async () => {
  await row("kept", uses({ cost_usd: 0.4 }), ["a", "b"]);
  const asked = { pipeline: "kept", budget: { cost_usd: 1 }, conversation_id: "kept" };
  const first = await coordinator.run({ ...asked, context: {} });
  expect(first.body.usage["cost_usd"]).toBeCloseTo(0.8);
  const again = await coordinator.run({ ...asked, conversation_id: "kept too", budget: { cost_usd: 0.1 } });
  expect([again.body.status, calls("kept")]).toEqual(["completed", 2]);
  expect(again.body.usage).toEqual({});
  const path = `/v1/executions/${first.body.execution_id}/fork`;
  const { body } = await coordinator.api("POST", path, { from: "b", tags: { of: "fork" } });
  expect(body.status).toBe("completed");
  expect(body.usage).toEqual({ cost_usd: 0.4 });
  expect([body.budget, body.tags]).toEqual([{ cost_usd: 1, on_exceeded: "pause" }, { of: "fork" }]);
});
