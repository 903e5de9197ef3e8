// Who may, in real workerd: keys, scopes, two tenants over every route of the router's own list, stream tokens, CORS,
// and what holds for every path (methods, media types).
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { codeOf } from "../../support/clients/problems.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";

const ORIGIN = "https://app.example.com";
const SECRET_WORD = "acme-only-word";

let agents: AgentServer;
let coordinator: Coordinator;
let execution = "";

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: SECRET_WORD }));
  coordinator = await startCoordinator([agents], { ...KEYED, AGENT_COORDINATOR_CORS_ORIGINS: ORIGIN });
  await acme("PUT", "/v1/agents/one", { url: agents.url("/one") });
  await acme("PUT", "/v1/pipelines/mine", { stages: [{ name: "only", agent_type: "one" }] });
  const ran = await acme("POST", "/v1/executions", { ...RUN, pipeline: "mine" });
  expect(ran.body.status).toBe("completed");
  execution = ran.body.execution_id;
});

afterAll(() => closeAll(coordinator, agents));

const RUN = { query: SECRET_WORD, conversation_id: "c" };
const acme = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  callWith(coordinator, KEYS.acme, method, path, body, headers);

/** Every route and verb that the router has, with what stands for its parameters. */
const ROUTES = createApp()
  .routes.filter((route) => route.method !== "ALL")
  .map((route) => ({ method: route.method, path: route.path }));
const concrete = (path: string) =>
  path
    .replace(":id", execution)
    .replace(":name", "mine")
    .replace(":stage", "only")
    .replace(":agent_type", "one");

/** A body that each route would take, where it takes one. */
const BODIES: Record<string, unknown> = {
  "POST /v1/executions": { ...RUN, query: "theirs", pipeline: "mine" },
  "POST /v1/executions/cleanup": { older_than_seconds: 0 },
  "POST /v1/stages/execute": { stage: { name: "s", agent_type: "one" }, query: "theirs" },
  "POST /v1/executions/:id/stages/:stage/complete": { data: {} },
  "POST /v1/executions/:id/stages/:stage/fail": { message: "no" },
  "POST /v1/pipelines/validate": { stages: [] },
  "PUT /v1/pipelines/:name": { stages: [{ name: "theirs", agent_type: "x" }] },
  "POST /v1/pipelines/:name/stages": { name: "theirs", agent_type: "x" },
  "PUT /v1/agents/:agent_type": { binding: "AGENTS" },
  "PATCH /v1/config": { max_retry_attempts: 9 },
};

