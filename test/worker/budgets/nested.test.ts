// The budget of a run whose stages run pipelines: it reaches the executions within, and is raised in one place.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, type Behaviour, startAgentServer } from "../../support/agents/agent-server.ts";
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

/** A pipeline `<name>-outer`: a call of the agent, then the row of three within, then another call. */
async function nested(name: string, behaviour: Behaviour, sub: object = {}): Promise<string> {
  await row(name, behaviour);
  await coordinator.pipeline(`${name}-outer`, [
    { name: "before", agent_type: name },
    { name: "sub", pipeline: name, depends_on: ["before"], ...sub },
    { name: "after", agent_type: name, depends_on: ["sub"] },
  ]);
  return `${name}-outer`;
}

async function childOf(execution_id: string): Promise<string> {
  const begun = await events(execution_id, "stage.started");
  return begun.find(({ stage }) => stage === "sub").data.child_execution_id;
}

test("what is left of it holds within; both pause, and a raise of the outer one lets both go on", async () => {
  const pipeline = await nested("inner", uses({ cost_usd: 0.1 }));
  const asked = { pipeline, budget: { cost_usd: 0.25 }, priority: 3, tags: { user: "u1" } };
  const { body } = await coordinator.run(asked, { prefer: "respond-async" });
  const id = body.execution_id;
  await expect.poll(async () => (await read(id)).status).toBe("paused");
  const child = await childOf(id);
  await expect.poll(async () => (await read(child)).status).toBe("paused");
  // One before, and two within.
  expect(calls("inner")).toBe(3);
  const within = await read(child);
  expect(within.budget.cost_usd).toBeCloseTo(0.15);
  expect([within.priority, within.tags]).toEqual([3, { user: "u1" }]);
  const [{ data }] = await events(id, "execution.paused");
  expect(data.spent.cost_usd).toBeCloseTo(0.3);
  expect(data.by_stage.sub.cost_usd).toBeCloseTo(0.2);

  const alone = await resume(child, { budget: { cost_usd: 9 } });
  expect([alone.status, alone.body.detail]).toEqual([
    409,
    `a stage of the execution ${id} runs ${child}: resume that one`,
  ]);
  expect((await resume(id)).status).toBe(409);
  expect((await resume(id, { budget: { cost_usd: 1 } })).status).toBe(200);
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("completed");
  expect((await read(child)).status).toBe("completed");
  expect((await read(id)).usage["cost_usd"]).toBeCloseTo(0.5);
  expect(calls("inner")).toBe(5);
});

test("where it is spent again within, it is raised again", async () => {
  const pipeline = await nested("twice", uses({ cost_usd: 0.1 }));
  const { body } = await coordinator.run(
    { pipeline, budget: { cost_usd: 0.15 } },
    { prefer: "respond-async" },
  );
  const id = body.execution_id;
  for (const [cost_usd, made] of [
    [0.25, 2],
    [0.35, 3],
    [0.45, 4],
  ] as const) {
    await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("paused");
    expect(calls("twice")).toBe(made);
    expect((await resume(id, { budget: { cost_usd } })).status).toBe(200);
  }
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("paused");
  await resume(id, { budget: { cost_usd: 1 } });
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("completed");
  expect((await read(id)).usage["cost_usd"]).toBeCloseTo(0.5);
  expect(calls("twice")).toBe(5);
});

test("on_exceeded fail reaches within, too", async () => {
  const pipeline = await nested("fails", uses({ input_tokens: 10 }));
  const budget = { tokens: 25, on_exceeded: "fail" };
  const { body } = await coordinator.run({ pipeline, budget });
  expect([body.status, body.error_info.code]).toEqual(["failed", "BUDGET_EXCEEDED"]);
  const child = await childOf(body.execution_id);
  await expect.poll(async () => ["failed", "cancelled"].includes((await read(child)).status)).toBe(true);
  expect(calls("fails")).toBe(3);
  expect(body.usage).toEqual({ input_tokens: 30 });
});

test("executions of items of one stage together, each of which may spend what is left", async () => {
  const pipeline = await nested("items", uses({ input_tokens: 10 }), {
    map: { over: "[1, 2, 3]", concurrency: 3 },
  });
  const { body } = await coordinator.run({ pipeline, budget: { tokens: 45 } }, { prefer: "respond-async" });
  const id = body.execution_id;
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("paused");
  await resume(id, { budget: { tokens: 1_000 } });
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("completed");
  expect(calls("items")).toBe(11);
  expect((await read(id)).usage).toEqual({ input_tokens: 110 });
});

test("what a pause in mode abort interrupts within counts once", async () => {
  const asked = Promise.withResolvers<void>();
  const pipeline = await nested("cut", (call, response, count) => {
    // The second call within.
    if (count === 3) asked.resolve();
    else void uses({ input_tokens: 10 })(call, response, count);
  });
  const { body } = await coordinator.run({ pipeline, budget: { tokens: 60 } }, { prefer: "respond-async" });
  const id = body.execution_id;
  await asked.promise;
  const pause = await coordinator.api("POST", `/v1/executions/${id}/pause`, { mode: "abort" });
  expect(pause.status).toBe(200);
  const child = await childOf(id);
  await expect.poll(async () => (await read(child)).status).toBe("paused");
  expect((await resume(id)).status).toBe(200);
  await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe("completed");
  expect((await read(id)).usage).toEqual({ input_tokens: 50 });
});
