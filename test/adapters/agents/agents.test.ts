// Calls of agents through protocols of the test's own: what all protocols share, without a server.
import { describe, expect, test } from "vitest";
import { type AgentWorld, HttpAgents } from "../../../src/adapters/agents/agents.ts";
import type { AgentProtocol, AnswerRead, ConversingProtocol } from "../../../src/adapters/agents/protocol.ts";
import { PROTOCOLS } from "../../../src/adapters/agents/protocols.ts";
import type { AgentCall, AgentProgress, RegisteredAgent } from "../../../src/contract/agent.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { err, ok } from "../../../src/contract/problem.ts";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";

const CALL: AgentCall = {
  execution_id: "e1",
  conversation_id: "c1",
  stage: "s",
  agent_type: "a",
  attempt: 2,
  query: "q",
  config: {},
  inputs: {},
  context: {},
  history: [],
  timeout_ms: 1_000.4,
};

/** Lines of text in a stream; `:` begins a report of progress, `<2` a text from unit 2 on, and STOP is a failure. */
const plain: AgentProtocol = {
  form: "a text",
  request: ({ call }) => ({
    path: "/say",
    headers: { "content-type": "text/plain", accept: "text/event-stream", "accept-encoding": "zstd" },
    body: call.query,
  }),
  async read(response, hooks) {
    if (!response.isStream) return err(await response.unexpected("text/event-stream"));
    const answer = await response.events<AnswerRead>(({ event, data }) => {
      if (data === "STOP") return err({ kind: "truncated", detail: "it stopped" });
      if (event === "end") return ok({ data: { answer: data } });
      const pieces: unknown = event === "pieces" ? JSON.parse(data) : [data];
      for (const piece of pieces as string[]) {
        const cut = /^<(\d)(.*)$/.exec(piece);
        if (cut !== null) hooks.delta(cut[2] as string, Number(cut[1]));
        else if (piece.startsWith(":")) hooks.progress({ message: piece.slice(1), fraction: 0.5 });
        else hooks.delta(piece);
      }
      return null;
    });
    return answer ?? err({ kind: "truncated", detail: "it has no end" });
  },
  readError: (body) => ({ detail: `said ${body}`, retryable: false }),
};

const REGISTERED: RegisteredAgent = { url: "https://agent.example/base/?v=1", protocol: "native" };

interface Sent {
  href: string;
  init: RequestInit;
}

/** The outcome of one call, with what was sent and reported. */
async function call(
  answer: () => Response,
  registration: RegisteredAgent | null = REGISTERED,
  protocols: Record<string, AgentProtocol | ConversingProtocol> = { native: plain },
  world: Partial<AgentWorld> = {},
) {
  const sent: Sent[] = [];
  const fetched = async (href: unknown, init?: RequestInit) => {
    sent.push({ href: String(href), init: init ?? {} });
    return answer();
  };
  const agents = new HttpAgents(
    {
      fetch: fetched,
      binding: (name) => (name === "AGENTS" ? ({ fetch: fetched } as unknown as Fetcher) : null),
      secret: (name) => (name === "AGENT_SECRET_ACME__KEY" ? "Bearer abc" : null),
      allowedHosts: null,
      ...world,
    },
    protocols,
  );
  const deltas: string[] = [];
  const progress: AgentProgress[] = [];
  const failing: CallFailure[] = [];
  const outcome = await agents.call(
    {
      tenant: "acme",
      registration,
      call: CALL,
      idempotency_key: "e1.s",
      traceparent: "00-t-s-01",
      callback_url: null,
    },
    {
      signal: new AbortController().signal,
      delta: (text, offset) => void deltas.push(offset === undefined ? text : `${text}@${offset}`),
      progress: (report) => void progress.push(report),
      alive: () => {},
      failing: (failure) => void failing.push(failure),
      hears_silence: false,
    },
  );
  const headers = Object.fromEntries(new Headers(sent[0]?.init.headers));
  return { outcome, deltas, progress, failing, sent, headers };
}

