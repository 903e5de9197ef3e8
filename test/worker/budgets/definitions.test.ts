// The budget of a pipeline's definition: what each of its runs may spend that brings none of its own, by any way that a
// run is started; and how it is kept.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls, read } = spendingAt(() => ({ agents, coordinator }));

const BUDGET = { cost_usd: 0.15, on_exceeded: "fail" };
const STAGES = ["a", "b", "c"].map((name) => ({ name, agent_type: "dear" }));
const PATH = "/v1/pipelines/bounded";

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  await row("dear", uses({ cost_usd: 0.1 }));
  const written = await coordinator.api("PUT", PATH, { budget: BUDGET, stages: STAGES });
  expect([written.status, written.body.budget]).toEqual([201, BUDGET]);
});

afterAll(() => closeAll(coordinator, agents));

test("it holds for a run without one, and a run's own is instead of it", async () => {
  const { body } = await coordinator.run({ pipeline: "bounded" });
  expect([body.budget, body.error_info.code]).toEqual([BUDGET, "BUDGET_EXCEEDED"]);
  const own = await coordinator.run({ pipeline: "bounded", budget: { tokens: 5 } });
  expect([own.body.budget, own.body.status]).toEqual([{ tokens: 5, on_exceeded: "pause" }, "completed"]);
});

test("it holds for runs that another protocol starts", async () => {
  const before = calls("dear");
  const chat = await coordinator.api("POST", "/v1/chat/completions", {
    model: "bounded",
    messages: [{ role: "user", content: "a question" }],
  });
  expect(JSON.stringify(chat.body)).toContain("the run has spent 0.2 of 0.15 USD");
  expect(calls("dear") - before).toBe(2);
});

test("GET shows it, an edit of the stages keeps it, and a PUT without it removes it", async () => {
  const path = "/v1/pipelines/edited";
  const get = async () => (await coordinator.api("GET", path)).body;
  await coordinator.api("PUT", path, { budget: { tokens: 100 }, stages: STAGES });
  expect((await get()).budget).toEqual({ tokens: 100, on_exceeded: "pause" });
  const added = await coordinator.api("POST", `${path}/stages`, { name: "d", agent_type: "dear" });
  expect(added.body.budget).toEqual({ tokens: 100, on_exceeded: "pause" });
  await coordinator.api("DELETE", `${path}/stages/d`);
  expect((await get()).budget).toEqual({ tokens: 100, on_exceeded: "pause" });
  // What GET shows may be written back.
  const { name: _, version: __, ...definition } = await get();
  expect((await coordinator.api("PUT", path, definition)).status).toBe(200);
  const { body } = await coordinator.api("GET", "/v1/pipelines");
  expect(body.data.find(({ name }: { name: string }) => name === "edited").budget.tokens).toBe(100);
  await coordinator.api("PUT", path, { stages: STAGES });
  expect(await get()).not.toHaveProperty("budget");
  expect((await coordinator.run({ pipeline: "edited" })).body).not.toHaveProperty("budget");
});

test("validate takes it as PUT does", async () => {
  const validate = (budget: object) =>
    coordinator.api("POST", "/v1/pipelines/validate", { budget, stages: STAGES });
  const good = await validate(BUDGET);
  expect([good.status, good.body.valid]).toEqual([200, true]);
  for (const [budget, pointer] of [
    [{}, "/budget"],
    [{ tokens: 0 }, "/budget/tokens"],
    [{ tokens: 1, on_exceeded: "stop" }, "/budget/on_exceeded"],
  ] as const) {
    const put = await coordinator.api("PUT", PATH, { budget, stages: STAGES });
    const checked = await validate(budget);
    for (const { status, body } of [put, checked])
      expect([status, body.errors[0].pointer]).toEqual([400, pointer]);
  }
});

test("a fork has its source's, as it was raised", async () => {
  const asked = { pipeline: "dear", budget: { cost_usd: 0.15 }, priority: -2, tags: { user: "u1" } };
  const { body } = await coordinator.run(asked);
  const id = body.execution_id;
  await coordinator.api("POST", `/v1/executions/${id}/resume`, { budget: { cost_usd: 0.35 } });
  await expect.poll(async () => (await read(id)).status).toBe("completed");
  const { body: fork } = await coordinator.api("POST", `/v1/executions/${id}/fork`, { from: "a" });
  expect(fork).toMatchObject({
    status: "completed",
    budget: { cost_usd: 0.35 },
    priority: -2,
    tags: { user: "u1" },
  });
  const tagged = await coordinator.api("POST", `/v1/executions/${id}/fork`, { tags: {} });
  expect(tagged.body.tags).toEqual({});
});
