// A 202 and what follows from it: which calls say where to answer, which Location is kept, and how it is deleted.
import { expect, test } from "vitest";
import { HttpAgents } from "../../../../src/adapters/agents/agents.ts";
import { RedactingAgents } from "../../../../src/adapters/agents/redacting.ts";
import type { AgentCall, RegisteredAgent } from "../../../../src/contract/agent.ts";

const CALL: AgentCall = {
  execution_id: "e1",
  conversation_id: "c1",
  stage: "s",
  agent_type: "a",
  attempt: 1,
  query: "q",
  config: {},
  inputs: {},
  context: {},
  history: [],
  timeout_ms: 1_000,
};
const TOKEN = "0011aabb.Y2xhaW1z.c2lnbmF0dXJl";
const CALLBACK = `https://c.example/v1/callbacks/${TOKEN}`;
const BY_URL: RegisteredAgent = {
  url: "https://agent.example/base/?v=1",
  protocol: "native",
  headers: { authorization: "secret:KEY" },
};

function world(answer: () => Response | Promise<Response>) {
  const sent: { href: string; init: RequestInit }[] = [];
  const fetched = async (href: unknown, init?: RequestInit) => {
    sent.push({ href: String(href), init: init ?? {} });
    return answer();
  };
  const secret = () => "Bearer abcdef";
  const agents = new RedactingAgents(
    new HttpAgents({
      fetch: fetched,
      binding: () => ({ fetch: fetched }) as unknown as Fetcher,
      secret,
      allowedHosts: null,
    }),
    secret,
  );
  return { agents, sent };
}

const hooks = {
  signal: new AbortController().signal,
  hears_silence: false,
  alive: () => {},
  delta: () => {},
  progress: () => {},
};

async function call(answer: () => Response, callback_url: string | null, registration = BY_URL) {
  const { agents, sent } = world(answer);
  const request = { tenant: "t", registration, call: CALL, idempotency_key: "e1.s", traceparent: null };
  const outcome = await agents.call({ ...request, callback_url }, hooks);
  return { outcome, headers: new Headers(sent[0]?.init.headers) };
}

const later = (location?: string) => () =>
  new Response("accepted", { status: 202, ...(location === undefined ? {} : { headers: { location } }) });

test("the call says where to answer later, where its stage lets it", async () => {
  const asked = await call(later(), CALLBACK);
  expect(asked.headers.get("coordinator-callback")).toBe(CALLBACK);
  expect(asked.outcome).toEqual({ ok: "later" });
  const unasked = await call(later(), null);
  expect(unasked.headers.has("coordinator-callback")).toBe(false);
  expect(unasked.outcome).toMatchObject({ ok: false, failure: { kind: "accepted" } });
});

test("the body of a 202 is not read, and its connection is freed", async () => {
  let cancelled = false;
  const body = new ReadableStream({ cancel: () => void (cancelled = true) });
  const { outcome } = await call(() => new Response(body, { status: 202 }), CALLBACK);
  expect(outcome).toEqual({ ok: "later" });
  expect(cancelled).toBe(true);
});

test.each([
  ["/jobs/1", "https://agent.example/jobs/1"],
  ["jobs/1?k=2#part", "https://agent.example/base/jobs/1?k=2"],
  ["https://agent.example/jobs/1", "https://agent.example/jobs/1"],
])("a Location of its own origin is kept: %s", async (location, kept) => {
  expect((await call(later(location), CALLBACK)).outcome).toEqual({ ok: "later", location: kept });
});

test.each([
  "https://other.example/jobs/1",
  "http://agent.example/jobs/1",
  "https://agent.example:8443/jobs/1",
  "https://user:word@agent.example/jobs/1",
  "javascript:alert(1)",
  "http://[",
  `/${"x".repeat(3_000)}`,
])("any other is not: %s", async (location) => {
  expect((await call(later(location), CALLBACK)).outcome).toEqual({ ok: "later" });
});

test("the token does not come back in an answer or in the text of one", async () => {
  const answer = () => Response.json({ data: { seen: CALLBACK } });
  const { outcome } = await call(answer, CALLBACK);
  expect(JSON.stringify(outcome)).not.toContain(TOKEN);
  const { agents } = world(later());
  const texts: string[] = [];
  const body =
    `event: delta\ndata: {"text":"${TOKEN.slice(0, 12)}"}\n\n` +
    `event: delta\ndata: {"text":"${TOKEN.slice(12)}"}\n\n` +
    `event: result\ndata: {"data":{"seen":"${TOKEN}","key":"abcdef"}}\n\n`;
  const sent = new Request(CALLBACK, {
    method: "POST",
    body,
    headers: { "content-type": "text/event-stream" },
  });
  const agent = { tenant: "t", agent_type: "a", registration: BY_URL };
  const delta = (text: string) => void texts.push(text);
  const read = await agents.read(agent, TOKEN, sent, { ...hooks, delta });
  expect(texts.join("")).toBe("[redacted]");
  expect(read).toMatchObject({ outcome: { answer: { data: { seen: "[redacted]", key: "[redacted]" } } } });
});

test("what is abandoned is deleted once, with the agent's headers and without a redirect", async () => {
  const { agents, sent } = world(() => new Response("gone"));
  const agent = { tenant: "t", agent_type: "a", registration: BY_URL };
  await agents.abandon(agent, "https://agent.example/jobs/1");
  expect(sent).toMatchObject([
    { href: "https://agent.example/jobs/1", init: { method: "DELETE", redirect: "manual" } },
  ]);
  expect(new Headers(sent[0]?.init.headers).get("authorization")).toBe("Bearer abcdef");
  expect(sent[0]?.init.signal).toBeInstanceOf(AbortSignal);
});

test("nothing is deleted elsewhere, and a failure to delete is no error", async () => {
  const { agents, sent } = world(() => Promise.reject(new Error("connection refused")));
  const agent = { tenant: "t", agent_type: "a", registration: BY_URL };
  await agents.abandon(agent, "https://other.example/jobs/1");
  await agents.abandon({ ...agent, registration: null }, "https://agent.example/jobs/1");
  expect(sent).toEqual([]);
  await agents.abandon(agent, "https://agent.example/jobs/1");
  expect(sent).toHaveLength(1);
});

test("an agent behind a binding is reached by it", async () => {
  const registration: RegisteredAgent = { binding: "AGENTS", path: "/later", protocol: "native" };
  const { outcome } = await call(later("/jobs/1"), CALLBACK, registration);
  expect(outcome).toEqual({ ok: "later", location: "https://agent.internal/jobs/1" });
  const { agents, sent } = world(() => new Response(null, { status: 204 }));
  await agents.abandon({ tenant: "t", agent_type: "a", registration }, "https://agent.internal/jobs/1");
  expect(sent).toMatchObject([{ href: "https://agent.internal/jobs/1" }]);
});