describe("two tenants", () => {
  test("another tenant's key sees and changes nothing on any route, and never gets 403", async () => {
    const before = await everything();
    for (const { method, path } of ROUTES) {
      const answer = await callWith(
        coordinator,
        KEYS.globex,
        method,
        concrete(path),
        BODIES[`${method} ${path}`],
      );
      const label = `${method} ${path}`;
      expect([401, 403], label).not.toContain(answer.status);
      expect(answer.status, label).toBeLessThan(500);
      expect(JSON.stringify(answer.body), label).not.toContain(SECRET_WORD);
      expect(JSON.stringify(answer.body), label).not.toContain(agents.host);
      // What names something of the first tenant's is not there, unless the call itself made one of its own.
      // A conversation is none's until it has a turn.
      if (path === "/v1/conversations/:id") {
        expect(answer.body?.data ?? [], label).toEqual([]);
      } else if (path.includes(":id")) {
        expect(answer.status, label).toBe(404);
        expect(answer.body.code, label).toBe("EXECUTION_NOT_FOUND");
      }
    }
    expect(await everything()).toEqual(before);
  });

  const everything = async () => {
    const paths = [
      "/v1/pipelines",
      "/v1/agents",
      "/v1/config",
      "/v1/executions",
      `/v1/executions/${execution}`,
    ];
    return Promise.all(paths.map(async (path) => (await acme("GET", path)).body));
  };

  test("every route needs a key, but those that say so, and an unknown path under /v1 too", async () => {
    for (const { method, path } of ROUTES) {
      const operation = ENDPOINTS.find((at) => at.method === method.toLowerCase() && at.path === path);
      for (const key of [null, "wrong", "", KEYS.expired]) {
        const { status, headers, body } = await callWith(coordinator, key, method, concrete(path));
        const label = `${method} ${path} with ${key}`;
        if (operation?.permission === "public") {
          expect(status, label).toBe(200);
          continue;
        }
        if (operation?.permission === "token") {
          expect(status, label).toBe(404);
          continue;
        }
        expect(status, label).toBe(401);
        expect(codeOf(body), label).toBe("UNAUTHORIZED");
        expect(headers.get("www-authenticate"), label).toContain("Bearer");
        expect(headers.get("set-cookie"), label).toBeNull();
      }
    }
    expect((await callWith(coordinator, null, "GET", "/v1/nothing")).status).toBe(401);
    expect((await acme("GET", "/v1/nothing")).body.code).toBe("NOT_FOUND");
  });

  test("each route asks for its scope", async () => {
    for (const { method, path } of ROUTES) {
      const permission = ENDPOINTS.find(
        (at) => at.method === method.toLowerCase() && at.path === path,
      )?.permission;
      const label = `${method} ${path}`;
      const asked = async (key: string) => {
        const body = method === "GET" ? undefined : "{";
        return (await callWith(coordinator, key, method, concrete(path), body)).status;
      };
      if (permission === "read" || permission === "follow") {
        for (const key of [KEYS.reader, KEYS.runner, KEYS.admin]) {
          // A chat of which no run goes on has no stream, and there is no response of this name.
          const there = path.includes("/chat/") ? 204 : path.includes("/responses/") ? 404 : 200;
          expect(await asked(key), label).toBe(method === "GET" ? there : 400);
        }
      }
      // What deletes would be gone for the tests that follow.
      if (permission === "admin") {
        for (const key of [KEYS.runner, KEYS.reader]) expect(await asked(key), label).toBe(403);
        if (method !== "DELETE") expect(await asked(KEYS.admin), label).not.toBe(403);
      }
      if (permission === "execute") {
        for (const key of [KEYS.admin, KEYS.reader]) expect(await asked(key), label).toBe(403);
        if (method !== "DELETE") expect(await asked(KEYS.runner), label).not.toBe(403);
      }
      if (permission !== "public" && method !== "GET" && path !== "/v1/pipelines/validate") {
        expect(permission, `${label} changes something`).not.toBe("read");
      }
    }
    const refused = await callWith(coordinator, KEYS.runner, "DELETE", "/v1/pipelines/mine");
    expect(refused).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN", detail: "the key lacks the scope admin" },
    });
    expect((await callWith(coordinator, KEYS.runner, "GET", "/v1/pipelines/mine")).status).toBe(200);
    expect((await callWith(coordinator, KEYS.admin, "GET", "/v1/pipelines/mine")).status).toBe(200);
    expect(await callWith(coordinator, KEYS.reader, "POST", "/v1/executions", RUN)).toMatchObject({
      status: 403,
      body: { detail: "the key lacks the scope execute" },
    });
    expect((await callWith(coordinator, KEYS.reader, "GET", "/metrics")).body).toContain("pipeline_");
  });

  test("a key that has expired is refused with that reason", async () => {
    const { status, body, headers } = await callWith(coordinator, KEYS.expired, "GET", "/v1/config");
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: "UNAUTHORIZED", detail: "this key has expired" });
    expect(headers.get("www-authenticate")).toContain("Bearer");
  });

  test("what is refused leaves a line, with a count where there are many, and no key", async () => {
    const refusals = () =>
      coordinator
        .output()
        .split("\n")
        .flatMap((line) => (/^\{.*"message":"refused"/.test(line) ? [JSON.parse(line)] : []));
    const lineOf = (reason: string) => refusals().findLast((line) => line.reason === reason);
    const pause = () =>
      new Promise((resolve) => {
        setTimeout(resolve, 1_100);
      });
    await pause();
    const before = refusals().length;
    const secret = "an-unknown-key-0123456789";
    for (let at = 0; at < 20; at += 1) await callWith(coordinator, secret, "GET", "/v1/config");
    await pause();
    await callWith(coordinator, secret, "GET", "/v1/agents");
    await callWith(coordinator, KEYS.reader, "PATCH", "/v1/config", {});
    await coordinator.fetch(`/v1/executions/${execution}/events?token=${secret}`);
    await coordinator.fetch("/v1/%1b%5b31m");
    await expect.poll(() => lineOf("missing"), { timeout: 5_000 }).toBeDefined();
    expect(lineOf("unknown")).toMatchObject({
      level: "WARN",
      code: "UNAUTHORIZED",
      method: "GET",
      path: "/v1/agents",
    });
    expect(lineOf("unknown").left_out).toBeGreaterThanOrEqual(10);
    expect(lineOf("scope")).toMatchObject({
      code: "FORBIDDEN",
      scope: "admin",
      tenant: "acme",
      key_id: "reader",
      method: "PATCH",
      path: "/v1/config",
    });
    expect(lineOf("bad_token").path).toBe(`/v1/executions/${execution}/events`);
    // Twenty calls may take some seconds on a busy machine, with a line in each.
    expect(refusals().length - before).toBeLessThanOrEqual(10);
    for (const key of [secret, ...Object.values(KEYS)]) expect(coordinator.output()).not.toContain(key);
  });
});

