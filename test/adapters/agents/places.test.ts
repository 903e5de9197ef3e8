// What is kept apart for each agent: what it speaks, where two service bindings share a path, and its credential, where it
// takes text back.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AgentCall } from "../../../src/contract/agent.ts";
import { HttpAgents } from "../../../src/adapters/agents/agents.ts";
import { RedactingAgents } from "../../../src/adapters/agents/redacting.ts";
import type { CallHooks } from "../../../src/engine/ports.ts";
import { type AgentServer, type Behaviour, startAgentServer } from "../../support/agents/agent-server.ts";
import { CALL } from "../../support/agents/protocol-call.ts";

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

function request(registration: object, call: Partial<AgentCall> = {}) {
  return {
    tenant: "local",
    registration: registration as never,
    call: { ...CALL, ...call },
    idempotency_key: "e1.say",
    traceparent: null,
    callback_url: null,
  };
}

const hooks = (delta: CallHooks["delta"]): CallHooks => ({
  signal: new AbortController().signal,
  delta,
  progress: () => {},
  alive: () => {},
  hears_silence: false,
});

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
    expect(
      await agents.call(
        request(registration),
        hooks(() => {}),
      ),
    ).toMatchObject({
      ok: true,
      answer: { data: { answer: `/${binding}` } },
    });
  }
  expect(methodsOf("NEW")).toEqual(["server/discover", "tools/call"]);
  expect(methodsOf("OLD")).toEqual([
    "server/discover",
    "initialize",
    "notifications/initialized",
    "tools/call",
  ]);
});

test("a text that an agent takes back is taken back for readers, without its credential", async () => {
  const inner = {
    call: async (_request: unknown, own: CallHooks) => {
      own.delta("Wrong s3cret-of-mine");
      own.delta(" words");
      own.delta("Right", 0);
      own.delta(" s3cret-of-mine.");
      return { ok: true, answer: { data: {} }, bytes: 2 };
    },
  };
  const agents = new RedactingAgents(inner as never, () => "s3cret-of-mine");
  let text = "";
  const registration = { url: "https://a.example/", protocol: "native", headers: { key: "secret:K" } };
  await agents.call(
    request(registration),
    hooks((piece, offset) => {
      text = text.slice(0, offset ?? text.length) + piece;
    }),
  );
  expect(text).toBe("Right [redacted].");
});
