// A canary among the secrets, in real workerd: sent to the agent as its registration says, and through every fault of
// that agent found nowhere else: no answer, no event, no trace, no log line, no byte of storage. And no call goes where
// no admin sent it.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  type Behaviour,
  startAgentServer,
  streams,
} from "../../support/agents/agent-server.ts";
import { callWith } from "../../support/clients/keys.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

const CANARY = "canary-5d41402abc4b2a76b9719d911017c592";
const NEVER = "the value of another tenant's secret";

let agents: AgentServer;
let elsewhere: AgentServer;
let server: WorkerdServer;
let state: Awaited<ReturnType<typeof temporaryState>>;

beforeAll(async () => {
  agents = await startAgentServer();
  elsewhere = await startAgentServer();
  state = await temporaryState();
  server = await startWorkerd({
    state: state.path,
    vars: {
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
      AGENT_COORDINATOR_RETRY_DELAY: "0",
      AGENT_SECRET_LOCAL__TOKEN: `Bearer ${CANARY}`,
      AGENT_SECRET_LOCAL__BROKEN: `line one ${CANARY}\nline two`,
      AGENT_SECRET_OTHER__TOKEN: NEVER,
      TOKEN: NEVER,
    },
  });
});

afterAll(async () => {
  await server?.kill();
  await state?.remove();
  await agents?.close();
  await elsewhere?.close();
});

const at = { fetch: (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init) };
const api = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  callWith(at, null, method, path, body, headers);

async function runWith(name: string, behaviour: Behaviour, secret = "TOKEN"): Promise<string[]> {
  agents.on(`/${name}`, behaviour);
  const registration = {
    url: agents.url(`/${name}`),
    headers: { authorization: `secret:${secret}`, "x-key": `secret:${secret}` },
  };
  const seen: string[] = [];
  const keep = async (answer: Promise<{ status: number; headers: Headers; body: unknown }>) => {
    const { status, headers, body } = await answer;
    seen.push(JSON.stringify([status, [...headers], body]));
    return body as { execution_id: string; status: string };
  };
  await keep(api("PUT", `/v1/agents/${name}`, registration));
  await keep(api("GET", `/v1/agents/${name}`));
  const stage = { name: "only", agent_type: name, retry_attempts: 2, timeout_seconds: 2 };
  await keep(api("PUT", `/v1/pipelines/${name}`, { stages: [stage] }));
  const request = { query: "q", conversation_id: name, pipeline: name };
  const { execution_id } = await keep(api("POST", "/v1/executions", request));
  await keep(api("GET", `/v1/executions/${execution_id}`));
  await keep(api("GET", `/v1/executions/${execution_id}/events`));
  await keep(api("GET", `/v1/executions/${execution_id}/trace`));
  await keep(api("GET", "/v1/executions"));
  await keep(api("POST", "/v1/executions", request, { accept: "text/event-stream" }));
  await keep(api("POST", "/v1/stages/execute", { stage, query: "q" }));
  return seen;
}

const echo = (call: { headers: Record<string, unknown> }) => JSON.stringify(call.headers);

