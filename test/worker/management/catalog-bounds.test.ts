// How much a tenant may define, in real workerd: what is beyond is refused, says by how much, and changes nothing. And
// a catalog that fails: what was read last goes on being run, and writes are refused.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents], KEYED);
});

afterAll(() => closeAll(coordinator, agents));

/** The two tenants' catalogs are filled apart. */
const as =
  (key: keyof typeof KEYS) =>
  (method: string, path: string, body?: unknown): Promise<Answer> =>
    callWith(coordinator, KEYS[key], method, path, body);
const acme = as("acme");
const globex = as("globex");
const stage = (config: unknown = {}) => ({ name: "only", agent_type: "one", config });

function expectRefused({ status, body }: Answer, ...numbers: number[]): void {
  expect({ status, code: body.code }).toEqual({ status: 413, code: "RESOURCE_EXHAUSTED" });
  for (const number of numbers) expect(body.detail).toContain(String(number));
}

describe("the config", () => {
  const strategies = (from: number, count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [
        `stage${from + at}`,
        { strategy: "use_default", data: { text: "x".repeat(1_000) } },
      ]),
    );
  const patch = (fallback_strategies: unknown) => acme("PATCH", "/v1/config", { fallback_strategies });

  test("keeps 64 KiB of changes, and takes back what makes room", async () => {
    expect((await patch(strategies(0, 60))).status).toBe(200);
    const before = (await acme("GET", "/v1/config")).body;
    const refused = await patch(strategies(60, 10));
    expectRefused(refused, LIMITS.CONFIG_BYTES);
    const size = Number(/would make it (\d+)/.exec(refused.body.detail)?.[1]);
    expect(size).toBeGreaterThan(LIMITS.CONFIG_BYTES);
    expect((await acme("GET", "/v1/config")).body).toEqual(before);
    const room = Object.fromEntries(Object.keys(strategies(0, 20)).map((name) => [name, null]));
    expect((await patch({ ...room, ...strategies(60, 10) })).status).toBe(200);
    expect((await patch(null)).status).toBe(200);
  });
});

describe("the catalog", () => {
  test("keeps a thousand pipelines, and room for what takes the place of one", async () => {
    // With `rag`, which is there from the start.
    const most = LIMITS.PIPELINES - 1;
    for (let from = 0; from < most; from += 25) {
      const names = Array.from({ length: Math.min(25, most - from) }, (_, at) => `p${from + at}`);
      const puts = names.map((name) => acme("PUT", `/v1/pipelines/${name}`, { stages: [stage()] }));
      expect(new Set((await Promise.all(puts)).map(({ status }) => status))).toEqual(new Set([201]));
    }
    const refused = await acme("PUT", "/v1/pipelines/more", { stages: [stage()] });
    expectRefused(refused, LIMITS.PIPELINES, LIMITS.PIPELINES + 1);
    expect((await acme("GET", "/v1/pipelines/more")).status).toBe(404);
    expect((await acme("PUT", "/v1/pipelines/p1", { stages: [stage({ new: true })] })).status).toBe(200);
    expect((await acme("DELETE", "/v1/pipelines/p1")).status).toBe(204);
    expect((await acme("PUT", "/v1/pipelines/more", { stages: [stage()] })).status).toBe(201);
  }, 180_000);

  test("agents that were removed take no room", async () => {
    for (let at = 0; at < 5; at += 1) {
      await globex("PUT", `/v1/agents/gone${at}`, { binding: "AGENTS" });
      expect((await globex("DELETE", `/v1/agents/gone${at}`)).status).toBe(204);
    }
    expect((await globex("GET", "/v1/agents")).body.data).toEqual([]);
    expect((await globex("DELETE", "/v1/agents/gone1")).status).toBe(404);
  });

  test("stays small enough to travel with any characters, and every read goes on", async () => {
    await globex("PUT", "/v1/agents/one", { url: agents.url("/one") });
    // One character beyond Latin-1 makes each character of the whole text take two.
    const large = (length: number) => ({ stages: [stage({ text: `\u20ac${"x".repeat(length)}` })] });
    const fill = async (put: (at: number) => Promise<Answer>): Promise<Answer> => {
      for (let at = 0; ; at += 1) {
        const answer = await put(at);
        if (answer.status !== 201) return answer;
      }
    };
    for (const length of [250_000, 40_000, 6_000]) {
      const refused = await fill((at) => globex("PUT", `/v1/pipelines/l${length}-${at}`, large(length)));
      expectRefused(refused, LIMITS.CATALOG_BYTES);
    }
    const url = `${agents.url("/one")}?${"x".repeat(2_000)}`;
    expectRefused(await fill((at) => globex("PUT", `/v1/agents/a${at}`, { url })), LIMITS.CATALOG_BYTES);
    const before = (await globex("GET", "/v1/pipelines")).body.data.length;
    const second = { ...stage({ text: "y".repeat(6_000) }), name: "second" };
    expectRefused(await globex("POST", "/v1/pipelines/l6000-0/stages", second), LIMITS.CATALOG_BYTES);
    expect((await globex("GET", "/v1/pipelines")).body.data.length).toBe(before);
    const run = { query: "q", conversation_id: "c", pipeline: "l6000-0" };
    expect((await globex("POST", "/v1/executions", run)).body.status).toBe("completed");
    expect((await globex("DELETE", "/v1/pipelines/l250000-0")).status).toBe(204);
    expect((await globex("PUT", "/v1/pipelines/more", large(250_000))).status).toBe(201);
  });
});

