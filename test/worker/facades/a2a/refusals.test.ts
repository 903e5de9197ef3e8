// What A2A's clients are sent where a call does not come to its method: an error of JSON-RPC, under the HTTP status.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KEYED, KEYS } from "../../../support/clients/keys.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { MESSAGES_BYTES } from "../../../../src/http/facades/facade.ts";

let coordinator: Coordinator;

beforeAll(async () => {
  coordinator = await startCoordinator([], { ...KEYED, AGENT_COORDINATOR_RATE_LIMIT: "2/600" });
});

afterAll(() => coordinator.close());

const JSON_BODY = { "content-type": "application/json", "a2a-version": "1.0" };
const rpc = (method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

interface Init {
  method: string;
  headers?: Record<string, string>;
  body?: string;
}

async function answerOf(path: string, init: Init, key: string | null = KEYS.runner) {
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  const response = await coordinator.fetch(path, { ...init, headers: { ...init.headers, ...authorization } });
  const type = response.headers.get("content-type");
  return { status: response.status, type, headers: response.headers, body: await response.json() };
}

describe.each(["/a2a", "/v1/pipelines/rag/a2a"])("%s", (path) => {
  test.each<[string, number, number, Init, (string | null)?]>([
    ["no key", 401, -32_600, { method: "POST", headers: JSON_BODY, body: rpc("GetTask") }, null],
    [
      "a key that reads",
      403,
      -32_600,
      { method: "POST", headers: JSON_BODY, body: rpc("GetTask") },
      KEYS.reader,
    ],
    ["another method", 405, -32_600, { method: "GET" }],
    ["another method with a body", 405, -32_600, { method: "PUT", headers: JSON_BODY, body: rpc("GetTask") }],
    ["what is no JSON", 400, -32_700, { method: "POST", headers: JSON_BODY, body: "{" }],
    ["no body", 400, -32_700, { method: "POST", headers: JSON_BODY }],
    [
      "another media type",
      415,
      -32_600,
      { method: "POST", headers: { "content-type": "text/plain" }, body: "{}" },
    ],
    [
      "a body that is too large",
      413,
      -32_600,
      { method: "POST", headers: JSON_BODY, body: rpc("GetTask", { id: "x".repeat(MESSAGES_BYTES) }) },
    ],
  ])("%s is %i, in JSON-RPC", async (_name, status, code, init, key) => {
    const answer = await answerOf(path, init, key);
    expect([answer.status, answer.type]).toEqual([status, "application/json"]);
    expect(answer.body).toEqual({
      jsonrpc: "2.0",
      id: null,
      error: { code, message: expect.any(String), data: { code: expect.stringMatching(/^[A-Z_]+$/) } },
    });
    expect(answer.headers.has("www-authenticate")).toBe(status === 401);
    expect(answer.headers.has("allow")).toBe(status === 405);
  });

  test("a slash at the end is of no endpoint, in JSON-RPC", async () => {
    const answer = await answerOf(`${path}/`, { method: "POST", headers: JSON_BODY, body: rpc("GetTask") });
    expect(answer).toMatchObject({ status: 404, body: { jsonrpc: "2.0", error: { code: -32_601 } } });
  });
});

test("a call beyond the rate limit is 429, in JSON-RPC, and says when to come again", async () => {
  const message = (text: string) => ({ message: { messageId: text, role: "ROLE_USER", parts: [{ text }] } });
  const send = (text: string) =>
    answerOf("/a2a", { method: "POST", headers: JSON_BODY, body: rpc("SendMessage", message(text)) });
  const answers = [await send("one"), await send("two"), await send("three")];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(answers[2]?.body).toMatchObject({
    jsonrpc: "2.0",
    error: { code: -32_600, data: { code: "RATE_LIMITED" } },
  });
  expect(Number(answers[2]?.headers.get("retry-after"))).toBeGreaterThan(0);
});
