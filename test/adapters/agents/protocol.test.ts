// What an agent is known by, for protocols that remember what it speaks: two service bindings that share a path are two
// agents.
import { afterAll, beforeAll, expect, test } from "vitest";
import { HttpAgents } from "../../../src/adapters/agents/agents.ts";
import { type AgentServer, type Behaviour, startAgentServer } from "../../support/agents/agent-server.ts";
import { callThrough } from "../../support/agents/protocol-call.ts";

let servers: AgentServer;

beforeAll(async () => {
  servers = await startAgentServer();
  servers.on("/NEW", mcpServer({ "server/discover": { supportedVersions: ["2026-07-28"] } }));
  servers.on("/OLD", mcpServer({ initialize: { protocolVersion: "2025-11-25" } }));
});

afterAll(() => servers.close());

/** Answers a call of its tool, and these methods; any other is unknown to it. */
function mcpServer(known: Record<string, object>): Behaviour {
  return ({ text, path }, response) => {
    const { id, method } = JSON.parse(text) as { id?: number; method: string };
    if (id === undefined) return void response.writeHead(202).end();
    const result = { ...known, "tools/call": { content: [{ type: "text", text: path }] } }[method];
    const answer = result === undefined ? { error: { code: -32_601, message: "unknown" } } : { result };
    response.writeHead(200, { "content-type": "application/json" });
    return void response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  };
}

const methodsOf = (name: string) =>
  servers.callsOf(`/${name}`).map(({ text }) => (JSON.parse(text) as { method: string }).method);

test("what one service binding speaks is not taken for what another does", async () => {
  const agents = new HttpAgents({
    fetch,
    binding: (name) =>
      ({ fetch: (_url: unknown, init: RequestInit) => fetch(servers.url(`/${name}`), init) }) as never,
    secret: () => null,
    allowedHosts: new Set(),
  });
  for (const binding of ["NEW", "OLD"]) {
    const registration = { binding, protocol: "mcp", options: { tool: "t" } };
    const { outcome } = await callThrough(agents, { registration: registration as never });
    expect(outcome).toMatchObject({ ok: true, answer: { data: { answer: `/${binding}` } } });
  }
  expect(methodsOf("NEW")).toEqual(["server/discover", "tools/call"]);
  expect(methodsOf("OLD")).toEqual([
    "server/discover",
    "initialize",
    "notifications/initialized",
    "tools/call",
  ]);
});