test("a pipeline of too many tries is neither written nor run, and the error names their number", async () => {
  const alone = await startCoordinator([agents]);
  try {
    const stages = Array.from({ length: 60 }, (_, at) => ({ name: `s${at}`, agent_type: "one" }));
    expect((await alone.api("PUT", "/v1/pipelines/tries", { stages })).status).toBe(201);
    await alone.configure({ max_retry_attempts: 9 });
    const refusals = [
      await alone.api("POST", "/v1/executions", { query: "q", conversation_id: "c", pipeline: "tries" }),
      await alone.api("PUT", "/v1/pipelines/new", { stages }),
      await alone.api("PUT", "/v1/pipelines/tries", { stages }),
    ];
    for (const { status, body } of refusals) {
      expect({ status, code: body.code }).toEqual({ status: 422, code: "INVALID_PIPELINE_CONFIG" });
      expect(body.detail).toContain("add up to 540");
    }
    const verdict = await alone.api("POST", "/v1/pipelines/validate", { stages });
    expect(verdict.body).toMatchObject({ valid: false, errors: [{ code: "INVALID_PIPELINE_CONFIG" }] });
    expect((await alone.api("GET", "/v1/pipelines/tries")).body.version).toBe(1);
  } finally {
    await alone.close();
  }
});

test("where the catalog fails, what was read last is run, writes are refused, and that is logged once", async () => {
  const alone = await startCoordinator([agents]);
  try {
    await alone.alone("one", agents.url("/one"));
    expect((await alone.api("PUT", "/v1/agents/breaks-the-catalog", { binding: "AGENTS" })).status).toBe(201);
    expect((await alone.api("PUT", "/v1/pipelines/new", { stages: [stage()] })).status).toBe(500);
    expect((await alone.api("PATCH", "/v1/config", { max_retry_attempts: 9 })).status).toBe(500);
    for (let made = 0; made < 3; made += 1) {
      expect((await alone.api("GET", "/v1/pipelines/one")).status).toBe(200);
      expect((await alone.run({ pipeline: "one" })).body.status).toBe("completed");
    }
    const lines = () => alone.output().split("the catalog is unavailable").length - 1;
    await expect.poll(lines, { timeout: 5_000 }).toBe(1);
    // It answers again after four seconds.
    const put = async () => (await alone.api("PUT", "/v1/pipelines/new", { stages: [stage()] })).status;
    await expect.poll(put, { timeout: 10_000, interval: 500 }).toBe(201);
    expect((await alone.api("GET", "/v1/config")).body.max_retry_attempts).toBe(3);
    expect(lines()).toBe(1);
    await expect.poll(() => alone.output(), { timeout: 5_000 }).toContain("the catalog is available again");
  } finally {
    await alone.close();
  }
});

test("where the catalog hangs, one run waits for it for a while, and the next ones do not", async () => {
  const alone = await startCoordinator([agents]);
  const stale = () =>
    new Promise((resolve) => {
      setTimeout(resolve, 2_000);
    });
  const timed = async () => {
    const began = performance.now();
    expect((await alone.run({ pipeline: "one" })).body.status).toBe("completed");
    return performance.now() - began;
  };
  try {
    await alone.alone("one", agents.url("/one"));
    await timed();
    const usual = await timed();
    expect((await alone.api("PUT", "/v1/agents/hangs-the-catalog", { binding: "AGENTS" })).status).toBe(201);
    const took: number[] = [];
    for (let made = 0; made < 4; made += 1) {
      await stale();
      took.push(await timed());
    }
    console.log(
      `a catalog that hangs: usually ${usual.toFixed(0)} ms, then ${took.map(Math.round).join(", ")}`,
    );
    const [first = 0, ...later] = took;
    // For the definitions, and then for the health of their agents.
    expect(first).toBeGreaterThan(2_900);
    expect(first).toBeLessThan(usual + 3_250 + 500);
    for (const ms of later) expect(ms).toBeLessThan(usual + 500);
    const isBack = async () => {
      await alone.run({ pipeline: "one" });
      return alone.output().includes("the catalog is available again");
    };
    await expect.poll(isBack, { timeout: 30_000, interval: 1_000 }).toBe(true);
    expect(alone.output().split("the catalog is unavailable").length - 1).toBe(1);
  } finally {
    await alone.close();
  }
});
