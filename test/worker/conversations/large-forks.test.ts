// A fork of a run of the largest size: what it takes over goes through the Worker to an object of its own.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

test("14 MiB of results are taken over, in each of the ways to wait", async () => {
  // One character beyond Latin-1 makes a string take twice its length in a message.
  agents.on("/large", answers({ answer: `\u4e2d${"x".repeat(1_000_000)}` }));
  agents.on("/small", answers({ answer: "small" }));
  await coordinator.agent("large", agents.url("/large"));
  await coordinator.agent("small", agents.url("/small"));
  const large = Array.from({ length: 14 }, (_, at) => ({
    name: `s${at}`,
    agent_type: "large",
    parallel: true,
  }));
  await coordinator.pipeline("large", [...large, { name: "last", agent_type: "small", depends_on: ["s0"] }]);
  const source = await coordinator.run({ pipeline: "large", conversation_id: "large" });
  expect(source.body.status).toBe("completed");
  agents.calls.length = 0;
  for (const headers of [{}, { prefer: "respond-async" }, { accept: "text/event-stream" }]) {
    const forked = await coordinator.fetch(`/v1/executions/${source.body.execution_id}/fork`, {
      method: "POST",
      body: JSON.stringify({ from: "last" }),
      headers: { "content-type": "application/json", ...headers },
    });
    expect(forked.ok).toBe(true);
    await forked.text();
    const path = forked.headers.get("location") ?? "";
    await expect
      .poll(async () => (await coordinator.api("GET", path)).body.status, { timeout: 20_000 })
      .toBe("completed");
  }
  expect(agents.calls.map(({ path }) => path)).toEqual(["/small", "/small", "/small"]);
}, 120_000);