const stream =
  (body: string, init: ResponseInit = {}) =>
  () =>
    new Response(body, { headers: { "content-type": "Text/Event-Stream; charset=utf-8" }, ...init });
const END = "event: end\ndata: hi\n\n";

describe("a protocol", () => {
  test("overrides a header of the registration in any case, and any name is one", async () => {
    const names = ["Idempotency-Key", "__proto__", "X-Team"];
    const registered = Object.fromEntries(names.map((name) => [name, "secret:KEY"]));
    const { headers } = await call(stream(END), { ...REGISTERED, headers: registered });
    expect(headers).toMatchObject({ "idempotency-key": '"e1.s"', "x-team": "Bearer abc" });
    expect(Object.keys(headers)).toContain("__proto__");
  });

  test("writes path, headers and body, beside what every call has", async () => {
    const { sent, headers } = await call(stream(END), {
      ...REGISTERED,
      headers: { authorization: "secret:KEY" },
    });
    expect(sent.map(({ href, init }) => [init.method, href, init.body, init.redirect])).toEqual([
      ["POST", "https://agent.example/base/say?v=1", "q", "manual"],
    ]);
    expect(headers).toEqual({
      accept: "text/event-stream",
      "accept-encoding": "gzip, x-gzip, deflate, br",
      authorization: "Bearer abc",
      "content-type": "text/plain",
      "idempotency-key": '"e1.s"',
      traceparent: "00-t-s-01",
    });
  });

  test.each([
    [{ url: "https://agent.example", protocol: "native" as const }, "https://agent.example/say"],
    [{ binding: "AGENTS", path: "/v/?x=1", protocol: "native" as const }, "https://agent.internal/v/say?x=1"],
    [{ binding: "AGENTS", protocol: "native" as const }, "https://agent.internal/say"],
  ])("appends its path to that of %j", async (registration, href) => {
    expect((await call(stream(END), registration)).sent[0]?.href).toBe(href);
  });

  test("reads the answer; its size is counted for it, and texts are cut between characters", async () => {
    const pieces = ["a\ud83e", "\udd81b", ":one\u0007two", "c\ud83e"];
    const { outcome, deltas, progress } = await call(
      stream(`event: pieces\ndata: ${JSON.stringify(pieces)}\n\nevent: end\ndata: 漢\n\ndata: more\n\n`),
    );
    expect(outcome).toEqual({ ok: true, answer: { data: { answer: "漢" } }, bytes: 16 });
    expect(deltas).toEqual(["a", "\ud83e\udd81b", "c", "\ud83e"]);
    expect(progress).toEqual([{ message: "one two", fraction: 0.5 }]);
  });

  test("cannot give a result beyond the limit, nor read a body beyond it", async () => {
    const large = "x".repeat(LIMITS.RESULT_BYTES);
    expect((await call(stream(`event: end\ndata: ${large}\n\n`))).outcome).toEqual({
      ok: false,
      failure: {
        kind: "result_too_large",
        limit_bytes: LIMITS.RESULT_BYTES,
        bytes: LIMITS.RESULT_BYTES + '{"answer":""}'.length,
      },
    });
    expect((await call(stream(`: ${"x".repeat(LIMITS.AGENT_BODY_BYTES)}\n${END}`))).outcome).toEqual({
      ok: false,
      failure: { kind: "body_too_large", limit_bytes: LIMITS.AGENT_BODY_BYTES },
    });
  });

  test("gives its own failures; of their text, a half of a character is not passed on", async () => {
    const { outcome, deltas } = await call(
      stream(`event: pieces\ndata: ["a\\ud83e"]\n\ndata: STOP\n\n${END}`),
    );
    expect(outcome).toEqual({ ok: false, failure: { kind: "truncated", detail: "it stopped" } });
    expect(deltas).toEqual(["a"]);
    const cut = await call(stream("data: a\n\ndata: STOP"));
    expect(cut.outcome).toEqual({ ok: false, failure: { kind: "truncated", detail: "it has no end" } });
  });

  test("may take text back; half of a character that is held goes with it", async () => {
    const pieces = (list: string) => call(stream(`event: pieces\ndata: ${list}\n\n${END}`));
    expect((await pieces('["abc", "<1x", "<9y", "<3"]')).deltas).toEqual(["abc", "x@1", "y", ""]);
    expect((await pieces('["a\\ud83e", "<1b"]')).deltas).toEqual(["a", "b"]);
    expect((await pieces('["a\\ud83e", "<2\\udd96"]')).deltas).toEqual(["a", "\ud83e\udd96"]);
  });

  test("says which answers it reads", async () => {
    const html = await call(() => new Response("<p>no</p>", { headers: { "content-type": "text/html" } }));
    const failure = {
      kind: "contract",
      detail: "its content type is text/html, not text/event-stream",
      status: 200,
    };
    expect(html.failing).toEqual([failure]);
    expect(html.outcome).toEqual({ ok: false, failure: { ...failure, excerpt: "no" } });
    const empty = await call(() => new Response(null, { status: 204 }));
    expect(empty.outcome).toEqual({
      ok: false,
      failure: { kind: "contract", detail: "status 204 has no body: answer 200 with a text", status: 204 },
    });
  });

  test("reads what a failure says; status, redirect and Retry-After are read for it", async () => {
    const busy = stream("busy", {
      status: 503,
      headers: { "content-type": "text/plain", "retry-after": "2" },
    });
    const { outcome, failing } = await call(busy);
    const known = { kind: "status", status: 503, location: null, retry_after_ms: 2_000 };
    expect(failing).toEqual([{ ...known, detail: null, retryable: null }]);
    expect(outcome).toEqual({ ok: false, failure: { ...known, detail: "said busy", retryable: false } });
    const moved = await call(stream("", { status: 307, headers: { location: "/other?key=1" } }));
    expect(moved.outcome).toMatchObject({
      failure: { kind: "status", status: 307, location: "https://agent.example/other" },
    });
  });
});

