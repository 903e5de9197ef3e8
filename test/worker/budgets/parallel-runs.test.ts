// Budgets of runs that run at once: each is its own.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls } = spendingAt(() => ({ agents, coordinator }));

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

test("of twenty runs at once those stop whose budget is spent, and none for another", async () => {
  await row("many", uses({ cost_usd: 0.1 }), ["a", "b", "c", "d"]);
  const limits = Array.from({ length: 20 }, (_, at) => [0.05, 0.15, 0.25, 1][at % 4] as number);
  const runs = await Promise.all(
    limits.map((cost_usd, at) =>
      coordinator.run({ pipeline: "many", conversation_id: `c${at}`, budget: { cost_usd } }),
    ),
  );
  const made = (cost_usd: number) => Math.min(4, Math.floor(cost_usd / 0.1) + 1);
  for (const [at, { body }] of runs.entries()) {
    const cost_usd = limits[at] as number;
    expect(body.status).toBe(cost_usd === 1 ? "completed" : "paused");
    expect(body.usage["cost_usd"]).toBeCloseTo(made(cost_usd) / 10);
    expect(body.budget.cost_usd).toBe(cost_usd);
  }
  expect(calls("many")).toBe(limits.reduce((sum, limit) => sum + made(limit), 0));
});

test("stages in flight together are overspent by no more than what they use", async () => {
  await row("wide", uses({ cost_usd: 1 }));
  const beside = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  await coordinator.pipeline(
    "wide",
    beside.map((name) => ({ name, agent_type: "wide", parallel: true })),
  );
  const { body } = await coordinator.run({ pipeline: "wide", budget: { cost_usd: 0.5 } });
  expect(body.status).toBe("paused");
  // As many as go at once (max_concurrent_stages).
  await expect
    .poll(async () => {
      const { stage_results } = (await coordinator.api("GET", `/v1/executions/${body.execution_id}`)).body;
      return Object.values<{ status: string }>(stage_results).filter(({ status }) => status === "completed")
        .length;
    })
    .toBe(3);
  expect(calls("wide")).toBe(3);
});
