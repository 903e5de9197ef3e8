// The budget of a run on real workerd: past it the run pauses, and goes on once its budget is raised; or it fails.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls, resume, read, events } = spendingAt(() => ({ agents, coordinator }));

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

test("past its cost a run pauses, says what it has spent, and goes on with a larger budget", async () => {
  await row("dear", uses({ cost_usd: 0.04, input_tokens: 10 }));
  const { status, body } = await coordinator.run({ pipeline: "dear", budget: { cost_usd: 0.05 } });
  expect([status, body.status]).toEqual([202, "paused"]);
  expect(body).toMatchObject({
    budget: { cost_usd: 0.05, on_exceeded: "pause" },
    usage: { cost_usd: 0.08, input_tokens: 20 },
    stage_results: { b: { status: "completed" }, c: { status: "pending" } },
  });
  const id = body.execution_id;
  const each = { cost_usd: 0.04, tokens: 10 };
  const [paused] = await events(id, "execution.paused");
  expect(paused).toMatchObject({ message: "paused: its budget is spent, 0.08 of 0.05 USD" });
  expect(paused.data).toEqual({
    mode: "drain",
    reason: "budget",
    spent: { cost_usd: 0.08, tokens: 20 },
    limit: { cost_usd: 0.05 },
    by_stage: { a: each, b: each },
  });

  // A crash forgets nothing of it.
  await coordinator.abort(id);
  const refused = await resume(id);
  expect([refused.status, refused.body.code]).toEqual([409, "EXECUTION_CONFLICT"]);
  expect(refused.body.detail).toBe("it has spent 0.08 of 0.05 USD: resume it with a larger budget");
  expect((await resume(id, { budget: { cost_usd: 0.06 } })).body.detail).toBe(
    "it has spent 0.08 of 0.06 USD: the new budget must be larger than that",
  );
  expect((await read(id)).status).toBe("paused");
  expect(calls("dear")).toBe(2);

  const raised = await resume(id, { budget: { cost_usd: 0.2 } });
  expect([raised.status, raised.body.budget]).toEqual([200, { cost_usd: 0.2, on_exceeded: "pause" }]);
  await expect.poll(async () => (await read(id)).status).toBe("completed");
  expect((await events(id, "execution.resumed"))[0].data).toEqual({
    budget: { cost_usd: 0.2, on_exceeded: "pause" },
  });
  expect(calls("dear")).toBe(3);
  expect((await read(id)).usage["cost_usd"]).toBeCloseTo(0.12);
});

test("the same of tokens, in and out; a raise keeps the members that it does not name", async () => {
  await row("wordy", uses({ input_tokens: 30, output_tokens: 30, reasoning_tokens: 1_000 }));
  const budget = { tokens: 100, cost_usd: 1 };
  const { body } = await coordinator.run({ pipeline: "wordy", budget });
  const [{ data }] = await events(body.execution_id, "execution.paused");
  expect(data).toMatchObject({
    spent: { cost_usd: null, tokens: 120 },
    limit: budget,
    by_stage: { a: { cost_usd: null, tokens: 60 } },
  });
  const raised = await resume(body.execution_id, { budget: { tokens: 150 } });
  expect(raised.body.budget).toEqual({ tokens: 150, cost_usd: 1, on_exceeded: "pause" });
  // The third call's tokens are more than that, too: also a last stage's.
  await expect.poll(async () => (await read(body.execution_id)).status).toBe("paused");
  expect(await events(body.execution_id, "execution.paused")).toHaveLength(2);
  expect(calls("wordy")).toBe(3);
  const last = await resume(body.execution_id, { budget: { tokens: 180 } });
  expect(last.body.status).toBe("completed");
  expect(calls("wordy")).toBe(3);
});

test("exactly its budget is not more than it", async () => {
  await row("exact", uses({ cost_usd: 0.25, input_tokens: 5 }), ["a", "b"]);
  const { body } = await coordinator.run({ pipeline: "exact", budget: { cost_usd: 0.5, tokens: 10 } });
  expect(body.status).toBe("completed");
});

test("on_exceeded fail: the run fails with BUDGET_EXCEEDED", async () => {
  await row("failing", uses({ cost_usd: 0.04 }));
  const budget = { cost_usd: 0.05, on_exceeded: "fail" };
  const { status, body } = await coordinator.run({ pipeline: "failing", budget });
  expect([status, body.status]).toEqual([200, "failed"]);
  expect(body.error_info).toMatchObject({
    code: "BUDGET_EXCEEDED",
    message: "the run has spent 0.08 of 0.05 USD",
    failed_stage: null,
  });
  expect(body.stage_results.b.status).toBe("completed");
  expect(calls("failing")).toBe(2);
  expect((await resume(body.execution_id, { budget: { cost_usd: 5 } })).status).toBe(409);
});

test("a run without a budget may be given one as it is resumed, and one that runs may not", async () => {
  await row("bounded", uses({ cost_usd: 0.04 }), ["a", "b", "c", "d"]);
  await coordinator.pipeline("stopped", [
    { name: "ask", wait: { timeout_seconds: 600 } },
    { name: "a", agent_type: "bounded", depends_on: ["ask"] },
    { name: "b", agent_type: "bounded", depends_on: ["a"] },
  ]);
  const { body } = await coordinator.run({ pipeline: "stopped" }, { prefer: "respond-async" });
  const id = body.execution_id;
  await expect.poll(async () => (await read(id)).status).toBe("waiting");
  const refused = await resume(id, { budget: { cost_usd: 1 } });
  expect([refused.status, refused.body.code]).toEqual([409, "EXECUTION_CONFLICT"]);
  await coordinator.api("POST", `/v1/executions/${id}/pause`);
  expect((await resume(id, { budget: { cost_usd: 0.01, on_exceeded: "fail" } })).status).toBe(200);
  await coordinator.api("POST", `/v1/executions/${id}/stages/ask/complete`, { data: {} });
  await expect.poll(async () => (await read(id)).status).toBe("failed");
  expect((await read(id)).error_info.code).toBe("BUDGET_EXCEEDED");
  expect(calls("bounded")).toBe(1);
});
