// Who may use a chat: keys and their scopes, tenants, pages of allowed origins, and how much a body may hold.
import { afterAll, beforeAll, expect, test } from "vitest";
import { MESSAGES_BYTES } from "../../../../src/http/facades/facade.ts";
import { type AgentServer, answers, startAgentServer } from "../../../support/agents/agent-server.ts";
import { callWith, KEYED, KEYS } from "../../../support/clients/keys.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { chatOf, metadataOf, shownText } from "./clients.ts";

const ORIGIN = "https://app.example.com";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { ...KEYED, AGENT_COORDINATOR_CORS_ORIGINS: ORIGIN });
  agents.on("/only", answers({ answer: "Yes" }));
  for (const key of [KEYS.acme, KEYS.globex]) {
    const put = (path: string, body: unknown) => callWith(coordinator, key, "PUT", path, body);
    expect((await put("/v1/agents/only", { url: agents.url("/only") })).status).toBe(201);
    expect((await put("/v1/pipelines/one", { stages: [{ name: "only", agent_type: "only" }] })).status).toBe(
      201,
    );
  }
});

afterAll(() => closeAll(coordinator, agents));

const PATH = "/v1/pipelines/one/chat";
const bodyOf = (id: string) => ({ id, messages: [{ role: "user", parts: [{ type: "text", text: "q" }] }] });

test.each([
  ["no key", null, 401],
  ["a wrong key", "wrong", 401],
  ["a key that reads", KEYS.reader, 403],
  ["a key that administers", KEYS.admin, 403],
  ["a key that runs", KEYS.runner, 200],
])("a question with %s", async (_name, key, status) => {
  const before = agents.calls.length;
  const answer = await callWith(coordinator, key, "POST", PATH, bodyOf(`key-${String(key)}`));
  expect(answer.status).toBe(status);
  const stop = await callWith(coordinator, key, "POST", `${PATH}/key-${String(key)}/stop`);
  expect(stop.status).toBe(status);
  expect(agents.calls.length - before).toBe(status === 200 ? 1 : 0);
});

test("a chat without a key is an error that says so, and one with it goes on", async () => {
  const url = `${coordinator.url}${PATH}`;
  const refused = chatOf("7", url, { id: "refused" });
  await refused.sendMessage({ text: "q" });
  expect([refused.status, refused.error?.message]).toEqual([
    "error",
    expect.stringContaining("UNAUTHORIZED"),
  ]);
  const headers = { authorization: `Bearer ${KEYS.runner}` };
  const chat = chatOf("7", url, { id: "allowed", headers });
  await chat.sendMessage({ text: "q" });
  expect([chat.status, shownText(chat)]).toEqual(["ready", "Yes"]);
});

test("a chat of another tenant is not to be seen, nor to be stopped", async () => {
  const holding: (() => void)[] = [];
  agents.on("/only", async (call, response, count) => {
    await new Promise<void>((resolve) => holding.push(resolve));
    await answers({ answer: "Yes" })(call, response, count);
  });
  const url = `${coordinator.url}${PATH}`;
  const headers = { authorization: `Bearer ${KEYS.acme}` };
  const chat = chatOf("7", url, { id: "shared", headers });
  const sending = chat.sendMessage({ text: "q" });
  await eventually(async () => holding.length, Boolean);
  const other = (method: string, verb: string) =>
    callWith(coordinator, KEYS.globex, method, `${PATH}/shared/${verb}`);
  expect((await other("GET", "stream")).status).toBe(204);
  expect((await other("POST", "stop")).body).toEqual({ success: true });
  for (const go of holding) go();
  await sending;
  expect([shownText(chat), metadataOf(chat)["status"]]).toEqual(["Yes", "completed"]);
  agents.on("/only", answers({ answer: "Yes" }));
});

test("a page of an allowed origin may ask with any headers, one of another may not", async () => {
  const preflight = (origin: string, path = PATH) =>
    coordinator.fetch(path, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, user-agent, x-own",
      },
    });
  const allowed = await preflight(ORIGIN);
  expect([allowed.status, Object.fromEntries(allowed.headers)]).toEqual([
    204,
    expect.objectContaining({
      "access-control-allow-origin": ORIGIN,
      "access-control-allow-headers": expect.stringMatching(/, user-agent, x-own$/),
      "access-control-allow-methods": expect.stringContaining("POST"),
    }),
  ]);
  expect((await preflight("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
  for (const path of [PATH, `${PATH}/cors/stream`, `${PATH}/cors/stop`]) {
    const method = path.endsWith("stream") ? "GET" : "POST";
    const headers = { origin: ORIGIN };
    const body = path === PATH ? bodyOf("cors") : undefined;
    const answer = await callWith(coordinator, KEYS.acme, method, path, body, headers);
    expect([path, answer.headers.get("access-control-allow-origin")]).toEqual([path, ORIGIN]);
    // An error is read by the page, too.
    const refused = await callWith(coordinator, null, method, path, body, headers);
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, ORIGIN]);
  }
});

test("a long list of messages is taken, and one beyond the bound is 413", async () => {
  const long = (bytes: number) => ({
    id: "long",
    messages: [
      { role: "user", parts: [{ type: "text", text: "one" }] },
      { role: "assistant", parts: [{ type: "text", text: "x".repeat(bytes) }] },
      ...bodyOf("long").messages,
    ],
  });
  const ask = (bytes: number) => callWith(coordinator, KEYS.acme, "POST", PATH, long(bytes));
  expect((await ask(MESSAGES_BYTES - 1000)).status).toBe(200);
  expect((await ask(MESSAGES_BYTES)).status).toBe(413);
});
