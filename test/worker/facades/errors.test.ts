// What the clients of each protocol are sent where a call is refused before its run: the error is in the form that its
// protocol has for it, with the status and the headers that its clients go by. One row an endpoint, one column a refusal.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MESSAGES_BYTES } from "../../../src/http/facades/facade.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";
import { closeAll } from "../../support/close.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let limited: Coordinator;
let spent: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/only", answers({ answer: "Yes" }));
  coordinator = await startCoordinator([agents], KEYED);
  // A day: no window begins meanwhile.
  limited = await startCoordinator([agents], { AGENT_COORDINATOR_RATE_LIMIT: "1/86400" });
  await limited.alone("one", agents.url("/only"));
  expect((await limited.run({ pipeline: "one" })).status).toBe(200);
  agents.on("/dear", answers({ answer: "Yes" }, { usage: { cost_usd: 2 } }));
  spent = await startCoordinator([agents]);
  await spent.configure({ budgets: [{ scope: "tenant", cost_usd: 1, window_seconds: 3_600 }] });
  await spent.alone("one", agents.url("/dear"));
  expect((await spent.run({ pipeline: "one" })).status).toBe(200);
});

afterAll(() => closeAll(coordinator, limited, spent, agents));

/** An error in the form of its protocol, with what is compared of it. */
type Form = (answer: Answer) => unknown;

const problem: Form = ({ status, headers, body }) => {
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(body).toEqual(
    expect.objectContaining({ type: expect.any(String), title: expect.any(String), status }),
  );
  expect(body.detail).toMatch(/\w/);
  return body.errors === undefined ? [body.code] : [body.code, body.errors[0].pointer];
};

const openai: Form = ({ headers, body }) => {
  expect(headers.get("content-type")).toBe("application/json");
  const { message, type, param, code, ...more } = body.error;
  expect([Object.keys(body), more]).toEqual([["error"], {}]);
  expect(message).toMatch(/\w/);
  return param === null ? [type, code] : [type, code, param];
};

const rpc: Form = ({ headers, body }) => {
  expect(headers.get("content-type")).toContain("application/json");
  expect(body).toEqual({
    jsonrpc: "2.0",
    id: null,
    error: expect.objectContaining({ message: expect.stringMatching(/\w/) }),
  });
  const { code, data } = body.error;
  return data === undefined ? [code] : [code, data.code];
};

interface Row {
  method: "GET" | "POST";
  path: string;
  form: Form;
  /** A body that is JSON, and not what the endpoint takes; absent where it takes none. */
  wrong?: { body: object; status: number; says: unknown };
  /** One that starts a run. */
  starts?: object;
  headers?: Record<string, string>;
}

const CHAT = { id: "c", messages: [{ role: "user", parts: [{ type: "text", text: "q" }] }] };
const RUN = { threadId: "t", runId: "r", messages: [{ id: "u", role: "user", content: "q" }] };
const CALL = {
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "one", arguments: { query: "q" } },
};
const MESSAGE = {
  jsonrpc: "2.0",
  id: 1,
  method: "SendMessage",
  params: { message: { messageId: "m", role: "ROLE_USER", parts: [{ text: "q" }] } },
};
const A2A = { "a2a-version": "1.0" };

const ROWS: Row[] = [
  ...["/v1/chat", "/v1/pipelines/one/chat"].map(
    (path): Row => ({
      method: "POST",
      path,
      form: problem,
      wrong: { body: { ...CHAT, messages: 7 }, status: 400, says: ["INVALID_REQUEST", "/messages"] },
      starts: CHAT,
    }),
  ),
  ...["/v1/ag-ui", "/v1/pipelines/one/ag-ui"].map(
    (path): Row => ({
      method: "POST",
      path,
      form: problem,
      wrong: { body: { ...RUN, runId: 7 }, status: 400, says: ["INVALID_REQUEST", "/runId"] },
      starts: RUN,
    }),
  ),
  {
    method: "POST",
    path: "/v1/chat/completions",
    form: openai,
    wrong: {
      body: { model: "one", messages: [{ role: 7 }] },
      status: 400,
      says: ["invalid_request_error", "INVALID_REQUEST", "messages.0.role"],
    },
    starts: { model: "one", messages: [{ role: "user", content: "q" }] },
  },
  {
    method: "POST",
    path: "/v1/responses",
    form: openai,
    wrong: {
      body: { model: "one", input: 7 },
      status: 400,
      says: ["invalid_request_error", "INVALID_REQUEST", "input"],
    },
    starts: { model: "one", input: "q" },
  },
  { method: "GET", path: "/v1/models", form: openai },
  { method: "GET", path: "/v1/models/one", form: openai },
  { method: "GET", path: "/v1/responses/resp_1", form: openai },
  {
    method: "POST",
    path: "/mcp",
    form: rpc,
    wrong: { body: { jsonrpc: "2.0", id: 1 }, status: 400, says: [-32_600] },
    starts: CALL,
  },
  ...["/a2a", "/v1/pipelines/one/a2a"].map(
    (path): Row => ({
      method: "POST",
      path,
      form: rpc,
      // Its errors are in answers of 200.
      wrong: { body: { jsonrpc: "2.0", id: 1 }, status: 200, says: [-32_600] },
      starts: { ...MESSAGE, params: { ...MESSAGE.params, metadata: { pipeline: "one" } } },
      headers: A2A,
    }),
  ),
];

