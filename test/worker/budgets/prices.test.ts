// The price book of the config: what a call costs whose agent says its model and its tokens, and no cost.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, inTurn, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls, resume, read, events } = spendingAt(() => ({ agents, coordinator }));

const PRICES = {
  small: { input_per_million: 1, output_per_million: 4, as_of: "2026-11-01" },
  free: { input_per_million: 0, output_per_million: 0 },
};

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  await coordinator.configure({ prices: PRICES });
});

afterAll(() => closeAll(coordinator, agents));

const SMALL = { model: "small", input_tokens: 100_000, output_tokens: 50_000 };

test("the model's price, and its date is kept", async () => {
  expect((await coordinator.api("GET", "/v1/config")).body.prices).toEqual(PRICES);
  await row("priced", uses(SMALL), ["a", "b"]);
  const { body } = await coordinator.run({ pipeline: "priced", budget: { cost_usd: 0.5 } });
  // 100,000 at 1 and 50,000 at 4 US dollars a million.
  expect(body.stage_results.a.usage).toEqual({ ...SMALL, cost_usd: 0.3 });
  expect([body.status, body.usage["cost_usd"]]).toEqual(["paused", 0.6]);
});

test("what the agent says that it has cost is what it has cost", async () => {
  await row("said", uses({ ...SMALL, cost_usd: 0.01 }), ["a"]);
  const { body } = await coordinator.run({ pipeline: "said", budget: { cost_usd: 0.1 } });
  expect([body.status, body.usage["cost_usd"]]).toEqual(["completed", 0.01]);
});

test("a model without a price counts tokens, and its cost is unknown, which is not zero", async () => {
  const usage = { model: "other", input_tokens: 70, output_tokens: 30 };
  await row("unknown", uses(usage), ["a"]);
  const { body } = await coordinator.run({ pipeline: "unknown", budget: { cost_usd: 0.001 } });
  expect(body.status).toBe("completed");
  expect(body.usage).toEqual({ input_tokens: 70, output_tokens: 30, cost_usd: null, unpriced_tokens: 100 });
  expect(body.stage_results.a.usage).toEqual({ ...usage, cost_usd: null, unpriced_tokens: 100 });
  // A price of zero is one.
  await row("free", uses({ ...usage, model: "free" }), ["a"]);
  expect((await coordinator.run({ pipeline: "free" })).body.usage).toEqual({
    input_tokens: 70,
    output_tokens: 30,
    cost_usd: 0,
  });
});

test("beside one with a price, the cost is a sum of what is known, and says of how much it is not", async () => {
  await row("both", inTurn(uses({ model: "other", input_tokens: 70 }), uses(SMALL)), ["a", "b"]);
  const { body } = await coordinator.run({ pipeline: "both", budget: { cost_usd: 0.2 } });
  expect(body.status).toBe("paused");
  expect(body.usage).toMatchObject({ cost_usd: 0.3, unpriced_tokens: 70 });
  const [{ data }] = await events(body.execution_id, "execution.paused");
  expect(data.by_stage).toEqual({
    a: { cost_usd: null, tokens: 70 },
    b: { cost_usd: 0.3, tokens: 150_000 },
  });
});

test("a run keeps the prices that it began with", async () => {
  await row("pinned", uses(SMALL), ["a", "b"]);
  const { body } = await coordinator.run({ pipeline: "pinned", budget: { cost_usd: 0.2 } });
  expect([body.status, calls("pinned")]).toEqual(["paused", 1]);
  await coordinator.configure({ prices: { small: { input_per_million: 100, output_per_million: 100 } } });
  try {
    await resume(body.execution_id, { budget: { cost_usd: 1 } });
    await expect.poll(async () => (await read(body.execution_id)).status).toBe("completed");
    expect((await read(body.execution_id)).usage["cost_usd"]).toBe(0.6);
    expect((await coordinator.run({ pipeline: "pinned" })).body.usage["cost_usd"]).toBe(30);
  } finally {
    await coordinator.configure({ prices: PRICES });
  }
});
