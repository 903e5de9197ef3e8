// A coordinator without keys in real workerd, before pages of other sites: a name that was made to resolve to this
// machine reads nothing, and no page but its own starts or changes anything.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import type { Route } from "../../../src/http/route.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { codeIn } from "../../support/clients/problems.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { KEYED } from "../../support/clients/keys.ts";
import { rawRequest } from "../../support/clients/raw-request.ts";

const LISTED = "https://app.example.com";

let agents: AgentServer;
let coordinator: Coordinator;
let execution = "";

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_CORS_ORIGINS: LISTED,
    AGENT_COORDINATOR_HOSTS: "dev.example.com",
    AGENT_COORDINATOR_PUBLIC_URL: "https://public.example.com",
  });
  await coordinator.alone("mine", agents.url("/one"));
  execution = (await coordinator.run({ pipeline: "mine" })).body.execution_id;
});

afterAll(() => closeAll(coordinator, agents));

const concrete = (path: string) =>
  path
    .replace(":id", execution)
    .replace(":name", "mine")
    .replace(":stage", "only")
    .replace(":agent_type", "mine");
const changesWithoutToken = ({ method, permission }: Route) => method !== "get" && permission !== "token";
const call = (method: string, path: string, headers: Record<string, string>, body?: string) =>
  rawRequest(`${coordinator.url}${path}`, method, headers, body);

describe("a host that is not this coordinator's", () => {
  test("gets nothing on any route, and no CORS header", async () => {
    for (const { method, path } of ENDPOINTS) {
      for (const verb of [method.toUpperCase(), "OPTIONS"]) {
        const answer = await call(verb, concrete(path), { host: "evil.example:8787", origin: LISTED });
        expect(answer.status, `${verb} ${path}`).toBe(403);
        expect(codeIn(answer.body), `${verb} ${path}`).toBe("FORBIDDEN");
        expect(answer.body).toContain("AGENT_COORDINATOR_HOSTS");
      }
    }
    expect((await call("GET", "/nothing", { host: "evil.example" })).status).toBe(403);
    await expect.poll(() => coordinator.output(), { timeout: 5_000 }).toContain('"reason":"host"');
    expect(coordinator.output()).not.toContain("evil.example");
  });

  test.each(["localhost", "x.localhost:1", "127.1.2.3", "10.0.0.7:8787", "[::1]:8787", "dev.example.com"])(
    "%s is served",
    async (host) => {
      expect((await call("GET", "/v1/executions", { host })).status).toBe(200);
    },
  );

  test.each(["public.example.com", "app.example.com"])(
    "so is %s, which another variable names",
    async (host) => {
      expect((await call("GET", "/healthz", { host })).status).toBe(200);
    },
  );
});

describe("a page of another origin", () => {
  const foreign = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:3000" },
    { "sec-fetch-site": "cross-site" },
  ];

  test("starts and changes nothing, with a body or without", async () => {
    const before = await everything();
    for (const { method, path } of ENDPOINTS.filter(changesWithoutToken)) {
      for (const headers of foreign) {
        for (const sent of [{}, { "content-type": "text/plain" }]) {
          const answer = await call(method.toUpperCase(), concrete(path), { ...headers, ...sent }, "");
          const label = `${method} ${path} ${JSON.stringify(headers)}`;
          expect(answer.status, label).toBe(403);
          expect(codeIn(answer.body), label).toBe("FORBIDDEN");
          expect(answer.headers["access-control-allow-origin"], label).toBeUndefined();
        }
      }
    }
    expect(await everything()).toEqual(before);
  });

  const everything = async () => {
    const paths = ["/v1/pipelines", "/v1/agents", "/v1/config", "/v1/executions"];
    return Promise.all(paths.map(async (path) => (await coordinator.api("GET", path)).body));
  };

  test("may send what a token opens: the form of a question's page says Origin: null", async () => {
    for (const path of ["/respond/none", "/v1/callbacks/none"]) {
      for (const headers of [...foreign, { origin: LISTED }]) {
        const type = { "content-type": "application/x-www-form-urlencoded" };
        for (const [verb, status] of [
          ["POST", 404],
          ["OPTIONS", 204],
        ] as const) {
          const answer = await call(verb, path, { ...headers, ...type }, "");
          expect(answer.status, `${verb} ${path}`).toBe(status);
          expect(answer.headers["access-control-allow-origin"], `${verb} ${path}`).toBeUndefined();
        }
      }
    }
  });

  test("reads without a CORS header, as ever", async () => {
    const answer = await call("GET", "/v1/executions", { origin: "https://evil.example" });
    expect(answer.status).toBe(200);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("its own page, a listed one and a caller that is not a page may change things", async () => {
    const url = new URL(coordinator.url);
    const own: Record<string, string>[] = [
      {},
      { origin: url.origin },
      { origin: url.origin, "sec-fetch-site": "same-origin" },
      { host: "localhost:9000", origin: "http://localhost:9000" },
      { origin: LISTED, "sec-fetch-site": "cross-site" },
      { host: "public.example.com", origin: "https://public.example.com" },
    ];
    for (const headers of own) {
      const answer = await call(
        "POST",
        "/v1/pipelines/validate",
        { "content-type": "application/json", ...headers },
        '{"stages":[]}',
      );
      expect(answer.status, JSON.stringify(headers)).toBe(200);
    }
  });
});

test("with keys, neither the host nor the origin counts: the key does", async () => {
  const keyed = await startCoordinator([], KEYED);
  try {
    for (const [method, status] of [
      ["GET", 200],
      ["POST", 405],
    ] as const) {
      const headers = { host: "coordinator.example.com", origin: "https://evil.example" };
      expect((await rawRequest(`${keyed.url}/healthz`, method, headers)).status).toBe(status);
    }
  } finally {
    await keyed.close();
  }
});