/** An agent that tells what it was called with in every way that it has to tell anything. */
const FAULTS: Record<string, Behaviour> = {
  "answers-it": (call, response) =>
    answers({ echo: echo(call), [CANARY]: [CANARY] }, { context: { c: CANARY }, usage: { u: CANARY } })(
      call,
      response,
      1,
    ),
  "streams-it": async (call, response) => {
    const halves = [...CANARY.match(/.{1,7}/g)!].map((text) => ["delta", { text }] as const);
    await streams(
      [
        ["progress", { message: CANARY }],
        ...halves,
        ["delta", { text: `${echo(call)} ` }],
        ["result", { data: { said: CANARY } }],
      ],
      15,
    )(call, response, 1);
  },
  "fails-400": (call, response) =>
    void response
      .writeHead(400, { "content-type": "application/problem+json" })
      .end(JSON.stringify({ detail: echo(call), title: CANARY })),
  "fails-503": (call, response) =>
    void response
      .writeHead(503, { "content-type": "application/problem+json", "retry-after": "0" })
      .end(JSON.stringify({ detail: echo(call) })),
  "fails-cut": (_call, response) =>
    void response
      .writeHead(400, { "content-type": "application/problem+json" })
      .end(JSON.stringify({ detail: `${"x".repeat(480)} ${CANARY}` })),
  "errors-in-stream": (call, response, count) =>
    streams([
      ["delta", { text: CANARY }],
      ["error", { status: 500, detail: echo(call) }],
    ])(call, response, count),
  "speaks-html": (call, response) =>
    void response.writeHead(200, { "content-type": `text/${CANARY}` }).end(echo(call)),
  "is-no-json": (call, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(`{${echo(call)}`),
  "breaks-contract": (_call, response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ data: CANARY, [CANARY]: 1 })),
  "cuts-off": (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`event: delta\ndata: {"text":"${CANARY.slice(0, 20)}"}\n\n`);
    setTimeout(() => response.destroy(), 50);
  },
  resets: (_call, response) => void response.destroy(),
  redirects: (_call, response) =>
    void response.writeHead(302, { location: `${elsewhere.url("/stolen")}?${CANARY}` }).end(),
  hangs: () => {},
};

describe("a canary among the secrets", () => {
  test.each(Object.keys(FAULTS))("of an agent that %s is found in no answer", async (name) => {
    const seen = await runWith(name, FAULTS[name] as Behaviour);
    // The fault was met with the credential in hand.
    expect(agents.callsOf(`/${name}`).length).toBeGreaterThan(0);
    for (const { headers } of agents.callsOf(`/${name}`))
      expect(headers.authorization).toBe(`Bearer ${CANARY}`);
    for (const answer of seen) {
      expect(answer.includes(CANARY), answer.slice(0, 500)).toBe(false);
      // What a cut leaves of it gives it away as well.
      expect(answer.includes(CANARY.slice(0, 24)), answer.slice(0, 500)).toBe(false);
    }
  });

  test.each([
    ["MISSING", "is not set"],
    ["BROKEN", "is not a valid header value"],
  ])("a secret %s fails the stage without a call: it %s", async (secret, words) => {
    const name = `agent-${secret}`;
    const seen = await runWith(name, answers({}), secret);
    expect(agents.callsOf(`/${name}`)).toEqual([]);
    expect(seen.join()).toContain("AGENT_UNAVAILABLE");
    expect(seen.join()).toContain(words);
    expect(seen.join()).toContain(`AGENT_SECRET_LOCAL__${secret}`);
    expect(seen.join()).not.toContain(CANARY);
  });

  test("no tenant reaches another's secret, nor one of the coordinator's own", async () => {
    agents.on("/curious", answers({ ok: true }));
    for (const secret of ["OTHER__TOKEN", "_TOKEN", "../TOKEN", "token", ""]) {
      const { status } = await api("PUT", "/v1/agents/curious", {
        url: agents.url("/curious"),
        headers: { x: `secret:${secret}` },
      });
      if (status >= 400) continue;
      const ran = await api("POST", "/v1/stages/execute", {
        stage: { name: "s", agent_type: "curious" },
        query: "q",
      });
      expect(ran.body.error.code).toBe("AGENT_UNAVAILABLE");
    }
    expect(agents.calls.some((call) => JSON.stringify(call.headers).includes(NEVER))).toBe(false);
  });

  test("is in no byte of storage and no line of the log", async () => {
    const folders = await readdir(join(state.path, "objects"), { recursive: true, withFileTypes: true });
    const files = folders
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      const bytes = await readFile(file);
      expect(bytes.includes(CANARY), file).toBe(false);
      expect(bytes.includes(Buffer.from(CANARY, "utf16le")), file).toBe(false);
    }
    expect(server.output()).not.toContain(CANARY);
  });
});