describe("the registration chooses the protocol", () => {
  const named = (protocol: string) => ({ ...REGISTERED, protocol }) as unknown as RegisteredAgent;

  test("by its name", async () => {
    const protocols = { ...PROTOCOLS, plain };
    const first = await call(stream(END), named("plain"), protocols);
    expect(first.sent[0]?.init.body).toBe("q");
    const result = stream('event: result\ndata: {"data":{"n":1}}\n\n');
    const second = await call(result, REGISTERED, protocols);
    expect(second.sent[0]?.init.body).toBe(JSON.stringify(CALL));
    expect(second.headers).toMatchObject({
      accept: "text/event-stream, application/json;q=0.9",
      "coordinator-attempt": "2",
      "coordinator-execution-id": "e1",
      "coordinator-stage": "s",
      "coordinator-timeout-ms": "1000",
    });
    expect(second.outcome).toMatchObject({ ok: true, answer: { data: { n: 1 } }, bytes: 7 });
  });

  test.each(["later", "constructor", "__proto__"])(
    "one that is not known is not called: %s",
    async (name) => {
      const { outcome, sent } = await call(stream(END), named(name));
      const detail = `the agent a has the protocol ${name}, which is not known`;
      expect(outcome).toEqual({ ok: false, failure: { kind: "not_callable", detail } });
      expect(sent).toEqual([]);
    },
  );

  test("none is needed where the agent is not registered", async () => {
    expect((await call(stream(END), null)).outcome).toEqual({
      ok: false,
      failure: { kind: "unregistered", agent_type: "a" },
    });
  });
});

