// Usage that an agent streams while it works: it counts at once, so that a run stops in the middle of a call.
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
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

/** Streams these, and its result only once the returned function is called. */
function held(events: readonly (readonly [string, unknown])[]) {
  const open = Promise.withResolvers<void>();
  const behaviour: Behaviour = async (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [event, data] of events) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    await open.promise;
    response.end('event: result\ndata: {"data":{"said":"all"}}\n\n');
  };
  return { behaviour, release: open.resolve };
}

test("an event past the budget pauses the run; its call goes on, and the next is not made", async () => {
  const { behaviour, release } = held([
    ["usage", { output_tokens: 60 }],
    ["usage", { output_tokens: 120 }],
  ]);
  await row("paused", inTurn(behaviour, uses({ output_tokens: 1 })), ["a", "b"]);
  const budget = { tokens: 100 };
  const { body } = await coordinator.run({ pipeline: "paused", budget }, { prefer: "respond-async" });
  const id = body.execution_id;
  await expect.poll(async () => (await read(id)).status).toBe("paused");
  const [{ data }] = await events(id, "execution.paused");
  // The second event replaces the first: it is what the call has used in all.
  expect(data.spent).toEqual({ cost_usd: null, tokens: 120 });
  expect(data.by_stage).toEqual({ a: { cost_usd: null, tokens: 120 } });
  expect((await read(id)).stage_results.a.status).toBe("running");
  release();
  await expect.poll(async () => (await read(id)).stage_results.a.status).toBe("completed");
  // The answer says nothing of its own: the last event counts.
  expect((await read(id)).stage_results.a.usage).toEqual({ output_tokens: 120 });
  expect(calls("paused")).toBe(1);
  expect((await resume(id, { budget: { tokens: 1_000 } })).status).toBe(200);
  await expect.poll(async () => (await read(id)).status).toBe("completed");
  expect((await read(id)).usage).toEqual({ output_tokens: 121 });
});

test("a run that is to fail aborts the call, and keeps what it had used", async () => {
  const { behaviour, release } = held([["usage", { cost_usd: 2, output_tokens: 9 }]]);
  await row("aborted", behaviour, ["a", "b"]);
  const budget = { cost_usd: 1, on_exceeded: "fail" };
  const { body } = await coordinator.run({ pipeline: "aborted", budget });
  expect(body.error_info.code).toBe("BUDGET_EXCEEDED");
  expect(body.stage_results.a.status).toBe("cancelled");
  expect(body.usage).toMatchObject({ cost_usd: 2, output_tokens: 9 });
  await expect.poll(() => agents.callsOf("/aborted")[0]?.aborted).toBe(true);
  release();
  expect(calls("aborted")).toBe(1);
});

test("the usage of the result replaces what was streamed, and what is no usage is ignored", async () => {
  await row(
    "replaced",
    streams([
      ["usage", "much"],
      ["usage", { output_tokens: 90 }],
      ["usage", []],
      ["result", { data: {}, usage: { output_tokens: 40 } }],
    ]),
    ["a", "b"],
  );
  const { body } = await coordinator.run({ pipeline: "replaced", budget: { tokens: 135 } });
  expect([body.status, body.usage]).toEqual(["completed", { output_tokens: 80 }]);
});