describe("no call goes where no admin sent it", () => {
  test("not by a redirect, of any kind", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const name = `redirect-${status}`;
      agents.on(
        `/${name}`,
        (_call, response) => void response.writeHead(status, { location: elsewhere.url("/stolen") }).end(),
      );
      await api("PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`) });
      const ran = await api("POST", "/v1/stages/execute", {
        stage: { name: "s", agent_type: name },
        query: "q",
      });
      expect(ran.body.error).toMatchObject({ code: "AGENT_PROCESSING_ERROR", status });
      expect(agents.callsOf(`/${name}`)).toHaveLength(1);
    }
    expect(elsewhere.calls).toEqual([]);
  });

  test("not by registration, in any spelling of an address that is not on the list", async () => {
    const port = elsewhere.host.split(":")[1];
    for (const host of [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "１２７.０.０.１",
      "localhost",
      "localhost.",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "0.0.0.0",
    ]) {
      for (const scheme of ["http", "https"]) {
        const url = `${scheme}://${host}:${port}/stolen`;
        const refused = await api("PUT", "/v1/agents/evil", { url });
        expect(refused, url).toMatchObject({ status: 400, body: { errors: [{ pointer: "/url" }] } });
      }
    }
    const disguised = await api("PUT", "/v1/agents/evil", {
      url: `http://${agents.host}@${elsewhere.host}/stolen`,
    });
    expect(disguised.status).toBe(400);
    expect(elsewhere.calls).toEqual([]);
  });

  test("not by anything in a run's request", async () => {
    const url = elsewhere.url("/stolen");
    await api("PUT", "/v1/agents/honest", { url: agents.url("/honest") });
    agents.on("/honest", answers({ ok: true }));
    await api("PUT", "/v1/pipelines/honest", { stages: [{ name: "only", agent_type: "honest" }] });
    const run = (pipeline_config: unknown, headers?: Record<string, string>) =>
      api(
        "POST",
        "/v1/executions",
        { query: url, conversation_id: "c", pipeline: "honest", pipeline_config, context: { url } },
        headers,
      );
    for (const field of ["url", "binding", "headers", "path", "protocol"]) {
      expect((await run({ only: { [field]: url } })).status, field).toBe(400);
    }
    expect((await run({ only: { agent_type: url } })).status).toBe(400);
    const ran = await run(
      { only: { config: { url, agent: { url }, webhook: url } } },
      { forwarded: `host=${elsewhere.host}`, "x-forwarded-host": elsewhere.host, host: elsewhere.host },
    );
    expect(ran.body.status).toBe("completed");
    expect(elsewhere.calls).toEqual([]);
  });
});

test("a host that was taken off the list is not called any more", async () => {
  const folder = await temporaryState();
  try {
    const first = await startWorkerd({
      state: folder.path,
      vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host },
    });
    const open = { fetch: (path: string, init?: RequestInit) => fetch(`${first.url}${path}`, init) };
    agents.on("/late", answers({ ok: true }));
    expect((await callWith(open, null, "PUT", "/v1/agents/late", { url: agents.url("/late") })).status).toBe(
      201,
    );
    await first.kill();
    const second = await startWorkerd({
      state: folder.path,
      vars: { AGENT_COORDINATOR_AGENT_HOSTS: "agents.example.com" },
    });
    try {
      const closed = { fetch: (path: string, init?: RequestInit) => fetch(`${second.url}${path}`, init) };
      const ran = await callWith(closed, null, "POST", "/v1/stages/execute", {
        stage: { name: "s", agent_type: "late" },
        query: "q",
      });
      expect(ran.body.error).toMatchObject({ code: "AGENT_UNAVAILABLE" });
      expect(agents.callsOf("/late")).toEqual([]);
    } finally {
      await second.kill();
    }
  } finally {
    await folder.remove();
  }
});
