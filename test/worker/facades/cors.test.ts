// The clients of each protocol in a page of an allowed origin: with the headers that they really send their calls pass a
// preflight, and what they must read of the answers, errors too, is theirs to read. A browser's part is played by a
// `fetch` that asks before each call, and hides what it would hide.
import { HttpAgent } from "@ag-ui/client";
import { Role } from "@a2a-js/sdk";
import { ClientFactory } from "@a2a-js/sdk/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as EarlierClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as EarlierTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { DefaultChatTransport, readUIMessageStream } from "ai";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type AgentServer, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents } from "../../support/agents/protocol-agents.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

const ORIGIN = "https://app.example";
const plainFetch = fetch;

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { ...KEYED, AGENT_COORDINATOR_CORS_ORIGINS: ORIGIN });
  const call = (method: string, path: string, body: unknown) =>
    callWith(coordinator, KEYS.acme, method, path, body);
  await protocolAgents(agents, {
    agent: async (agent_type, url) => void (await call("PUT", `/v1/agents/${agent_type}`, { url })),
    pipeline: async (name, stages) => (await call("PUT", `/v1/pipelines/${name}`, { stages })).body,
  });
  agents.on("/down", failsWith(503, { detail: "down for a while" }));
  await call("PUT", "/v1/agents/down", { url: agents.url("/down") });
  const stages = [{ name: "answer", agent_type: "down", retry_attempts: 1 }];
  expect((await call("PUT", "/v1/pipelines/down", { stages })).status).toBe(201);
});

afterAll(() => closeAll(coordinator, agents));

/** The calls that a page has made, by method and path, and the names of the headers that were asked for. */
let calls: string[] = [];
let asked: Set<string> = new Set();

beforeEach(() => {
  calls = [];
  asked = new Set();
  vi.stubGlobal("fetch", pageFetch);
});
afterEach(() => void vi.unstubAllGlobals());

/** Sent without asking, and read without being named. */
const SAFE_REQUEST = new Set(["accept", "accept-language", "content-language"]);
const SAFE_RESPONSE = new Set([
  "cache-control",
  "content-language",
  "content-length",
  "content-type",
  "expires",
  "last-modified",
]);
/** A page cannot set these: the browser does. */
const FORBIDDEN = new Set([
  "user-agent",
  "host",
  "connection",
  "content-length",
  "accept-encoding",
  "sec-fetch-mode",
]);

const listOf = (headers: Headers, name: string) =>
  (headers.get(name) ?? "").split(",").map((item) => item.trim().toLowerCase());

const pageFetch: typeof fetch = async (input, init) => {
  const request = new Request(input, init);
  const { method, url } = request;
  const names = [...request.headers.keys()].filter((name) => !SAFE_REQUEST.has(name) && !FORBIDDEN.has(name));
  calls.push(`${method} ${new URL(url).pathname}`);
  for (const name of names) asked.add(name);
  const preflight = await plainFetch(url, {
    method: "OPTIONS",
    headers: {
      origin: ORIGIN,
      "access-control-request-method": method,
      "access-control-request-headers": names.toSorted().join(","),
    },
  });
  const granted = preflight.headers;
  if (!preflight.ok || granted.get("access-control-allow-origin") !== ORIGIN) {
    throw new TypeError(`no preflight of ${method} ${url}: ${preflight.status}`);
  }
  const refused = names.filter((name) => !listOf(granted, "access-control-allow-headers").includes(name));
  if (refused.length > 0) throw new TypeError(`${url} does not take ${refused.join(", ")}`);
  if (!listOf(granted, "access-control-allow-methods").includes(method.toLowerCase())) {
    throw new TypeError(`${url} does not take ${method}`);
  }
  request.headers.set("origin", ORIGIN);
  const response = await plainFetch(request);
  if (response.headers.get("access-control-allow-origin") !== ORIGIN) {
    throw new TypeError(`${response.status} of ${method} ${url} may not be read`);
  }
  const exposed = new Set([...SAFE_RESPONSE, ...listOf(response.headers, "access-control-expose-headers")]);
  const shown = [...response.headers].filter(([name]) => exposed.has(name));
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: shown });
};

