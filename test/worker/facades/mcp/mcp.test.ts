// The MCP server with the clients that people have, against the coordinator in real workerd: the revision of 2026 and the
// handshake of 2025, pipelines as tools, progress, cancellation; and by hand what those clients never send.
import { createMCPClient } from "@ai-sdk/mcp";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as EarlierClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as EarlierTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import {
  ANSWER,
  CITATIONS,
  protocolAgents,
  type SlowWords,
} from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    AGENT_COORDINATOR_CORS_ORIGINS: "https://app.example",
  });
  ({ slow } = await protocolAgents(agents, coordinator));
  await coordinator.api("PUT", "/v1/pipelines/described", {
    description: "Answers questions about energy.",
    stages: [{ name: "answer", agent_type: "t_answer" }],
  });
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const endpoint = () => new URL(`${coordinator.url}/mcp`);
const info = { name: "test", version: "1" };
const query = "How cheap is solar?";
const RESULT = { answer: ANSWER, citations: CITATIONS };

type Connected = Pick<Client, "callTool" | "listTools" | "close">;

const CLIENTS: Record<string, () => Promise<Connected>> = {
  "of 2026, as it comes": async () => {
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(endpoint()));
    return client;
  },
  "of 2026, which asks first": async () => {
    const client = new Client(info, { versionNegotiation: { mode: "auto" } });
    await client.connect(new StreamableHTTPClientTransport(endpoint()));
    return client;
  },
  "of 2026, pinned to its revision": async () => {
    const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(new StreamableHTTPClientTransport(endpoint()));
    return client;
  },
  "of 2025": async () => {
    const client = new EarlierClient(info);
    await client.connect(new EarlierTransport(endpoint()));
    // Its second argument is a schema of the result.
    const callTool = (params: Parameters<EarlierClient["callTool"]>[0], options: never) =>
      client.callTool(params, undefined, options);
    return {
      callTool,
      listTools: () => client.listTools(),
      close: () => client.close(),
    } as unknown as Connected;
  },
};

describe.each(Object.entries(CLIENTS))("the official client %s", (_which, connect) => {
  test("lists pipelines as tools, by name, with their descriptions and schemas", async () => {
    const client = await connect();
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    expect(tools.find(({ name }) => name === "described")).toMatchObject({
      description: "Answers questions about energy.",
      inputSchema: { type: "object", required: ["query"] },
    });
    expect(tools.find(({ name }) => name === "full")?.description).toContain("plan, retrieve");
    await client.close();
  });

  test("calls one: text, links, the result as data, progress that rises", async () => {
    const client = await connect();
    const progress: number[] = [];
    const result = await client.callTool(
      { name: "full", arguments: { query } },
      ...([{ onprogress: (report: { progress: number }) => void progress.push(report.progress) }] as never[]),
    );
    expect(result.isError ?? false).toBe(false);
    expect(result.content).toEqual([
      { type: "text", text: ANSWER },
      { type: "resource_link", uri: "https://example.org/wind", name: "Wind" },
    ]);
    expect(result.structuredContent).toMatchObject({ status: "completed", result: RESULT });
    await client.close();
  });

  test("gets a run that fails, and arguments that are wrong, as a result that is an error", async () => {
    const client = await connect();
    const failed = await client.callTool({ name: "fail", arguments: { query } });
    expect(failed).toMatchObject({
      isError: true,
      content: [{ type: "text", text: "answer: cannot do that" }],
    });
    const missing = await client.callTool({ name: "full", arguments: {} });
    expect(missing).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("query") }] });
    const long = { query, conversation_id: "x".repeat(200) };
    const wrong = await client.callTool({ name: "full", arguments: long });
    expect(wrong).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("conversation_id") }],
    });
    await client.close();
  });

  test("gets an error for a tool that is not there", async () => {
    const client = await connect();
    await expect(client.callTool({ name: "nothing", arguments: { query } })).rejects.toMatchObject({
      code: -32_602,
    });
    await client.close();
  });

  test("that gives a call up cancels its run", async () => {
    const client = await connect();
    const before = slow.calls;
    const conversation_id = `mcp-given-up-${before}`;
    const giving = new AbortController();
    const calling = client.callTool(
      { name: "slow", arguments: { query, conversation_id } },
      ...([{ signal: giving.signal }] as never[]),
    );
    await until(() => slow.calls > before);
    giving.abort();
    await expect(calling).rejects.toThrow();
    // Of the handshake's revisions the client leaves with its connection; the modern one has left with the request.
    await client.close();
    await until(async () => {
      const listed = await coordinator.api("GET", `/v1/executions?conversation_id=${conversation_id}`);
      return listed.body.data[0]?.status === "cancelled";
    });
  });
});

