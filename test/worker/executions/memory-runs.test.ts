// Runs without storage (context_storage_backend: memory): waits that are longer than the object stays in memory by
// itself, a pause and the deadline come to their end; what such a run loses, it says.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  failsWith,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

/** Longer than the 10 s after which workerd evicts an object that nobody calls. */
const LONG_WAIT_SECONDS = 12;

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  await coordinator.configure({ context_storage_backend: "memory" });
  const busy = failsWith(503, {}, { "retry-after": String(LONG_WAIT_SECONDS) });
  for (const name of ["alone", "waiting", "streamed", "paused"]) {
    agents.on(`/${name}`, inTurn(busy, answers({ said: name })));
    await coordinator.alone(name, agents.url(`/${name}`));
  }
  agents.on("/quick", answers({ said: "at once" }));
  await coordinator.alone("quick", agents.url("/quick"));
});

afterAll(() => closeAll(coordinator, agents));

test.concurrent("a long wait between tries ends without anybody asking", async () => {
  const started = await coordinator.run({ pipeline: "alone" }, { prefer: "respond-async" });
  expect(started.body.execution_metadata.storage).toBe("memory");
  expect(started.body.execution_metadata.storage_note).toContain("kept in memory only");
  await sleep((LONG_WAIT_SECONDS + 1) * 1_000);
  expect(agents.callsOf("/alone")).toHaveLength(2);
  const read = await coordinator.api("GET", `/v1/executions/${started.body.execution_id}`);
  expect(read.body.status).toBe("completed");
});

test.concurrent("a caller who waits is answered after a long wait", async () => {
  const answer = await coordinator.run({ pipeline: "waiting" });
  expect([answer.status, answer.body.status]).toEqual([200, "completed"]);
});

test.concurrent("a stream goes on after a long wait", async () => {
  const stream = await coordinator.fetch("/v1/executions", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: "streamed" }),
  });
  expect(await stream.text()).toContain("event: execution.completed");
});

test.concurrent("a pause ends at its longest, with the object in memory all the while", async () => {
  await coordinator.configure({ max_pause_seconds: 11 });
  const id = "paused-in-memory";
  await coordinator.pipeline("two", [
    { name: "first", agent_type: "paused" },
    { name: "second", agent_type: "quick", depends_on: ["first"] },
  ]);
  await coordinator.run({ pipeline: "two", execution_id: id }, { prefer: "respond-async" });
  await coordinator.api("POST", `/v1/executions/${id}/pause`, { mode: "abort" });
  await sleep(13_000);
  const read = await coordinator.api("GET", `/v1/executions/${id}`);
  expect(read.body.status).toBe("cancelled");
});

test("a run that is lost with its object is not found", async () => {
  const id = "lost";
  const answer = await coordinator.run({ pipeline: "quick", execution_id: id });
  expect(answer.body.status).toBe("completed");
  await coordinator.abort(id);
  expect((await coordinator.api("GET", `/v1/executions/${id}`)).status).toBe(404);
});
