// A conversation's memory in real workerd: what agents are handed of it, how much, and until when.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", (call, response) => answers({ answer: `to ${call.body.query}` })(call, response, 0));
  coordinator = await startCoordinator([agents]);
  await coordinator.agent("one", agents.url("/one"));
  await coordinator.pipeline("p", [{ name: "only", agent_type: "one" }]);
});

afterAll(() => closeAll(coordinator, agents));

const ask = async (conversation_id: string, query: string, more: Record<string, unknown> = {}) =>
  (await coordinator.run({ pipeline: "p", conversation_id, query, ...more })).body;
const heard = () => agents.calls.at(-1)?.body.history;
const turn = (query: string) => ({ query, answer: { answer: `to ${query}` } });
const patch = (config: Record<string, unknown>) =>
  coordinator.fetch("/v1/config", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(config),
  });

test("agents get the last turns of their conversation, oldest first, five of them", async () => {
  for (let at = 1; at <= 7; at += 1) {
    await ask("c1", `q${at}`);
    const from = Math.max(1, at - 5);
    expect(heard()).toEqual(Array.from({ length: at - from }, (_, n) => turn(`q${from + n}`)));
  }
  await ask("c2", "elsewhere");
  expect(heard()).toEqual([]);
});

test("context_memory_size says how many; 0 remembers nothing", async () => {
  await patch({ context_memory_size: 2 });
  await ask("c1", "again");
  expect(heard()).toEqual([turn("q6"), turn("q7")]);
  await patch({ context_memory_size: 0 });
  await ask("c3", "forgotten");
  await patch({ context_memory_size: null });
  await ask("c3", "next");
  expect(heard()).toEqual([]);
});

test("of a long conversation an agent gets the last fifty turns that there are, in their order", async () => {
  await patch({ context_memory_size: 50 });
  const ids: string[] = [];
  for (let at = 1; at <= 54; at += 1) ids.push((await ask("c9", `q${at}`)).execution_id);
  expect(heard()).toEqual(Array.from({ length: 50 }, (_, n) => turn(`q${n + 4}`)));
  // One among the last fifty, and one before them: no other turn goes with them.
  for (const at of [30, 1]) await coordinator.fetch(`/v1/executions/${ids[at - 1]}`, { method: "DELETE" });
  await ask("c9", "q55");
  const left = Array.from({ length: 51 }, (_, n) => `q${n + 4}`).filter((query) => query !== "q30");
  expect(heard()).toEqual(left.map(turn));
  await patch({ context_memory_size: null });
});

test("only completed runs are remembered; one stage on its own reads and leaves nothing", async () => {
  agents.on("/bad", failsWith(400));
  await coordinator.agent("bad", agents.url("/bad"));
  await coordinator.pipeline("bad", [{ name: "only", agent_type: "bad" }]);
  await ask("c4", "fails", { pipeline: "bad" });
  await ask("c4", "works");
  expect(heard()).toEqual([]);
  const stage = (query: string) =>
    coordinator.fetch("/v1/stages/execute", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ stage: { name: "s", agent_type: "one" }, query, conversation_id: "c4" }),
    });
  await stage("s1");
  expect(heard()).toEqual([turn("works")]);
  await stage("s2");
  expect(heard()).toEqual([turn("works")]);
});

test("deleting an execution deletes its turn, and retention does", async () => {
  const first = await ask("c5", "first");
  await ask("c5", "second");
  const gone = await coordinator.fetch(`/v1/executions/${first.execution_id}`, { method: "DELETE" });
  expect(gone.status).toBe(204);
  await ask("c5", "third");
  expect(heard()).toEqual([turn("second")]);
  await patch({ retention_seconds: 1 });
  await ask("c6", "soon gone");
  await patch({ retention_seconds: null });
  await new Promise((resolve) => {
    setTimeout(resolve, 1_100);
  });
  await ask("c6", "after");
  expect(heard()).toEqual([]);
});

test("what is remembered of a long answer is bounded", async () => {
  agents.on("/long", answers({ answer: "x".repeat(100_000), sources: ["y".repeat(1_000)] }));
  await coordinator.agent("long", agents.url("/long"));
  await coordinator.pipeline("long", [{ name: "only", agent_type: "long" }]);
  await ask("c7", "long", { pipeline: "long" });
  await ask("c7", "then");
  expect(heard()).toEqual([{ query: "long", answer: { answer: "x".repeat(16 * 1024) } }]);
});