describe("a protocol of several requests", () => {
  const ANSWERS = () => new Response("fine", { headers: { "content-type": "text/plain" } });
  /** Asks at each of these places; the registration's own is undefined. */
  const asksAt = (...places: (string | undefined)[]): ConversingProtocol => ({
    form: "a text",
    readError: (body) => ({ detail: `said ${body}`, retryable: false }),
    converse: async (_asked, { send }) => {
      const said: string[] = [];
      for (const href of places) {
        const headers = { "content-type": "text/plain", "accept-encoding": "zstd" };
        const got = await send({ body: "q", headers, ...(href === undefined ? {} : { href }) });
        if (!got.ok) return got;
        said.push(got.value.type);
        got.value.discard();
      }
      return ok({ data: { said } });
    },
  });
  const keyed: RegisteredAgent = { ...REGISTERED, headers: { authorization: "secret:KEY" } };
  const converse = (
    protocol: ConversingProtocol,
    registration: RegisteredAgent = keyed,
    answer = ANSWERS,
    world = {},
  ) => call(answer, registration, { native: protocol }, world);

  test("sends each with the registration's headers, and follows no redirect", async () => {
    const { outcome, sent } = await converse(asksAt(undefined, "https://agent.example/more"));
    expect(outcome).toMatchObject({ ok: true, answer: { data: { said: ["text/plain", "text/plain"] } } });
    expect(sent.map(({ href }) => href)).toEqual([REGISTERED.url, "https://agent.example/more"]);
    for (const { init } of sent) {
      expect(init).toMatchObject({ method: "POST", body: "q", redirect: "manual" });
      expect(Object.fromEntries(new Headers(init.headers))).toMatchObject({
        authorization: "Bearer abc",
        "accept-encoding": expect.not.stringContaining("zstd"),
        traceparent: "00-t-s-01",
      });
    }
  });

  test("gives no credential to another origin, and asks none that is not allowed", async () => {
    const other = await converse(asksAt("https://other.example/"));
    expect(new Headers(other.sent[0]?.init.headers).get("authorization")).toBeNull();
    for (const href of [
      "http://agent.example/",
      "https://127.0.0.1/",
      "https://user@agent.example/",
      "no url",
    ]) {
      const { outcome, sent } = await converse(asksAt(href));
      expect([href, sent, outcome]).toMatchObject([
        href,
        [],
        { ok: false, failure: { kind: "not_callable" } },
      ]);
    }
    const hosts = { allowedHosts: new Set(["agent.example"]) };
    const listed = await converse(asksAt("https://other.example/"), keyed, ANSWERS, hosts);
    expect([listed.sent, listed.outcome]).toMatchObject([[], { failure: { kind: "not_callable" } }]);
  });

  test("stays within its service binding", async () => {
    const bound: RegisteredAgent = { binding: "AGENTS", path: "/a", protocol: "native" };
    const within = await converse(asksAt(undefined, "https://agent.internal/b"), bound);
    expect(within.sent.map(({ href }) => href)).toEqual([
      "https://agent.internal/a",
      "https://agent.internal/b",
    ]);
    const { sent, outcome } = await converse(asksAt("https://agent.example/"), bound);
    expect([sent, outcome]).toMatchObject([[], { failure: { kind: "not_callable" } }]);
  });

  test("fails by a status, a missing secret and an answer beyond the limit", async () => {
    const refuses = () => new Response("no", { status: 403 });
    const refused = await converse(asksAt(undefined), keyed, refuses);
    expect(refused.outcome).toMatchObject({ failure: { kind: "status", status: 403, detail: "said no" } });
    const unset = await converse(asksAt(undefined), { ...keyed, headers: { authorization: "secret:GONE" } });
    expect([unset.sent, unset.outcome]).toMatchObject([[], { failure: { kind: "not_callable" } }]);
    const wordy: ConversingProtocol = {
      ...asksAt(),
      converse: async () => ok({ data: { said: "x".repeat(LIMITS.RESULT_BYTES) } }),
    };
    const large = await converse(wordy);
    expect(large.outcome).toMatchObject({ failure: { kind: "result_too_large" } });
  });
});
