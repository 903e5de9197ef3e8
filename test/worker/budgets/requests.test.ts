// What a request may say of budget, priority and tags, what is refused, and that a repetition must say the same.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { spendingAt, uses } from "./spending.ts";

let agents: AgentServer;
let coordinator: Coordinator;
const { row, calls, resume } = spendingAt(() => ({ agents, coordinator }));

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  await row("once", uses({ input_tokens: 1 }), ["a"]);
});

afterAll(() => closeAll(coordinator, agents));

const BAD_BUDGETS: readonly (readonly [unknown, string])[] = [
  [{}, ""],
  [{ on_exceeded: "fail" }, ""],
  [{ cost_usd: 0 }, "/cost_usd"],
  [{ cost_usd: -1 }, "/cost_usd"],
  [{ cost_usd: "1" }, "/cost_usd"],
  [{ cost_usd: 1e10 }, "/cost_usd"],
  [{ tokens: 0 }, "/tokens"],
  [{ tokens: 1.5 }, "/tokens"],
  [{ tokens: null }, "/tokens"],
  [{ tokens: 1, on_exceeded: "stop" }, "/on_exceeded"],
  [{ tokens: 1, euros: 2 }, "/euros"],
  [5, ""],
];

describe("a budget that is none is refused, with its place", () => {
  test.each(BAD_BUDGETS)("%j", async (budget, place) => {
    const before = calls("once");
    const started = await coordinator.run({ pipeline: "once", budget });
    const resumed = await resume("any", { budget });
    for (const { status, body } of [started, resumed]) {
      expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
      expect(body.errors[0].pointer).toBe(`/budget${place}`);
    }
    expect(calls("once")).toBe(before);
  });
});

const many = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`tag${at}`, ""]));

describe("so are a priority and tags", () => {
  test.each([
    [{ priority: 11 }, "/priority"],
    [{ priority: -11 }, "/priority"],
    [{ priority: 1.5 }, "/priority"],
    [{ priority: "1" }, "/priority"],
    [{ tags: many }, "/tags"],
    [{ tags: { User: "u" } }, "/tags/User"],
    [{ tags: { user: "u".repeat(129) } }, "/tags/user"],
    [{ tags: { user: 1 } }, "/tags/user"],
    [{ tags: ["user"] }, "/tags"],
  ])("%j", async (fields, pointer) => {
    const { status, body } = await coordinator.run({ pipeline: "once", ...fields });
    expect([status, body.errors[0].pointer]).toEqual([400, pointer]);
  });
});

test("an execution shows them, and none that says nothing", async () => {
  const tags = { user: "u1", team: "" };
  const { body } = await coordinator.run({ pipeline: "once", priority: -10, tags, budget: { tokens: 3 } });
  expect(body).toMatchObject({ priority: -10, tags, budget: { tokens: 3, on_exceeded: "pause" } });
  const plain = (await coordinator.run({ pipeline: "once", priority: 0, tags: {} })).body;
  for (const name of ["priority", "budget"]) expect(plain).not.toHaveProperty(name);
  expect(plain.tags).toEqual({});
});

test("a repetition has the same ones, or is another request", async () => {
  const headers = { "idempotency-key": "the same" };
  const asked = { pipeline: "once", priority: 1, tags: { user: "u1" }, budget: { tokens: 3 } };
  const first = await coordinator.run(asked, headers);
  expect((await coordinator.run(asked, headers)).body.execution_id).toBe(first.body.execution_id);
  for (const other of [{ priority: 2 }, { tags: { user: "u2" } }, { budget: { tokens: 4 } }]) {
    const { status, body } = await coordinator.run({ ...asked, ...other }, headers);
    expect([status, body.code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
  }
});

test("a resume has no body, an empty one, or a budget", async () => {
  for (const [body, status] of [
    [undefined, 404],
    [{}, 404],
    [{ budget: { tokens: 1 } }, 404],
    [{ mode: "drain" }, 400],
    [[], 400],
  ] as const)
    expect((await resume("absent", body as object)).status).toBe(status);
});

describe("prices that are none are refused", () => {
  const price = { input_per_million: 1, output_per_million: 1 };
  const tooMany = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`m${at}`, price]));
  test.each([
    [{ m: { ...price, input_per_million: -1 } }, "/prices/m/input_per_million"],
    [{ m: { ...price, output_per_million: "1" } }, "/prices/m/output_per_million"],
    [{ m: { ...price, output_per_million: 1e7 } }, "/prices/m/output_per_million"],
    [{ m: { input_per_million: 1 } }, "/prices/m/output_per_million"],
    [{ m: { ...price, as_of: "yesterday" } }, "/prices/m/as_of"],
    [{ m: { ...price, as_of: "2026-02-30" } }, "/prices/m/as_of"],
    [{ m: { ...price, currency: "EUR" } }, "/prices/m/currency"],
    [{ m: 1 }, "/prices/m"],
    [{ "": price }, "/prices/"],
    [[], "/prices"],
    [tooMany, "/prices"],
  ])("%j", async (prices, pointer) => {
    const { status, body } = await coordinator.api("PATCH", "/v1/config", { prices });
    expect([status, body.errors[0].pointer]).toEqual([400, pointer]);
    expect((await coordinator.api("GET", "/v1/config")).body.prices).toEqual({});
  });
});
