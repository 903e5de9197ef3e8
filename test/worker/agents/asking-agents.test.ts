// Agents that ask, in real workerd over real HTTP: the question is in the inbox, is answered as any other, and the agent is
// called with the answer; the run's object may die in between.
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, inTurn, startAgentServer } from "../../support/agents/agent-server.ts";
import { asks, end, finished, say, start, STARTED, streamsRun } from "../../support/agents/ag-ui-events.ts";
import { askingTools } from "../../support/agents/asking-tools.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

const SECRET = "a-credential-of-this-test-alone";

let agents: AgentServer;
let coordinator: Coordinator;

const responseSchema = { type: "object", required: ["date"], properties: { date: { type: "string" } } };

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    AGENT_SECRET_LOCAL__KEY: `Bearer ${SECRET}`,
  });
});

afterAll(() => closeAll(coordinator, agents));

const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

/** A pipeline whose agent asks once; a run of it that waits for the answer. */
async function asking(name: string) {
  const asked = streamsRun([
    STARTED,
    asks({ id: "i1", reason: "input", message: "Which day?", responseSchema }),
  ]);
  const booked = streamsRun([STARTED, start("m"), say("m", "Booked."), end("m"), finished()]);
  agents.on(`/${name}`, inTurn(asked, booked));
  await coordinator.api("PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`), protocol: "ag-ui" });
  await coordinator.pipeline(name, [{ name: "book", agent_type: name, on_input_required: "wait" }]);
  const { status, body } = await coordinator.run({ pipeline: name, conversation_id: name });
  expect([status, body.status]).toEqual([202, "waiting"]);
  const calls = () => agents.callsOf(`/${name}`);
  return { id: String(body.execution_id), calls };
}

const completed = (id: string) =>
  eventually(
    () => show(id),
    ({ status }) => status === "completed",
  );

test("a question is in the inbox, its answer is held to its schema, and goes to the agent", async () => {
  const { id, calls } = await asking("asked");
  const inbox = await coordinator.api("GET", "/v1/waits?conversation_id=asked");
  expect(inbox.body.data).toMatchObject([{ execution_id: id, stage: "book", schema: responseSchema }]);
  const path = `/v1/executions/${id}/stages/book/complete`;
  const wrong = await coordinator.api("POST", path, { data: { date: 7 } });
  expect([wrong.status, wrong.body.code]).toEqual([422, "SCHEMA_MISMATCH"]);
  expect((await coordinator.api("POST", path, { data: { date: "monday" } })).status).toBe(200);
  expect((await completed(id)).final_result).toMatchObject({ answer: "Booked." });
  const [first, second] = calls();
  expect(second?.body).toMatchObject({
    resume: [{ interruptId: "i1", status: "resolved", payload: { date: "monday" } }],
  });
  expect(second?.headers["idempotency-key"]).not.toBe(first?.headers["idempotency-key"]);
  expect((await coordinator.api("GET", "/v1/waits?conversation_id=asked")).body.data).toEqual([]);
});

test("a person without a key answers by its page", async () => {
  const { id } = await asking("paged");
  const token = await coordinator.api("POST", `/v1/executions/${id}/stages/book/token`);
  expect(token.status).toBe(200);
  const { pathname } = new URL(token.body.respond_url);
  const page = await (await coordinator.fetch(pathname, { headers: { accept: "text/html" } })).text();
  expect(page).toContain("Which day?");
  const posted = await coordinator.fetch(pathname, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: { date: "monday" } }),
  });
  expect(posted.status, await posted.text()).toBeLessThan(400);
  const again = await coordinator.fetch(pathname, { headers: { accept: "text/html" } });
  expect([again.status, await again.text()]).toEqual([200, expect.stringContaining("already")]);
  expect((await completed(id)).final_result).toMatchObject({ answer: "Booked." });
});

