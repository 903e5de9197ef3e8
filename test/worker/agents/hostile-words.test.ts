// An agent's own words reach the developer: what its failure says, in whatever form, where it was called, and why it
// could not be. In the stage's error, the trace and the breaker, and without what nobody may see.
import { createServer as createSecure } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import {
  type RawAgents,
  type RawBehaviour,
  responds,
  startRawAgents,
} from "../../support/agents/raw-agent.ts";

const SECRET = "canary-7f3a9b2c-0d1e";
const QUERY_SECRET = "query-canary-51c2";

let agents: RawAgents;
let coordinator: Coordinator;
let refused: string;
let secure: { port: number; close: () => Promise<void> };
let names = 0;

beforeAll(async () => {
  agents = await startRawAgents();
  [refused, secure] = await Promise.all([closedHost(), startSecure()]);
  coordinator = await startCoordinator(
    [agents, { host: refused }, { host: "nowhere.invalid" }, { host: `127.0.0.1:${secure.port}` }],
    {
      AGENT_COORDINATOR_AGENT_HOSTS: [
        agents.host,
        refused,
        "nowhere.invalid",
        `127.0.0.1:${secure.port}`,
        `localhost:${secure.port}`,
      ].join(","),
      AGENT_COORDINATOR_RETRY_DELAY: "0.001",
      AGENT_SECRET_LOCAL__KEY: `Bearer ${SECRET}`,
    },
  );
  await coordinator.configure({ circuit_breaker: { failure_threshold: 1_000 } });
});

afterAll(async () => {
  await closeAll(coordinator, agents);
  await secure.close();
});

/** A port at which nothing listens. */
async function closedHost(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return `127.0.0.1:${port}`;
}

/** A TLS server without a certificate: every handshake fails. */
async function startSecure() {
  const server = createSecure({});
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
      }),
  };
}

/** Runs a stage whose agent does so, and gives back its error. */
async function errorOf(behaviour: RawBehaviour, query = "", headers: Record<string, string> = {}) {
  names += 1;
  const name = `words${names}`;
  agents.on(`/${name}${query}`, behaviour);
  return { name, ...(await errorAt(name, agents.url(`/${name}${query}`), headers)) };
}

async function errorAt(name: string, url: string, headers: Record<string, string> = {}) {
  const registered = await coordinator.api("PUT", `/v1/agents/${name}`, { url, headers });
  expect(registered.status, JSON.stringify(registered.body)).toBe(201);
  await coordinator.pipeline(name, [{ name: "only", agent_type: name, retry_attempts: 1 }]);
  const { body } = await coordinator.run({ pipeline: name });
  const { error } = body.stage_results.only;
  return { error, message: error.message as string, body };
}

const json = (status: string, body: string) => responds(status, { "content-type": "application/json" }, body);
const ok = (body: string) => json("200 OK", body);
const page = (status: string, body: string) =>
  responds(status, { "content-type": "text/html; charset=utf-8" }, body);

describe("an error body of any form", () => {
  test.each([
    ["{error: text}", json("500 Oops", '{"error":"no ink"}'), "the agent answered 500: no ink"],
    [
      "{error: {message}}",
      json("400 Bad", '{"error":{"message":"no ink"}}'),
      "the agent answered 400: no ink",
    ],
    [
      "FastAPI's list",
      json("422 Unprocessable", '{"detail":[{"loc":["body","query"],"msg":"field required"}]}'),
      "the agent answered 422: body.query: field required",
    ],
    ["FastAPI's text", json("500 Oops", '{"detail":"no ink"}'), "no ink"],
    [
      "plain text",
      responds("500 Oops", { "content-type": "text/plain" }, "Traceback\n  no ink"),
      "the agent answered 500: Traceback no ink",
    ],
    ["no content type", responds("500 Oops", {}, "no ink"), "the agent answered 500: no ink"],
    [
      "a page",
      page("502 Bad Gateway", "<html><style>p{}</style><h1>Oops</h1><script>alert(1)</script>no&nbsp;ink"),
      "the agent answered 502: Oops no ink",
    ],
    [
      "JSON of another form",
      json("500 Oops", '{"reason_code":7}'),
      'the agent answered 500: {"reason_code":7}',
    ],
    ["nothing", responds("500 Oops", {}, ""), "the agent answered 500"],
  ])("%s", async (_name, behaviour, message) => {
    const { error, name } = await errorOf(behaviour);
    expect(error).toMatchObject({ message, url: agents.url(`/${name}`) });
  });

  test("the first 500 characters of it, cut between characters", async () => {
    const text = `${"x".repeat(499)}🦁${"y".repeat(70_000)}`;
    const { message } = await errorOf(responds("500 Oops", { "content-type": "text/plain" }, text));
    expect(message).toBe(`the agent answered 500: ${"x".repeat(499)}`);
  });

  test("is in the trace, the events and the execution's error too", async () => {
    const { body, name } = await errorOf(json("500 Oops", '{"error":"no ink"}'));
    expect(body.error_info.message).toBe("only: the agent answered 500: no ink");
    const { body: trace } = await coordinator.api("GET", `/v1/executions/${body.execution_id}/trace`);
    const failed = trace.events.find(
      ({ event_type }: { event_type: string }) => event_type === "stage.failed",
    );
    expect(failed.error).toMatchObject({
      message: "the agent answered 500: no ink",
      url: agents.url(`/${name}`),
    });
  });
});