const query = "How cheap is solar?";
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const openaiOf = (apiKey: string) =>
  new OpenAI({
    baseURL: `${coordinator.url}/v1`,
    apiKey,
    organization: "org",
    project: "project",
    dangerouslyAllowBrowser: true,
  });

test("openai: chat completions and Responses, their ids and streams; a run that fails is posted once", async () => {
  const openai = openaiOf(KEYS.acme);
  const messages = [{ role: "user" as const, content: query }];
  const { data, request_id } = await openai.chat.completions
    .create({ model: "full", messages })
    .withResponse();
  expect([data.choices[0]?.message.content, data.id]).toEqual([ANSWER, `chatcmpl-${request_id}`]);
  const runner = openai.responses.stream({ model: "full", input: query });
  const response = await runner.finalResponse();
  expect(response.output_text).toBe(ANSWER);
  expect((await openai.responses.retrieve(response.id, {}, { timeout: 30_000 })).status).toBe("completed");
  await openai.responses.delete(response.id);
  expect(await Array.fromAsync(await openai.models.list())).not.toEqual([]);
  expect([...asked]).toEqual(
    expect.arrayContaining([
      "authorization",
      "content-type",
      "openai-organization",
      "openai-project",
      "x-stainless-arch",
      "x-stainless-helper-method",
      "x-stainless-lang",
      "x-stainless-os",
      "x-stainless-package-version",
      "x-stainless-retry-count",
      "x-stainless-runtime",
      "x-stainless-runtime-version",
      "x-stainless-timeout",
    ]),
  );
  calls = [];
  await expect(openai.chat.completions.create({ model: "down", messages })).rejects.toMatchObject({
    status: 503,
    code: "AGENT_UNAVAILABLE",
  });
  expect(calls).toEqual(["POST /v1/chat/completions"]);
});

test("openai: a wrong key is an error that the page can read", async () => {
  await expect(openaiOf("wrong").models.list()).rejects.toMatchObject({
    status: 401,
    code: "invalid_api_key",
  });
});

test("AG-UI's HttpAgent runs a pipeline, and reads why it may not", async () => {
  const agentOf = (key: string) =>
    new HttpAgent({
      url: `${coordinator.url}/v1/pipelines/full/ag-ui`,
      headers: bearer(key),
      initialMessages: [{ id: "u1", role: "user", content: query }],
    });
  const agent = agentOf(KEYS.acme);
  await agent.runAgent();
  expect(agent.messages.at(-1)?.content).toBe(ANSWER);
  await expect(agentOf("wrong").runAgent()).rejects.toThrow(/401.*UNAUTHORIZED/);
});

test("the AI SDK's transport sends, resumes, and reads why it may not", async () => {
  const transportOf = (key: string) =>
    new DefaultChatTransport({ api: `${coordinator.url}/v1/pipelines/full/chat`, headers: bearer(key) });
  const send = (key: string) =>
    transportOf(key).sendMessages({
      trigger: "submit-message",
      chatId: "cors",
      messageId: undefined,
      messages: [{ id: "u1", role: "user", parts: [{ type: "text", text: query }] }],
      abortSignal: undefined,
    });
  const [last] = (await Array.fromAsync(readUIMessageStream({ stream: await send(KEYS.acme) }))).slice(-1);
  expect(last?.parts).toContainEqual(expect.objectContaining({ type: "text", text: ANSWER }));
  // The run has ended: there is nothing to resume.
  expect(await transportOf(KEYS.acme).reconnectToStream({ chatId: "cors" })).toBeNull();
  expect(calls.at(-1)).toBe("GET /v1/pipelines/full/chat/cors/stream");
  await expect(send("wrong")).rejects.toThrow("UNAUTHORIZED");
});