/** What each form says of the same refusal. */
function says(form: Form, ofProblem: unknown, ofOpenAi: unknown, ofRpc: unknown): unknown {
  if (form === problem) return ofProblem;
  return form === openai ? ofOpenAi : ofRpc;
}

describe.each(ROWS)("$method $path", ({ method, path, form, wrong, starts, headers = {} }) => {
  const send = (key: string | null, body: unknown, more: Record<string, string> = {}) =>
    callWith(coordinator, key, method, path, body, { ...headers, ...more });

  test("without a key, and with a wrong one: 401", async () => {
    for (const key of [null, "wrong"]) {
      const answer = await send(key, starts);
      expect([answer.status, form(answer)]).toEqual([
        401,
        says(form, ["UNAUTHORIZED"], ["authentication_error", "invalid_api_key"], [-32_600, "UNAUTHORIZED"]),
      ]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  test("with a method that it does not have: 405", async () => {
    const answer = await callWith(coordinator, KEYS.acme, "PUT", path, {}, headers);
    expect([answer.status, form(answer)]).toEqual([
      405,
      says(
        form,
        ["METHOD_NOT_ALLOWED"],
        ["invalid_request_error", "METHOD_NOT_ALLOWED"],
        [-32_600, "METHOD_NOT_ALLOWED"],
      ),
    ]);
    expect(answer.headers.get("allow")?.split(", ")).toContain(method);
  });

  if (wrong === undefined) return;

  test("with a body that is too long: 413", async () => {
    const answer = await send(KEYS.acme, { ...starts, more: "x".repeat(MESSAGES_BYTES) });
    expect([answer.status, form(answer)]).toEqual([
      413,
      says(
        form,
        ["RESOURCE_EXHAUSTED"],
        ["invalid_request_error", "RESOURCE_EXHAUSTED"],
        [-32_600, "RESOURCE_EXHAUSTED"],
      ),
    ]);
  });

  test("with a body of another type: 415", async () => {
    const answer = await send(KEYS.acme, starts, { "content-type": "text/plain" });
    expect([answer.status, form(answer)]).toEqual([
      415,
      says(
        form,
        ["UNSUPPORTED_MEDIA_TYPE"],
        ["invalid_request_error", "UNSUPPORTED_MEDIA_TYPE"],
        [-32_600, "UNSUPPORTED_MEDIA_TYPE"],
      ),
    ]);
  });

  test("beyond the rate limit: 429, and when to come again", async () => {
    const answer = await callWith(limited, null, method, path, starts, headers);
    expect([answer.status, form(answer)]).toEqual([
      429,
      says(form, ["RATE_LIMITED"], ["rate_limit_error", "rate_limit_exceeded"], [-32_600, "RATE_LIMITED"]),
    ]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("past a budget of the config: 429, and when to come again", async () => {
    const calls = agents.callsOf("/dear").length;
    const answer = await callWith(spent, null, method, path, starts, headers);
    expect([answer.status, form(answer)]).toEqual([
      429,
      says(
        form,
        ["BUDGET_EXCEEDED"],
        ["rate_limit_error", "insufficient_quota"],
        [-32_600, "BUDGET_EXCEEDED"],
      ),
    ]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(3_000);
    expect(agents.callsOf("/dear").length).toBe(calls);
  });

  test("with a body that is no JSON: 400", async () => {
    for (const text of ["{", "", "\u0000"]) {
      const answer = await send(KEYS.acme, text);
      expect([answer.status, form(answer)]).toEqual([
        400,
        says(
          form,
          ["INVALID_REQUEST", ""],
          ["invalid_request_error", "INVALID_REQUEST"],
          [-32_700, "INVALID_REQUEST"],
        ),
      ]);
    }
  });

  test("with JSON that is not what it takes: its place", async () => {
    const answer = await send(KEYS.acme, wrong.body);
    expect([answer.status, form(answer)]).toEqual([wrong.status, wrong.says]);
  });
});

test("of MCP's methods a call of a tool alone counts for the rate limit", async () => {
  const ask = (method: string, params: object = {}, id: object = { id: 1 }) =>
    callWith(limited, null, "POST", "/mcp", { jsonrpc: "2.0", ...id, method, params });
  const initialize = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "t", version: "1" },
  };
  for (const [method, params] of [
    ["initialize", initialize],
    ["ping", {}],
    ["tools/list", {}],
  ] as const) {
    const { status, headers, body } = await ask(method, params);
    expect([method, status, body.result !== undefined, headers.has("ratelimit")]).toEqual([
      method,
      200,
      true,
      false,
    ]);
  }
  const notified = await ask("notifications/initialized", {}, {});
  expect([notified.status, notified.headers.has("ratelimit")]).toEqual([202, false]);
  const called = await ask("tools/call", CALL.params);
  expect([called.status, called.headers.get("ratelimit")]).toEqual([429, expect.stringContaining("r=0")]);
});