describe("an answer that is none", () => {
  test.each([
    [
      "without its wrapper",
      ok('{"answer":"yes","sources":[]}'),
      '/data is missing; expected {"data": {…}} around the members received: answer, sources',
    ],
    [
      "that says why",
      ok('{"error":"no ink"}'),
      '/data is missing (expected {"data": {…}}); the answer says: no ink',
    ],
    ["that is a list", ok("[1]"), 'expected {"data": {…}}, received a list'],
    ["that is a text", ok('"yes"'), 'expected {"data": {…}}, received a string'],
    ["whose data is a text", ok('{"data":"yes"}'), '/data is a string; expected {"data": {…}}'],
    ["that is empty", ok(""), 'it is empty; expected {"data": {…}}'],
    [
      "without a body",
      responds("204 No Content", {}),
      'status 204 has no body: answer 200 with {"data": {…}}',
    ],
    [
      "that is Python's",
      ok("{\n  'data': {}}"),
      "is not JSON: line 2, column 3 (position 4), near: { 'data': {}}",
    ],
    [
      "with NaN",
      ok('{"data":{"score":NaN}}'),
      'is not JSON: line 1, column 18 (position 17), near: {"data":{"score":NaN}}',
    ],
    ["that stops", ok('{"data":{"a":1'), 'ends in the middle of a JSON value, after: {"data":{"a":1'],
    [
      "that is a page",
      page("200 OK", "<title>Dev</title><p>no ink"),
      "its content type is text/html, not application/json or text/event-stream: Dev no ink",
    ],
    [
      "that is plain text",
      responds("200 OK", { "content-type": "text/plain" }, "no ink"),
      "its content type is text/plain, not application/json or text/event-stream: no ink",
    ],
  ])("%s", async (_name, behaviour, message) => {
    expect((await errorOf(behaviour)).message).toContain(message);
  });

  test.each([
    ['{"error":{"message":"no ink"}}', "no ink"],
    ['{"detail":[{"loc":["a"],"msg":"no ink"}]}', "a: no ink"],
    ["no ink", "an error event is not problem details: no ink"],
  ])("an error event in a stream: %s", async (data, message) => {
    const stream = responds(
      "200 OK",
      { "content-type": "text/event-stream" },
      `event: error\ndata: ${data}\n\n`,
    );
    expect((await errorOf(stream)).message).toContain(message);
  });
});

describe("an agent that cannot be reached", () => {
  test("refused, and its URL", async () => {
    const { error, message } = await errorAt("refused", `http://${refused}/x`);
    expect(error).toMatchObject({ code: "AGENT_UNAVAILABLE", url: `http://${refused}/x` });
    expect(message).toMatch(
      `the agent at http://${refused}/x could not be reached: the connection was refused`,
    );
  });

  test("reset before an answer", async () => {
    const { message } = await errorOf((socket) => void socket.resetAndDestroy());
    expect(message).toContain("it was reset or closed before an answer");
  });

  test("a name without an address", async () => {
    const { message } = await errorAt("nowhere", "http://nowhere.invalid/x");
    expect(message).toContain(
      "http://nowhere.invalid/x could not be reached: its name could not be resolved (DNS)",
    );
  });

  test("TLS", async () => {
    const { message } = await errorAt("tls", `https://127.0.0.1:${secure.port}/x`);
    expect(message).toContain("the TLS handshake failed");
    const named = await errorAt("tls-named", `https://localhost:${secure.port}/x`);
    expect(named.message).toContain("the TLS handshake failed");
  });

  test("a redirect says where it leads", async () => {
    const location = `/login/?next=${QUERY_SECRET}#here`;
    const { message, error } = await errorOf(responds("307 Temporary Redirect", { location }));
    expect(error.status).toBe(307);
    expect(message).toContain(`the agent answered 307 with Location: ${agents.url("/login/")};`);
    const away = responds("302 Found", {
      location: `https://user:${QUERY_SECRET}@example.com/a?b=${QUERY_SECRET}`,
    });
    const other = await errorOf(away);
    expect(other.message).toContain("Location: https://example.com/a;");
    expect(JSON.stringify([message, other.body])).not.toContain(QUERY_SECRET);
  });

  test("a try that takes too long names the URL", async () => {
    agents.on("/hangs", () => {});
    await coordinator.agent("hangs", agents.url("/hangs"));
    await coordinator.pipeline("hangs", [
      { name: "only", agent_type: "hangs", retry_attempts: 1, timeout_seconds: 0.1 },
    ]);
    const { body } = await coordinator.run({ pipeline: "hangs" });
    expect(body.stage_results.only.error.message).toBe(
      `the agent at ${agents.url("/hangs")} did not answer within 100 ms`,
    );
  });
});