test("a deployment without keys refuses every call and says how to set them", async () => {
  const bare = await startCoordinator([], { AGENT_COORDINATOR_AUTH: "keys" });
  try {
    for (const [method, path] of [
      ["GET", "/v1/config"],
      ["POST", "/v1/executions"],
      ["GET", "/v1/executions/x/events?token=a.1.b"],
    ] as const) {
      const { status, body } = await callWith(bare, "any", method, path);
      expect(status).toBe(401);
      expect(body.detail).toContain("wrangler secret put AGENT_COORDINATOR_API_KEYS");
      expect(body.detail).toContain("AGENT_COORDINATOR_AUTH=none");
    }
    expect((await callWith(bare, null, "GET", "/healthz")).status).toBe(200);
  } finally {
    await bare.close();
  }
});

describe("stream tokens", () => {
  const started = async () =>
    (await acme("POST", "/v1/executions", { ...RUN, pipeline: "mine" }, { prefer: "respond-async" })).body;

  test("open the events of their execution without a key, and nothing else", async () => {
    const { stream_url, execution_id } = await started();
    const response = await coordinator.fetch(stream_url);
    expect(response.status).toBe(200);
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    expect(lifecycle(await readEvents(response)).at(-1)?.event).toBe("execution.completed");
    const token = new URL(stream_url, "http://x").searchParams.get("token") ?? "";
    const own = `/v1/executions/${execution_id}`;
    for (const { method, path } of ROUTES) {
      const operation = ENDPOINTS.find((at) => at.method === method.toLowerCase() && at.path === path);
      if (["public", "token"].includes(operation?.permission ?? "") || path.endsWith("/events")) continue;
      const target = `${path.replace(":id", execution_id).replaceAll(/:[a-z_]+/g, "mine")}?token=${token}`;
      expect((await callWith(coordinator, null, method, target)).status, `${method} ${path}`).toBe(401);
    }
    expect((await callWith(coordinator, token, "GET", own)).status).toBe(401);
    const other = await callWith(
      coordinator,
      null,
      "GET",
      `/v1/executions/${execution}/events?token=${token}`,
    );
    expect(other).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
    expect(JSON.stringify(other.body)).not.toContain(token);
    for (const forged of [`${token}x`, token.replace("acme", "globex"), "", "x"]) {
      expect((await coordinator.fetch(`${own}/events?token=${forged}`)).status, forged).toBe(401);
    }
    // A key that came along is what counts.
    expect((await callWith(coordinator, "wrong", "GET", stream_url)).status).toBe(401);
    expect((await callWith(coordinator, KEYS.globex, "GET", stream_url)).status).toBe(404);
  });
});

