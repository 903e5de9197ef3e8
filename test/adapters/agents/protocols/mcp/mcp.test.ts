// Tools of MCP servers: of the official ones, by the revision of 2026 and by the handshake of 2025 with and without
// sessions, and of servers that do what those never do.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { McpServer as EarlierServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import {
  type AgentServer,
  type Behaviour,
  startAgentServer,
} from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import { eventually } from "../../../../support/eventually.ts";
import { type Loopback, onLoopback } from "../../../../support/servers/loopback.ts";

const arguments_ = { query: z.string() };
const links = [
  { type: "resource_link" as const, uri: "https://example.org/sky", name: "Sky", mimeType: "text/html" },
  {
    type: "resource" as const,
    resource: { uri: "notes.md", text: "Blue scatters.", mimeType: "text/markdown" },
  },
];
const explain = ({ query }: { query: string }) => ({
  content: [{ type: "text" as const, text: `About: ${query}` }, ...links],
});
const DATA = {
  answer: "About: Why is the sky blue?",
  citations: [
    { url: "https://example.org/sky", title: "Sky", media_type: "text/html" },
    { document: "notes.md", text: "Blue scatters.", media_type: "text/markdown" },
  ],
};

/** What a server was asked, in order. */
interface Seen {
  method: string | undefined;
  rpc: string | undefined;
  headers: IncomingMessage["headers"];
}

interface McpHost extends Loopback {
  seen: Seen[];
}

type Handle = (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;

async function host(handle: Handle): Promise<McpHost> {
  const seen: Seen[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const body = text === "" ? undefined : (JSON.parse(text) as { method?: string });
    seen.push({ method: request.method, rpc: body?.method, headers: request.headers });
    await handle(request, response, body);
  };
  const server: Server = createServer((request, response) => void serve(request, response));
  return { ...(await onLoopback(server)), seen };
}

/** The server of 1.x, with a session or without. */
function earlier(hasSessions: boolean): Handle {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport(
      hasSessions
        ? { sessionIdGenerator: randomUUID, onsessioninitialized: (id) => void sessions.set(id, transport) }
        : {},
    );
    const server = new EarlierServer({ name: "earlier", version: "1" });
    server.registerTool(
      "explain",
      { inputSchema: arguments_ },
      async (given, { _meta, sendNotification }) => {
        const progressToken = _meta?.progressToken ?? 0;
        const params = { progressToken, progress: 1, total: 4, message: "looking up" };
        await sendNotification({ method: "notifications/progress", params });
        return explain(given);
      },
    );
    await server.connect(transport);
    return transport;
  };
  return async (request, response, body) => {
    const id = request.headers["mcp-session-id"];
    const transport = (typeof id === "string" ? sessions.get(id) : undefined) ?? (await open());
    await transport.handleRequest(request, response, body);
  };
}

/** The server of 2.x. */
function present(): Handle {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "present", version: "1" });
    const inputSchema = z.object(arguments_);
    server.registerTool("explain", { inputSchema }, async (given) => explain(given));
    server.registerTool(
      "count",
      { inputSchema, outputSchema: z.object({ letters: z.number() }) },
      async ({ query }) => {
        const structuredContent = { letters: query.length };
        return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent };
      },
    );
    server.registerTool("fails", { inputSchema }, async () => ({
      content: [{ type: "text", text: "no such city" }],
      isError: true,
    }));
    return server;
  });
  return async (request, response, body) => {
    const headers = new Headers(request.headers as Record<string, string>);
    const init = {
      method: request.method ?? "GET",
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    };
    const answer = await handler.fetch(new Request("http://mcp.local/mcp", init));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  };
}

const tool = (url: string, options: object = {}) => ({
  url,
  protocol: "mcp" as const,
  options: { tool: "explain", ...options },
});