describe("no reader sees", () => {
  const everywhere = async (id: string) => {
    const [execution, trace] = await Promise.all([
      coordinator.api("GET", `/v1/executions/${id}`),
      coordinator.api("GET", `/v1/executions/${id}/trace`),
    ]);
    return JSON.stringify([execution.body, trace.body]);
  };

  test.each([
    ["in an error", responds("500 Oops", {}, `headers: authorization=Bearer ${SECRET}`)],
    ["at its cut", responds("500 Oops", {}, `${"x".repeat(490)}${SECRET}`)],
    ["in bad JSON, before its place", ok(`{"echo":"Bearer ${SECRET}" oops}`)],
    ["in bad JSON, after its place", ok(`{"echo": oops, "authorization":"${SECRET}"}`)],
    ["in JSON that stops", ok(`{"echo":"${SECRET}`)],
    ["in JSON that stops within it", ok(`{"echo":"${SECRET.slice(0, -2)}`)],
    ["as a key", ok(`{"${SECRET}":1}`)],
    ["in a page", page("500 Oops", `<p>Bearer&#32;${SECRET.replaceAll("-", "&#45;")}</p>`)],
    ["in a redirect", responds("302 Found", { location: `/${SECRET}` })],
  ])("a credential %s", async (_name, behaviour) => {
    const { body } = await errorOf(behaviour, "", { authorization: "secret:KEY" });
    const shown = await everywhere(body.execution_id);
    for (let at = 0; at + 8 <= SECRET.length; at += 1) expect(shown).not.toContain(SECRET.slice(at, at + 8));
  });

  test.each([
    ["in an error", responds("404 Not Found", {}, `Cannot POST /x?key=${QUERY_SECRET}&a=1`)],
    ["decoded", responds("404 Not Found", {}, `key is ${QUERY_SECRET}!`)],
    ["in bad JSON", ok(`{"url":"?key=${QUERY_SECRET}" oops}`)],
  ])("the query of its URL %s", async (_name, behaviour) => {
    const query = `?key=${QUERY_SECRET}&mode=contract&other=connection`;
    const { body, error, name } = await errorOf(behaviour, query);
    expect(await everywhere(body.execution_id)).not.toContain(QUERY_SECRET);
    expect(error.url).toBe(agents.url(`/${name}`));
    expect(error.code).toBe("AGENT_PROCESSING_ERROR");
  });
});

describe("a breaker that is open", () => {
  test("names the failure that opened it, in its refusal and in GET /v1/agents", async () => {
    await coordinator.configure({ circuit_breaker: { failure_threshold: 2 } });
    agents.on("/inkless", json("500 Oops", `{"error":"no ink, ${SECRET}"}`));
    await coordinator.api("PUT", "/v1/agents/inkless", {
      url: agents.url("/inkless"),
      headers: { authorization: "secret:KEY" },
    });
    await coordinator.pipeline("inkless", [{ name: "only", agent_type: "inkless", retry_attempts: 1 }]);
    const breaker = async () => (await coordinator.api("GET", "/v1/agents/inkless")).body.breaker;
    expect(await breaker()).not.toHaveProperty("last_failure");
    for (const _ of [1, 2]) await coordinator.run({ pipeline: "inkless" });
    const last_failure = "the agent answered 500: no ink, [redacted]";
    expect(await breaker()).toMatchObject({ state: "open", failures: 2, last_failure });
    const { body } = await coordinator.run({ pipeline: "inkless" });
    expect(body.stage_results.only).toMatchObject({ attempts: 0, error: { code: "AGENT_UNAVAILABLE" } });
    expect(body.stage_results.only.error.message).toMatch(
      /^the circuit breaker of inkless is open: .*; its last failure: the agent answered 500: no ink, \[redacted\]$/,
    );
    const { body: listed } = await coordinator.api("GET", "/v1/agents");
    const entry = listed.data.find(({ agent_type }: { agent_type: string }) => agent_type === "inkless");
    expect(entry.breaker.last_failure).toBe(last_failure);
    await coordinator.agent("inkless", agents.url("/inkless"));
    expect(await breaker()).not.toHaveProperty("last_failure");
    await coordinator.configure({ circuit_breaker: { failure_threshold: 1_000 } });
  });
});