describe("CORS", () => {
  const preflight = (path: string, origin: string) =>
    coordinator.fetch(path, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });

  test("a preflight is answered before anybody is asked for a key", async () => {
    const response = await preflight("/v1/executions", ORIGIN);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-allow-headers")).toBe(
      "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, If-Match, If-None-Match, traceparent, " +
        "Cache-Control, tracestate, baggage, x-requested-with",
    );
    expect(response.headers.get("access-control-allow-methods")).toContain("PATCH");
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    expect(response.headers.get("vary")).toContain("Origin");
  });

  test.each([
    `${ORIGIN}.evil.com`,
    "https://evil.com",
    "null",
    ORIGIN.toUpperCase(),
    "http://app.example.com",
  ])("another origin gets nothing: %s", async (origin) => {
    const response = await preflight("/v1/executions", origin);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(response.headers.get("vary")).toContain("Origin");
  });

  test("errors and streams have the headers too", async () => {
    const headers = { origin: ORIGIN, authorization: `Bearer ${KEYS.acme}` };
    const cases: [string, RequestInit, number][] = [
      ["/v1/config", { headers: { origin: ORIGIN } }, 401],
      ["/v1/nothing", { headers }, 404],
      ["/v1/config", { method: "POST", headers }, 405],
      ["/v1/config", { headers: { ...headers, accept: "text/html" } }, 406],
      ["/v1/executions", { method: "POST", headers, body: "x" }, 415],
      [
        "/v1/executions",
        { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: "{" },
        400,
      ],
      ["/v1/config", { headers }, 200],
      [`/v1/executions/${execution}/events`, { headers }, 200],
      [`/v1/executions/${execution}/events?after=999`, { headers }, 204],
    ];
    for (const [path, init, status] of cases) {
      const response = await coordinator.fetch(path, init);
      await response.text();
      expect(response.status, path).toBe(status);
      expect(response.headers.get("access-control-allow-origin"), path).toBe(ORIGIN);
      expect(response.headers.get("access-control-expose-headers"), path).toBe(
        "Location, ETag, Retry-After, RateLimit, RateLimit-Policy, Preference-Applied",
      );
      expect(response.headers.get("vary"), path).toContain("Origin");
      expect(response.headers.get("referrer-policy"), path).toBe("no-referrer");
      expect(response.headers.get("set-cookie"), path).toBeNull();
    }
  });
});

describe("every path", () => {
  test("names the methods that it allows, answers OPTIONS, and HEAD where there is GET", async () => {
    for (const path of new Set(ENDPOINTS.map((operation) => operation.path))) {
      const there = ENDPOINTS.filter((operation) => operation.path === path).map((at) =>
        at.method.toUpperCase(),
      );
      const target = concrete(path);
      const options = await coordinator.fetch(target, { method: "OPTIONS" });
      expect(options.status, path).toBe(204);
      const allow = options.headers.get("allow")?.split(", ") ?? [];
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        if (there.includes(method) || allow.includes(method)) continue;
        const refused = await acme(method, target);
        expect(refused.status, `${method} ${path}`).toBe(405);
        expect(codeOf(refused.body)).toBe("METHOD_NOT_ALLOWED");
        expect(refused.headers.get("allow"), path).toBe(options.headers.get("allow"));
      }
      for (const method of there) expect(allow, path).toContain(method);
      const head = await acme("HEAD", target);
      const isOfToken = ENDPOINTS.some((at) => at.path === path && at.permission === "token");
      const isOfResponse = path.startsWith("/v1/responses/");
      const hasNoRun = path.includes("/chat/");
      expect(head.status, `HEAD ${path}`).toBe(
        there.includes("GET")
          ? isOfToken || isOfResponse
            ? 404
            : hasNoRun
              ? 204
              : 200
          : allow.includes("GET")
            ? head.status
            : 405,
      );
      expect(head.body, `HEAD ${path}`).toBe("");
    }
  });

  test("answers 406 to a caller that accepts none of its types, and 415 to a body that is not JSON", async () => {
    for (const { method, path, body, any_accept } of ENDPOINTS) {
      const target = concrete(path);
      const label = `${method} ${path}`;
      const picky = await acme(method.toUpperCase(), target, body === undefined ? undefined : "{", {
        accept: "image/png",
      });
      if (any_accept === true) expect(picky.status, label).not.toBe(406);
      else expect(picky, label).toMatchObject({ status: 406, body: { code: "NOT_ACCEPTABLE" } });
      if (body === undefined) continue;
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]) {
        const wrong = await acme(method.toUpperCase(), target, "{}", { "content-type": type });
        expect([wrong.status, codeOf(wrong.body)], `${label} ${type}`).toEqual([
          415,
          "UNSUPPORTED_MEDIA_TYPE",
        ]);
      }
      const packed = await acme(method.toUpperCase(), target, "{}", { "content-encoding": "gzip" });
      expect(packed.status, label).toBe(415);
    }
  });
});