test("progress rises through a call of the modern client", async () => {
  const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StreamableHTTPClientTransport(endpoint()));
  const progress: number[] = [];
  await client.callTool(
    { name: "full", arguments: { query } },
    { onprogress: (report) => void progress.push(report.progress) },
  );
  expect(progress.length).toBeGreaterThan(5);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(new Set(progress).size).toBe(progress.length);
  await client.close();
});

test("the AI SDK's MCP client has pipelines as its tools", async () => {
  const client = await createMCPClient({ transport: { type: "http", url: String(endpoint()) } });
  const tools = await client.tools();
  const result = await tools["full"]?.execute({ query }, { toolCallId: "1", messages: [] } as never);
  expect(result).toMatchObject({ content: [{ type: "text", text: ANSWER }, {}] });
  await client.close();
});

/** What the progress of a streamed call says. */
function messagesIn(sent: string): string[] {
  return sent.split("\n\n").flatMap((event) => {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    return data === undefined ? [] : (JSON.parse(data).params?.message ?? []);
  });
}

describe("by hand", () => {
  const VERSION = "io.modelcontextprotocol/protocolVersion";
  const meta = { [VERSION]: "2026-07-28" };
  async function post(body: unknown, headers: Record<string, string> = {}) {
    const response = await coordinator.fetch("/mcp", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? null : JSON.parse(text),
    };
  }
  const modern = (method: string, params: object = {}, headers: Record<string, string> = {}) =>
    post(
      { jsonrpc: "2.0", id: 7, method, params: { ...params, _meta: meta } },
      { "mcp-protocol-version": "2026-07-28", "mcp-method": method, ...headers },
    );
  const call = { name: "full", arguments: { query } };

  test("modern: discover, list and call carry the frame of their results", async () => {
    const discovered = await modern("server/discover");
    expect(discovered.body.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
      capabilities: { tools: {} },
      ttlMs: 60_000,
      cacheScope: "private",
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "agent-coordinator" } },
    });
    expect((await modern("tools/list")).body.result).toMatchObject({ resultType: "complete", ttlMs: 60_000 });
    const called = await modern("tools/call", call, { "mcp-name": "full" });
    expect(called.body).toMatchObject({
      id: 7,
      result: { resultType: "complete", structuredContent: { result: RESULT } },
    });
    const coded = `=?base64?${btoa("full")}?=`;
    expect((await modern("tools/call", call, { "mcp-name": coded })).body.result.isError).toBeUndefined();
  });

  test("modern: headers that are not those of the body are refused", async () => {
    const refused = async (headers: Record<string, string>) => {
      const { status, body } = await modern("tools/call", call, { "mcp-name": "full", ...headers });
      return [status, body.error.code, body.id];
    };
    expect(await refused({ "mcp-method": "tools/list" })).toEqual([400, -32_020, 7]);
    expect(await refused({ "mcp-name": "other" })).toEqual([400, -32_020, 7]);
    expect(await refused({ "mcp-name": "=?base64?%%%?=" })).toEqual([400, -32_020, 7]);
    expect(await refused({ "mcp-protocol-version": "2025-11-25" })).toEqual([400, -32_020, 7]);
  });

  test("a version that is not known is refused with those that are", async () => {
    const body = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/list",
      params: { _meta: { [VERSION]: "1999-01-01" } },
    };
    expect((await post(body)).body.error).toMatchObject({ code: -32_022, data: { requested: "1999-01-01" } });
    const header = { jsonrpc: "2.0", id: 1, method: "tools/list" };
    expect(await post(header, { "mcp-protocol-version": "1999-01-01" })).toMatchObject({ status: 400 });
  });

  test("the handshake answers with the version that is asked for, or the newest", async () => {
    const initialize = async (protocolVersion: string) =>
      (await post({ jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion } })).body.result;
    expect(await initialize("2025-06-18")).toMatchObject({
      protocolVersion: "2025-06-18",
      serverInfo: { name: "agent-coordinator" },
    });
    expect((await initialize("2024-11-05")).protocolVersion).toBe("2025-11-25");
    expect((await post({ jsonrpc: "2.0", id: "a", method: "ping" })).body).toEqual({
      jsonrpc: "2.0",
      id: "a",
      result: {},
    });
  });

  test("notifications are received, and unknown methods told apart by revision", async () => {
    expect(await post({ jsonrpc: "2.0", method: "notifications/initialized" })).toMatchObject({
      status: 202,
      body: null,
    });
    expect(await post({ jsonrpc: "2.0", id: 1, method: "prompts/list" })).toMatchObject({
      status: 200,
      body: { error: { code: -32_601 } },
    });
    expect(await modern("prompts/list")).toMatchObject({ status: 404, body: { error: { code: -32_601 } } });
  });

  test("what is no request is refused in JSON-RPC", async () => {
    for (const body of [[], [{ jsonrpc: "2.0", id: 1, method: "ping" }], { id: 1, method: "ping" }, "7"]) {
      expect(await post(body)).toMatchObject({
        status: 400,
        body: { jsonrpc: "2.0", id: null, error: { code: -32_600 } },
      });
    }
    expect(await post("{")).toMatchObject({ status: 400, body: { error: { code: -32_700 } } });
    const typed = await post("{}", { "content-type": "text/plain" });
    expect(typed).toMatchObject({ status: 415, body: { jsonrpc: "2.0", error: { code: -32_600 } } });
    const got = await coordinator.fetch("/mcp", { headers: { accept: "text/event-stream" } });
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
    expect(await got.json()).toMatchObject({ error: { code: -32_600 } });
  });

  test("pages of other origins are refused, those that are allowed may ask for any header", async () => {
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect((await post(ping, { origin: "https://evil.example" })).status).toBe(403);
    const allowed = await post(ping, { origin: "https://app.example" });
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([
      200,
      "https://app.example",
    ]);
    const preflight = await coordinator.fetch("/mcp", {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "mcp-protocol-version,mcp-method,mcp-name",
      },
    });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("mcp-name");
  });

  /** The text of a streamed call of the slow pipeline, whose agent has been called, and its execution. */
  async function streamSlow(conversation_id: string) {
    const before = slow.calls;
    const streamed = coordinator.fetch("/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "slow",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: {
          name: "slow",
          arguments: { query, conversation_id },
          _meta: { ...meta, progressToken: "p" },
        },
      }),
    });
    await until(() => slow.calls > before);
    return { text: (await streamed).text(), execution_id: await executionOf(conversation_id) };
  }

  async function executionOf(conversation_id: string): Promise<string> {
    const listed = await eventually(
      () => coordinator.api("GET", `/v1/executions?conversation_id=${conversation_id}`),
      ({ body }) => body.data.length > 0,
    );
    return listed.body.data[0].execution_id;
  }

  test("a call goes on over a crash of the run's object", async () => {
    const before = slow.calls;
    const { text, execution_id } = await streamSlow("mcp-crashed");
    await coordinator.abort(execution_id);
    await until(() => slow.calls > before + 1);
    slow.say(2);
    slow.end();
    const sent = await text;
    expect(sent).toContain('"text":"w0 w1 "');
    expect(messagesIn(sent)).toContain("recovered; interrupted: answer");
  });

  test("a run that is paused, and goes on, says so in its progress", async () => {
    const { text, execution_id } = await streamSlow("mcp-paused");
    const path = `/v1/executions/${execution_id}`;
    expect((await coordinator.api("POST", `${path}/pause`, { mode: "drain" })).status).toBe(200);
    slow.say(1);
    slow.end();
    await until(async () => {
      const { body } = await coordinator.api("GET", path);
      return body.status === "paused" && body.stage_results.answer.status === "completed";
    });
    expect((await coordinator.api("POST", `${path}/resume`)).status).toBe(200);
    const sent = await text;
    expect(messagesIn(sent)).toEqual([
      "slow started",
      "answer: answer started",
      "paused (drain)",
      expect.stringMatching(/^answer: answer completed in/),
      "resumed",
    ]);
    expect(sent).toContain('"text":"w0 "');
  });
});
