// The rate limit, the same suite over both adapters: objects of the house's own, and @upstash/ratelimit on a real
// Redis behind Upstash's protocol.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHash } from "node:crypto";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type RedisRest, startRedis } from "../../support/servers/redis.ts";

const WINDOW_SECONDS = 3;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Waits for the beginning of the next window but one: the share of the last one is then nothing. */
async function freshWindow(): Promise<void> {
  const length = WINDOW_SECONDS * 1_000;
  const begin = (Math.floor(Date.now() / length) + 2) * length;
  await new Promise((resolve) => {
    setTimeout(resolve, begin - Date.now() + 50);
  });
}

// Side by side: each waits for windows of its own, most of the time.
describe.concurrent.each(["embedded", "upstash"])("the rate limit, %s", (backend) => {
  let agents: AgentServer;
  let redis: RedisRest | null = null;
  let coordinator: Coordinator;
  let keyed: Coordinator;

  beforeAll(async () => {
    agents = await startAgentServer();
    agents.on("/one", answers({ by: "one" }));
    redis = backend === "upstash" ? await startRedis() : null;
    const vars = {
      AGENT_COORDINATOR_RATE_LIMIT: `4/${WINDOW_SECONDS}`,
      ...(redis === null ? {} : { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token }),
    };
    const key = (tenant: string) => ({
      tenant,
      key_sha256: sha256(`key-of-${tenant}`),
      scopes: ["execute", "admin"],
    });
    coordinator = await startCoordinator([agents], vars);
    keyed = await startCoordinator([agents], {
      ...vars,
      AGENT_COORDINATOR_AUTH: "keys",
      AGENT_COORDINATOR_API_KEYS: JSON.stringify([key("acme"), key("other")]),
    });
    await coordinator.agent("one", agents.url("/one"));
    await coordinator.pipeline("p", [{ name: "only", agent_type: "one" }]);
  });

  afterAll(() => closeAll(coordinator, keyed, agents, redis));

  // Again where the machine was so busy that Redis seemed gone, and the calls were counted elsewhere.
  const patient = { retry: 2 };

  test(
    "counts calls that start work, tells what is left, refuses past the limit, and lets in again",
    patient,
    async () => {
      await freshWindow();
      const left: number[] = [];
      let id = "";
      for (let made = 0; made < 4; made += 1) {
        const { status, headers, body } = await coordinator.run({ pipeline: "p" });
        expect(status).toBe(200);
        expect(headers.get("ratelimit-policy")).toBe(`"default";q=4;w=${WINDOW_SECONDS}`);
        left.push(Number(/^"default";r=(\d+);t=[1-4]$/.exec(headers.get("ratelimit") ?? "")?.[1]));
        id = body.execution_id;
      }
      expect(left).toEqual([3, 2, 1, 0]);
      const refused = await coordinator.run({ pipeline: "p" });
      expect(refused.status).toBe(429);
      expect(refused.body).toMatchObject({ code: "RATE_LIMITED", status: 429 });
      expect(refused.headers.get("content-type")).toBe("application/problem+json");
      expect(refused.headers.get("ratelimit")).toMatch(/^"default";r=0;t=[1-4]$/);
      const retry = Number(refused.headers.get("retry-after"));
      expect(retry).toBeGreaterThanOrEqual(1);
      expect(retry).toBeLessThanOrEqual(WINDOW_SECONDS + 1);
      const stage = await coordinator.fetch("/v1/stages/execute", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ stage: { name: "s", agent_type: "one" }, query: "q" }),
      });
      expect(stage.status).toBe(429);

      // What a call does counts: a cursor that is none starts work, as if it were not there.
      const keyed_run = { pipeline: "p", execution_id: id };
      for (const cursor of ["", " ", "x", "-1"]) {
        expect((await coordinator.run({ pipeline: "p" }, { "last-event-id": cursor })).status, cursor).toBe(
          429,
        );
      }
      // And so does one who repeats a start, who may have been the first.
      expect((await coordinator.run(keyed_run)).status).toBe(429);

      // Whoever only reads or follows is neither counted nor refused.
      for (const path of [
        "/v1/executions",
        `/v1/executions/${id}`,
        `/v1/executions/${id}/events`,
        "/v1/agents",
      ]) {
        const response = await coordinator.fetch(path);
        expect(response.status, path).toBe(200);
        expect(response.headers.get("ratelimit"), path).toBeNull();
        await response.body?.cancel();
      }
      const again = await coordinator.fetch(`/v1/executions/${id}/events`, {
        headers: { "last-event-id": "2" },
      });
      expect(again.status).toBe(200);
      await again.body?.cancel();
      for (let made = 0; made < 6; made += 1) {
        const attached = await coordinator.run(keyed_run, { "last-event-id": "99" });
        expect(attached.status).not.toBe(429);
        expect(attached.headers.get("ratelimit")).toBeNull();
      }
      const unnamed = await coordinator.run({ pipeline: "p" }, { "last-event-id": "99" });
      expect(unnamed.status).toBe(400);

      await new Promise((resolve) => {
        setTimeout(resolve, retry * 1_000);
      });
      expect((await coordinator.run({ pipeline: "p" })).status).toBe(200);
    },
  );

  test("each tenant has a count of its own", patient, async () => {
    await freshWindow();
    const post = (tenant: string) =>
      keyed.fetch("/v1/executions", {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer key-of-${tenant}` },
        body: JSON.stringify({ query: "q", conversation_id: "c", pipeline: "nobody" }),
      });
    const bearer = (tenant: string) => post(tenant).then((response) => response.status);
    expect(await bearer("nobody")).toBe(401);
    for (let made = 0; made < 4; made += 1) expect(await bearer("acme")).toBe(404);
    expect(await bearer("acme")).toBe(429);
    expect(await bearer("other")).toBe(404);
  });
});

test("a limit that is none stops the first request and names the variable", async () => {
  for (const value of ["60", "0/60", "a/b", "60/0"]) {
    const coordinator = await startCoordinator([], { AGENT_COORDINATOR_RATE_LIMIT: value });
    const response = await coordinator.fetch("/healthz");
    expect(response.status).toBe(500);
    expect(await response.text()).toContain("AGENT_COORDINATOR_RATE_LIMIT");
    await coordinator.close();
  }
});

test("without the variable nothing is counted", async () => {
  const coordinator = await startCoordinator();
  const { headers } = await coordinator.run({ pipeline: "nobody" });
  expect(headers.get("ratelimit")).toBeNull();
  await coordinator.close();
});