describe("the official servers", () => {
  test.each([
    ["with sessions", true],
    ["without", false],
  ])("of 2025, %s: a handshake, the call, and the session's end", async (_name, hasSessions) => {
    const server = await host(earlier(hasSessions));
    const first = await callAgent(tool(server.url));
    expect(dataOf(first)).toEqual(DATA);
    expect(first.progress).toEqual(["looking up"]);
    const again = await callAgent(tool(server.url));
    expect(dataOf(again)).toEqual(DATA);
    const call = ["initialize", "notifications/initialized", "tools/call"];
    const asked = () => server.seen.flatMap(({ rpc }) => rpc ?? []);
    // What it speaks is asked once.
    expect(asked()).toEqual(["server/discover", ...call, ...call]);
    const called = server.seen.find(({ rpc }) => rpc === "tools/call");
    expect(called?.headers["mcp-protocol-version"]).toBe("2025-11-25");
    const ends = () => server.seen.filter(({ method }) => method === "DELETE").length;
    if (hasSessions)
      await eventually(
        async () => ends(),
        (count) => count === 2,
      );
    expect(ends()).toBe(hasSessions ? 2 : 0);
    await server.close();
  });

  test("of 2026: one request, its structured content, and a tool's own error", async () => {
    const server = await host(present());
    expect(dataOf(await callAgent(tool(server.url)))).toEqual(DATA);
    expect(dataOf(await callAgent(tool(server.url, { tool: "count" })))).toEqual({ letters: 20 });
    const failed = await callAgent(tool(server.url, { tool: "fails" }));
    expect(errorOf(failed)).toMatchObject({
      status: 422,
      retry: "no",
      message: expect.stringContaining("no such city"),
    });
    const retried = await callAgent(tool(server.url, { tool: "fails", retry_tool_errors: true }));
    expect(errorOf(retried)).toMatchObject({ status: 500, retry: "yes" });
    const missing = await callAgent(tool(server.url, { tool: "gone" }));
    expect(errorOf(missing)).toMatchObject({ status: 400, retry: "no" });
    const given = { arguments: { question: "{{query}}" } };
    const mistaken = await callAgent(tool(server.url, given));
    expect(errorOf(mistaken).retry).toBe("no");
    expect(server.seen.map(({ rpc }) => rpc).filter((rpc) => rpc !== "tools/call")).toEqual([
      "server/discover",
    ]);
    expect(server.seen.at(-1)?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "explain",
    });
    await server.close();
  });
});

