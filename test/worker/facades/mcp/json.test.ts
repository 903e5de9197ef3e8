// A caller of MCP that takes JSON alone, against the coordinator in real workerd: its answer where the run rests, what
// becomes of that run, and of the run of a caller who leaves.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  ({ slow } = await protocolAgents(agents, coordinator));
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => Promise<boolean>, ms?: number) => eventually(holds, Boolean, ms);
const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

/** That a caller has left may be noticed 5 s later, and the grace is 5 s. */
async function graceOver(): Promise<void> {
  const left = Date.now();
  await until(async () => Date.now() - left > 11_000, 20_000);
}

const callTool = (name: string, conversation_id: string, signal: AbortSignal | null = null) =>
  coordinator.fetch("/mcp", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: { query: "How cheap is solar?", conversation_id } },
    }),
    signal,
  });

async function executionOf(conversation_id: string): Promise<string> {
  const listed = await eventually(
    () => coordinator.api("GET", `/v1/executions?conversation_id=${conversation_id}`),
    ({ body }) => body.data.length > 0,
  );
  return listed.body.data[0].execution_id;
}

test("a question to a person is an error that says so, and the run waits on and ends without its caller", async () => {
  const { result } = (await (await callTool("asking", "json-asks")).json()) as Record<string, any>;
  expect(result).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/^the execution \S+ waits for an answer/) }],
    structuredContent: { status: "waiting" },
  });
  const { execution_id } = result.structuredContent;
  await graceOver();
  expect((await show(execution_id)).status).toBe("waiting");
  const path = `/v1/executions/${execution_id}/stages/review/complete`;
  expect((await coordinator.api("POST", path, { data: { approved: true } })).status).toBe(200);
  await until(async () => (await show(execution_id)).status === "completed");
  expect((await show(execution_id)).final_result.answer).toBe(ANSWER);
});

test("so is a pause, after which the run takes as long as it needs", async () => {
  const before = slow.calls;
  const calling = callTool("slow", "json-paused");
  await until(async () => slow.calls > before);
  const execution_id = await executionOf("json-paused");
  await coordinator.api("POST", `/v1/executions/${execution_id}/pause`, { mode: "abort" });
  const { result } = (await (await calling).json()) as Record<string, any>;
  expect(result).toMatchObject({
    isError: true,
    content: [{ text: `the execution ${execution_id} is paused` }],
    structuredContent: { execution_id, status: "paused" },
  });
  await coordinator.api("POST", `/v1/executions/${execution_id}/resume`);
  await until(async () => slow.calls > before + 1);
  await graceOver();
  expect((await show(execution_id)).status).toBe("running");
  slow.say(1);
  slow.end();
  await until(async () => (await show(execution_id)).status === "completed");
});

test("a caller who leaves before cancels the run", async () => {
  const before = slow.calls;
  const leaving = new AbortController();
  const calling = callTool("slow", "json-left", leaving.signal);
  await until(async () => slow.calls > before);
  const execution_id = await executionOf("json-left");
  leaving.abort();
  await expect(calling).rejects.toThrow();
  await until(async () => (await show(execution_id)).status === "cancelled", 20_000);
});
