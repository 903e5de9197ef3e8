// Tools of MCP that ask a person: what a server asks as a question, and its answer in the further call.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../../support/agents/agent-server.ts";
import { askingTools, dateSchema } from "../../../../support/agents/asking-tools.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";

let agents: AgentServer;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/mcp", askingTools());
});

afterAll(() => agents.close());

const tool = (name: string, path = "/mcp") => ({
  url: agents.url(path),
  protocol: "mcp" as const,
  options: { tool: name },
});

test("a form is a question, and its answer goes back with the server's state", async () => {
  const { outcome } = await callAgent(tool("book"), {}, { may_ask: true });
  const continuation = { keys: ["day"], state: "kept" };
  expect(outcome).toEqual({
    ok: "asks",
    prompt: { question: "Which day?" },
    schema: expect.objectContaining(dateSchema),
    continuation,
  });
  const answer = { continuation, data: { date: "monday" } };
  const further = await callAgent(tool("book"), {}, { may_ask: true, answer });
  expect(dataOf(further)).toEqual({ answer: "Booked for monday, kept." });
});

test("several forms are one question with a member for each", async () => {
  const { outcome } = await callAgent(tool("pair"), {}, { may_ask: true });
  const continuation = { keys: ["from", "until"] };
  expect(outcome).toMatchObject({
    ok: "asks",
    prompt: { question: "From?\nUntil?" },
    schema: { required: ["from", "until"], properties: { from: dateSchema, until: dateSchema } },
    continuation,
  });
  const data = { from: { date: "monday" }, until: { date: "friday" } };
  const further = await callAgent(tool("pair"), {}, { may_ask: true, answer: { continuation, data } });
  expect(dataOf(further)).toEqual({ answer: "monday to friday" });
});

test("a server asks nobody where its stage does not let it", async () => {
  const { outcome } = await callAgent(tool("book"));
  expect(outcome.ok).toBe(false);
});

test.each<[string, object]>([
  ["a model's words", { method: "sampling/createMessage", params: { messages: [] } }],
  ["a page to be visited", { method: "elicitation/create", params: { mode: "url", message: "Log in" } }],
])("%s cannot be asked of a person", async (_name, request) => {
  const path = `/by-hand-${_name.length}`;
  agents.on(path, ({ body }, response) => {
    const { id, method } = body as unknown as { id: number; method: string };
    const result =
      method === "server/discover"
        ? { supportedVersions: ["2026-07-28"] }
        : { resultType: "input_required", inputRequests: { a: request } };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
  });
  const called = await callAgent(tool("book", path), {}, { may_ask: true });
  expect(errorOf(called)).toMatchObject({ status: 422, retry: "no" });
});