describe("a server by hand", () => {
  let agents: AgentServer;
  let paths = 0;
  beforeAll(async () => {
    agents = await startAgentServer();
  });
  afterAll(() => agents.close());

  interface Sent {
    method: string;
    id?: number;
    params: Record<string, unknown>;
  }

  /** Speaks the revision of 2026; `behave` answers the call. */
  function modern(behave: (sent: Sent, response: ServerResponse) => void): string {
    const path = `/mcp-${(paths += 1)}`;
    const behaviour: Behaviour = (call, response) => {
      const sent = JSON.parse(call.text) as Sent;
      if (sent.method !== "server/discover") return behave(sent, response);
      return json(response, { id: sent.id, result: { supportedVersions: ["2026-07-28"] } });
    };
    agents.on(path, behaviour);
    return path;
  }
  const json = (response: ServerResponse, message: object, status = 200) =>
    void response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify({ jsonrpc: "2.0", ...message }));
  const stream = (response: ServerResponse, ...messages: object[]) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const events = messages.map((message) => `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
    response.end(`:\n\n${events.join("")}`);
  };
  const text = (words: string) => ({ content: [{ type: "text", text: words }] });

  test("is sent what the templates say, under a name of any letters", async () => {
    let sent: Sent | undefined;
    const path = modern((asked, response) => {
      sent = asked;
      json(response, { id: asked.id, result: text("fine") });
    });
    const options = { tool: "größe", arguments: { docs: "{{inputs.search.found}}", q: "of {{query}}" } };
    const called = await callAgent(
      { ...tool(agents.url(path), options), headers: { authorization: "secret:MODEL" } },
      { inputs: { search: { found: [1, 2] } } },
    );
    expect(dataOf(called)).toEqual({ answer: "fine" });
    expect(sent?.params).toMatchObject({
      name: "größe",
      arguments: { docs: [1, 2], q: "of Why is the sky blue?" },
      _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" },
    });
    const headers = agents.callsOf(path).at(-1)?.headers;
    const coded = /^=\?base64\?(.*)\?=$/.exec(String(headers?.["mcp-name"]))?.[1] ?? "";
    expect([Buffer.from(coded, "base64").toString(), headers?.authorization]).toEqual([
      "größe",
      "Bearer sk-1",
    ]);
  });

  test("that was ill when it was asked what it speaks is asked again", async () => {
    let isIll = true;
    const path = "/ill";
    agents.on(path, (call, response) => {
      const { id, method } = JSON.parse(call.text) as Sent;
      if (isIll) return json(response, { id, error: { code: -32_603, message: "starting" } });
      const result = method === "server/discover" ? { supportedVersions: ["2026-07-28"] } : text("fine");
      return json(response, { id, result });
    });
    expect((await callAgent(tool(agents.url(path)))).outcome.ok).toBe(false);
    isIll = false;
    expect(dataOf(await callAgent(tool(agents.url(path))))).toEqual({ answer: "fine" });
  });

  test("streams progress, and only its own answer counts", async () => {
    const note = (params: object) => ({ method: "notifications/progress", params });
    const path = modern(({ id }, response) =>
      stream(
        response,
        note({ progress: 1, total: 4 }),
        note({ progress: 2, message: "half" }),
        note({ progress: 3 }),
        { id: 99, result: text("another's") },
        { id: 7, method: "ping" },
        { id, result: text("own") },
        { id, result: text("again") },
      ),
    );
    const called = await callAgent(tool(agents.url(path)));
    expect([dataOf(called), called.progress]).toEqual([{ answer: "own" }, ["1 of 4", "half"]]);
  });

  test.each<[string, object, object]>([
    ["-32602", { error: { code: -32_602, message: "bad arguments" } }, { status: 400, retry: "no" }],
    ["-32603", { error: { code: -32_603, message: "broken" } }, { status: 500, retry: "yes" }],
    ["an error without words", { error: {} }, { status: 500, retry: "yes" }],
    [
      "a question that is no form",
      {
        result: {
          resultType: "input_required",
          inputRequests: { a: { params: { message: "Which city?" } } },
        },
      },
      { status: 422, retry: "no", message: expect.stringContaining("Which city?") },
    ],
    ["too deep a value", { result: { structuredContent: deep(80) } }, { retry: "once" }],
  ])("answers with %s", async (_name, message, error) => {
    const path = modern(({ id }, response) => json(response, { id, ...message }));
    expect(errorOf(await callAgent(tool(agents.url(path))))).toMatchObject(error);
  });

  test.each<[string, (response: ServerResponse) => void, object]>([
    [
      "401",
      (response) => json(response, { error: { message: "no key" } }, 401),
      { status: 401, retry: "no" },
    ],
    ["503", (response) => json(response, {}, 503), { status: 503, retry: "yes" }],
    ["a stream without an answer", (response) => stream(response), { retry: "yes" }],
    ["no JSON-RPC", (response) => json(response, { id: 5 }), { retry: "once" }],
    [
      "HTML",
      (response) => void response.writeHead(200, { "content-type": "text/html" }).end("x"),
      { retry: "once" },
    ],
    ["202", (response) => void response.writeHead(202).end(), { retry: "once" }],
    [
      "a redirect",
      (response) => void response.writeHead(307, { location: "/" }).end(),
      { status: 307, retry: "no" },
    ],
  ])("fails by %s", async (_name, behave, error) => {
    const path = modern((_sent, response) => behave(response));
    expect(errorOf(await callAgent(tool(agents.url(path))))).toMatchObject(error);
  });

  test("that cannot be asked what it speaks is not taken for an earlier one", async () => {
    const path = `/mcp-${(paths += 1)}`;
    agents.on(path, (_call, response) => json(response, {}, 503));
    expect(errorOf(await callAgent(tool(agents.url(path))))).toMatchObject({ status: 503, retry: "yes" });
    expect(agents.callsOf(path)).toHaveLength(1);
  });

  test("of 2025 is told that a call was given up, and its session ends", async () => {
    const path = `/mcp-${(paths += 1)}`;
    const leaving = new AbortController();
    agents.on(path, (call, response) => {
      const { method, id } = (call.body ?? { method: call.method }) as unknown as Sent;
      if (method === "server/discover") json(response, { id, error: { code: -32_601, message: "?" } }, 400);
      else if (method === "initialize") {
        response.setHeader("mcp-session-id", "s1");
        json(response, { id, result: { protocolVersion: "2025-06-18" } });
      } else if (method === "tools/call") leaving.abort();
      else response.writeHead(202).end();
    });
    await callAgent(tool(agents.url(path)), {}, {}, leaving.signal);
    const sent = () =>
      agents.callsOf(path).map((call) => (call.body as unknown as Sent | null)?.method ?? call.method);
    await eventually(
      async () => sent(),
      (all) => all.includes("DELETE") && all.includes("notifications/cancelled"),
    );
    const called = agents.callsOf(path).find(({ text: body }) => body.includes("tools/call"));
    expect(called?.headers).toMatchObject({ "mcp-session-id": "s1", "mcp-protocol-version": "2025-06-18" });
  });
});

function deep(levels: number): object {
  let value: object = {};
  for (let level = 0; level < levels; level += 1) value = { value };
  return value;
}