test.each(["2026", "2025"])("MCP's client of %s calls a tool, and reads why it may not", async (of) => {
  const connect = async (key: string) => {
    const url = new URL(`${coordinator.url}/mcp`);
    const requestInit = { headers: bearer(key) };
    const info = { name: "test", version: "1" };
    if (of === "2025") {
      const client = new EarlierClient(info);
      await client.connect(new EarlierTransport(url, { requestInit }));
      return client;
    }
    const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    return client;
  };
  const client = await connect(KEYS.acme);
  expect(await client.callTool({ name: "full", arguments: { query } })).toMatchObject({
    content: [{ text: ANSWER }, {}],
  });
  await client.close();
  expect([...asked]).toEqual(
    expect.arrayContaining(
      of === "2025" ? ["mcp-protocol-version"] : ["mcp-protocol-version", "mcp-method", "mcp-name"],
    ),
  );
  await expect(connect("wrong")).rejects.toThrow(/401|[Uu]nauthorized|UNAUTHORIZED/);
});

test("A2A's client reads the card and sends a message", async () => {
  const withKey: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    request.headers.set("authorization", `Bearer ${KEYS.acme}`);
    return pageFetch(request);
  };
  vi.stubGlobal("fetch", withKey);
  const client = await new ClientFactory().createFromUrl(`${coordinator.url}/v1/pipelines/full/a2a/`);
  const part = {
    content: { $case: "text" as const, value: query },
    metadata: undefined,
    filename: "",
    mediaType: "",
  };
  const task = await client.sendMessage({
    tenant: "",
    message: {
      messageId: "cors",
      contextId: "",
      taskId: "",
      role: Role.ROLE_USER,
      parts: [part],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    },
    configuration: undefined,
    metadata: undefined,
  });
  expect(JSON.stringify(task)).toContain(ANSWER);
  expect([...asked]).toContain("a2a-version");
});

const STAINLESS =
  "arch async custom-poll-interval helper-method lang os package-version poll-helper read-timeout retry-count runtime " +
  "runtime-version timeout";
const OTHERS =
  "openai-organization openai-project openai-beta idempotency-key user-agent x-request-id mcp-protocol-version " +
  "mcp-session-id mcp-method mcp-name last-event-id a2a-version a2a-extensions traceparent tracestate baggage " +
  "authorization content-type cache-control";
/** Of openai, and of all others. */
const HEADERS = [STAINLESS.split(" ").map((name) => `x-stainless-${name}`), OTHERS.split(" ")];

test.each([
  ["POST", "/v1/chat"],
  ["POST", "/v1/pipelines/full/chat"],
  ["GET", "/v1/chat/c1/stream"],
  ["POST", "/v1/chat/c1/stop"],
  ["GET", "/v1/models"],
  ["POST", "/v1/chat/completions"],
  ["POST", "/v1/responses"],
  ["GET", "/v1/responses/resp_1"],
  ["DELETE", "/v1/responses/resp_1"],
  ["POST", "/v1/responses/resp_1/cancel"],
  ["POST", "/v1/ag-ui"],
  ["POST", "/v1/pipelines/full/ag-ui"],
  ["POST", "/mcp"],
  ["POST", "/a2a"],
  ["POST", "/v1/pipelines/full/a2a"],
  ["GET", "/.well-known/agent-card.json"],
  ["GET", "/v1/pipelines/full/a2a/.well-known/agent-card.json"],
])("a preflight of %s %s grants every header that a client is known to send", async (method, path) => {
  const ask = (origin: string, wanted: readonly string[]) =>
    plainFetch(`${coordinator.url}${path}`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": wanted.join(","),
      },
    });
  for (const wanted of HEADERS) {
    const { status, headers } = await ask(ORIGIN, wanted);
    expect([status, headers.get("access-control-allow-origin")]).toEqual([204, ORIGIN]);
    const granted = listOf(headers, "access-control-allow-headers");
    expect(wanted.filter((name) => !granted.includes(name))).toEqual([]);
    expect(listOf(headers, "access-control-allow-methods")).toContain(method.toLowerCase());
    const other = await ask("https://evil.example", wanted);
    expect([...other.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});
