// What an agent's registration may say of its limits, and how it is shown.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let coordinator: Coordinator;

beforeAll(async () => {
  coordinator = await startCoordinator([{ host: "localhost:9" }]);
});

afterAll(() => closeAll(coordinator));

const URL = "http://localhost:9/";
const put = (limits: unknown) => coordinator.api("PUT", "/v1/agents/model", { url: URL, limits });
const rate = (calls: unknown, per_seconds: unknown = 1) => ({ rate: { calls, per_seconds } });

describe("limits of an agent", () => {
  test.each([
    [{}, "/limits"],
    [null, "/limits"],
    [[], "/limits"],
    ["2", "/limits"],
    [{ concurrency: 0 }, "/limits/concurrency"],
    [{ concurrency: -1 }, "/limits/concurrency"],
    [{ concurrency: 1.5 }, "/limits/concurrency"],
    [{ concurrency: LIMITS.AGENT_CONCURRENCY + 1 }, "/limits/concurrency"],
    [{ concurrency: "2" }, "/limits/concurrency"],
    [{ concurrency: null }, "/limits/concurrency"],
    [rate(0), "/limits/rate/calls"],
    [rate(-5), "/limits/rate/calls"],
    [rate(0.5), "/limits/rate/calls"],
    [rate(LIMITS.AGENT_RATE_CALLS + 1), "/limits/rate/calls"],
    [rate(undefined), "/limits/rate/calls"],
    [rate(1, 0), "/limits/rate/per_seconds"],
    [rate(1, 0.1), "/limits/rate/per_seconds"],
    [rate(1, LIMITS.AGENT_RATE_SECONDS + 1), "/limits/rate/per_seconds"],
    [{ rate: { calls: 1 } }, "/limits/rate/per_seconds"],
    [{ rate: 5 }, "/limits/rate"],
    [{ rate: { calls: 1, per_seconds: 1, burst: 2 } }, "/limits/rate/burst"],
    [{ concurrency: 2, most: 3 }, "/limits/most"],
  ])("%j is refused at %s", async (limits, pointer) => {
    const { status, body } = await put(limits);
    expect({
      status,
      code: body.code,
      pointers: body.errors.map((error: { pointer: string }) => error.pointer),
    }).toEqual({ status: 400, code: "INVALID_REQUEST", pointers: [pointer] });
  });

  test.each([
    { concurrency: 1 },
    { concurrency: LIMITS.AGENT_CONCURRENCY },
    rate(LIMITS.AGENT_RATE_CALLS, LIMITS.AGENT_RATE_SECONDS),
    { concurrency: 2, ...rate(1) },
  ])("%j are kept and shown, in the list too", async (limits) => {
    expect([200, 201]).toContain((await put(limits)).status);
    const one = await coordinator.api("GET", "/v1/agents/model");
    expect(one.body).toMatchObject({ limits, load: { in_use: 0, queued: 0 } });
    const { body } = await coordinator.api("GET", "/v1/agents");
    const listed = body.data.find(({ agent_type }: { agent_type: string }) => agent_type === "model");
    expect(listed.limits).toEqual(limits);
  });

  test("may be left out, and are gone then", async () => {
    await put({ concurrency: 1 });
    await coordinator.agent("model", URL);
    const { body } = await coordinator.api("GET", "/v1/agents/model");
    expect(body).not.toHaveProperty("limits");
    expect(body).not.toHaveProperty("load");
  });
});