test("a tool of an MCP server asks, and goes on with the answer", async () => {
  agents.on("/mcp", askingTools());
  const options = { tool: "book" };
  await coordinator.api("PUT", "/v1/agents/tool", { url: agents.url("/mcp"), protocol: "mcp", options });
  const stage = { name: "book", agent_type: "tool", on_input_required: "wait" };
  await coordinator.pipeline("tool", [stage]);
  const { body } = await coordinator.run({ pipeline: "tool", conversation_id: "tool" });
  expect(body.status).toBe("waiting");
  const id = String(body.execution_id);
  await coordinator.abort(id);
  const path = `/v1/executions/${id}/stages/book/complete`;
  const wrong = await coordinator.api("POST", path, { data: { date: 7 } });
  expect([wrong.status, wrong.body.code]).toEqual([422, "SCHEMA_MISMATCH"]);
  expect((await coordinator.api("POST", path, { data: { date: "monday" } })).status).toBe(200);
  expect((await completed(id)).final_result).toMatchObject({ answer: "Booked for monday, kept." });
});

test("an agent of A2A asks, and goes on with its task", async () => {
  const json = (response: ServerResponse, value: object) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  const supportedInterfaces = [
    { url: agents.url("/task/rpc"), protocolBinding: "JSONRPC", protocolVersion: "1.0" },
  ];
  const card = { name: "task", version: "1", supportedInterfaces, capabilities: {} };
  agents.on("/task/.well-known/agent-card.json", (_call, response) => json(response, card));
  const sent: { taskId?: string; parts: object[] }[] = [];
  agents.on("/task/rpc", ({ text }, response) => {
    const { id, params } = JSON.parse(text);
    sent.push(params.message);
    const asked = { state: "TASK_STATE_INPUT_REQUIRED", message: { parts: [{ text: "Which day?" }] } };
    const ended = { state: "TASK_STATE_COMPLETED" };
    const isFirst = params.message.taskId === undefined;
    const task = { id: "t1", contextId: "x1", status: isFirst ? asked : ended };
    const artifacts = isFirst ? [] : [{ artifactId: "a", parts: [{ text: "Booked." }] }];
    json(response, { jsonrpc: "2.0", id, result: { task: { ...task, artifacts } } });
  });
  await coordinator.api("PUT", "/v1/agents/task", { url: agents.url("/task"), protocol: "a2a" });
  const stage = { name: "book", agent_type: "task", on_input_required: "wait" };
  await coordinator.pipeline("task", [stage]);
  const { body } = await coordinator.run({ pipeline: "task", conversation_id: "task" });
  expect(body.status).toBe("waiting");
  const path = `/v1/executions/${body.execution_id}/stages/book/complete`;
  expect((await coordinator.api("POST", path, { data: { answer: "monday" } })).status).toBe(200);
  expect((await completed(body.execution_id)).final_result).toMatchObject({ answer: "Booked." });
  expect(sent.at(-1)).toMatchObject({ taskId: "t1", parts: [{ text: "monday" }] });
});

test("an eviction while it waits, and a crash after the answer, lose nothing", async () => {
  const { id, calls } = await asking("evicted");
  await coordinator.evict(id);
  await coordinator.api("POST", `/v1/executions/${id}/stages/book/complete`, { data: { date: "monday" } });
  await coordinator.abort(id);
  expect((await completed(id)).final_result).toMatchObject({ answer: "Booked." });
  for (const { body } of calls().slice(1)) expect(body).toMatchObject({ resume: [{ interruptId: "i1" }] });
});

test.each(["wait", "fail"])("a credential in a question is shown to no reader (%s)", async (allowed) => {
  const name = `echoes-${allowed}`;
  const question = { id: "i1", reason: "input", message: `Which day, Bearer ${SECRET}?`, responseSchema };
  agents.on(`/${name}`, streamsRun([STARTED, asks(question)]));
  await coordinator.api("PUT", `/v1/agents/${name}`, {
    url: agents.url(`/${name}`),
    protocol: "ag-ui",
    headers: { authorization: "secret:KEY" },
  });
  await coordinator.pipeline(name, [{ name: "book", agent_type: name, on_input_required: allowed }]);
  const { body } = await coordinator.run({ pipeline: name, conversation_id: name });
  const events = await coordinator.fetch(`/v1/executions/${body.execution_id}/events`, {
    headers: { accept: "application/json" },
  });
  const inbox = await coordinator.api("GET", `/v1/waits?conversation_id=${name}`);
  const shown = [JSON.stringify(body), await events.text(), JSON.stringify(inbox.body)];
  expect(shown.join()).toContain("Which day, [redacted]?");
  expect(shown.join()).not.toContain(SECRET);
});
