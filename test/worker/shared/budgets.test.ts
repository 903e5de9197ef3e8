// The config's budgets on real workerd: past one of them new runs are refused and running ones pause, each user has its own
// where it is a tag's, and it is there again once its period is over.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  type Behaviour,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let windows = 3_600;

const costs = (cost_usd: number): Behaviour => answers({ answer: "yes" }, { usage: { cost_usd } });

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/dear", costs(0.6));
  agents.on("/free", answers({ answer: "no" }));
  agents.on("/slow", after(300, costs(0.6)));
  coordinator = await startCoordinator([agents]);
  await coordinator.alone("dear", agents.url("/dear"));
  await coordinator.alone("free", agents.url("/free"));
  await coordinator.agent("slow", agents.url("/slow"));
  await coordinator.pipeline("steps", [
    { name: "a", agent_type: "dear" },
    { name: "b", agent_type: "dear", depends_on: ["a"] },
    { name: "c", agent_type: "dear", depends_on: ["b"] },
  ]);
  await coordinator.pipeline("outer", [{ name: "sub", pipeline: "steps" }]);
});

afterAll(() => closeAll(coordinator, agents));

/** One budget, of an account that no test has used. */
async function budget(scope: string, cost_usd = 1, window_seconds = (windows += 1)): Promise<number> {
  await coordinator.configure({ budgets: [{ scope, cost_usd, window_seconds }] });
  return window_seconds;
}

const status = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

async function resume(id: string): Promise<Answer> {
  return coordinator.api("POST", `/v1/executions/${id}/resume`);
}

async function eventsOf(id: string, type: string) {
  const { body } = await coordinator.api("GET", `/v1/executions/${id}/trace`);
  return body.events.filter(({ event_type }: { event_type: string }) => event_type === type);
}

describe("past the tenant's budget", () => {
  test("every way to start a run is refused, in its protocol's form, with when to come again", async () => {
    const window_seconds = await budget("tenant");
    const first = await coordinator.run({ pipeline: "dear" });
    expect(first.status).toBe(200);
    expect((await coordinator.run({ pipeline: "dear" })).status).toBe(200);
    const refused = await coordinator.run({ pipeline: "free" });
    expect([refused.status, refused.body.code]).toEqual([429, "BUDGET_EXCEEDED"]);
    expect(refused.body.detail).toContain("the budget of tenant is spent: 1.2000 of 1 USD");
    const retry = Number(refused.headers.get("retry-after"));
    expect(retry).toBeGreaterThan(window_seconds - 30);
    expect(retry).toBeLessThanOrEqual(window_seconds * (61 / 60) + 1);
    const others: [string, object, unknown][] = [
      ["/v1/stages/execute", { stage: { name: "s", agent_type: "free" }, query: "q" }, "BUDGET_EXCEEDED"],
      [`/v1/executions/${first.body.execution_id}/fork`, { from: "only" }, "BUDGET_EXCEEDED"],
      [
        "/v1/chat/completions",
        { model: "free", messages: [{ role: "user", content: "q" }] },
        "insufficient_quota",
      ],
      [
        "/mcp",
        {
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "free", arguments: { query: "q" } },
        },
        "BUDGET_EXCEEDED",
      ],
    ];
    for (const [path, body, code] of others) {
      const { status: answered, headers, body: said } = await coordinator.api("POST", path, body);
      expect([path, answered]).toEqual([path, 429]);
      expect(said.error?.data?.code ?? said.error?.code ?? said.code).toBe(code);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(3_000);
    }
    expect(agents.callsOf("/free")).toEqual([]);
    const { body } = await coordinator.api("GET", "/v1/budgets");
    expect(body.data).toEqual([
      {
        scope: "tenant",
        cost_usd: 1,
        window_seconds,
        spent_usd: 1.2,
        lent_usd: 0,
        resets_at: expect.any(String),
      },
    ]);
  });

  test("a running run pauses before its next call, and a resume tries again", async () => {
    const window_seconds = await budget("tenant");
    const { body } = await coordinator.run({ pipeline: "steps" }, { prefer: "wait=20" });
    expect(body.status).toBe("paused");
    const [paused] = await eventsOf(body.execution_id, "execution.paused");
    expect(paused.data).toEqual({
      mode: "drain",
      reason: "budget",
      scope: "tenant",
      spent: { cost_usd: 1.2, tokens: 0 },
      limit: { cost_usd: 1 },
      by_stage: { a: { cost_usd: 0.6, tokens: 0 }, b: { cost_usd: 0.6, tokens: 0 } },
    });
    expect(body.stage_results.c).toMatchObject({ status: "pending", attempts: 0 });
    // What is read from its log has been counted.
    await coordinator.abort(body.execution_id);
    expect((await resume(body.execution_id)).status).toBe(200);
    // Its budget is as it was when it began.
    await budget("tenant", 5, window_seconds);
    const again = await eventually(
      () => eventsOf(body.execution_id, "execution.paused"),
      (events) => events.length === 2,
    );
    expect(again[1].data).toMatchObject({ scope: "tenant" });
    expect((await status(body.execution_id)).status).toBe("paused");
    const { body: budgets } = await coordinator.api("GET", "/v1/budgets");
    expect(budgets.data[0].spent_usd).toBeCloseTo(1.2);
  });

  test("so does one whose calls an inner execution makes, and both go on with a resume", async () => {
    await budget("tenant", 1, 2);
    const { body } = await coordinator.run({ pipeline: "outer" }, { prefer: "respond-async" });
    const id = body.execution_id;
    const paused = await eventually(
      () => status(id),
      (execution) => execution.status === "paused",
    );
    expect((await eventsOf(id, "execution.paused"))[0].data).toMatchObject({ scope: "tenant", by_stage: {} });
    expect(paused.usage).toEqual({});
    await eventually(
      () => coordinator.api("GET", "/v1/budgets"),
      ({ body: { data } }) => data[0].spent_usd === 0,
    );
    expect((await resume(id)).status).toBe(200);
    const ended = await eventually(
      () => status(id),
      (execution) => execution.status === "completed",
    );
    expect(ended.usage.cost_usd).toBeCloseTo(1.8);
    // Each cost was counted once.
    const { body: after_ } = await coordinator.api("GET", "/v1/budgets");
    expect(after_.data[0].spent_usd).toBeLessThan(0.7);
  });
});

test("calls in flight finish, and what they cost counts", async () => {
  await budget("tenant");
  await coordinator.pipeline("beside", [
    ...["a", "b", "c"].map((name) => ({ name, agent_type: "slow", parallel: true })),
    { name: "last", agent_type: "dear", depends_on: ["a", "b", "c"] },
  ]);
  const { body } = await coordinator.run({ pipeline: "beside" }, { prefer: "wait=20" });
  expect(body.status).toBe("paused");
  expect(["a", "b", "c"].map((name) => body.stage_results[name].status)).toEqual(Array(3).fill("completed"));
  const { body: budgets } = await coordinator.api("GET", "/v1/budgets");
  expect(budgets.data[0].spent_usd).toBeCloseTo(1.8);
});

test("each value of a tag has a budget of its own, and runs without the tag are in none", async () => {
  await budget("tag:user");
  const by = (user?: string) =>
    coordinator.run({ pipeline: "dear", ...(user === undefined ? {} : { tags: { user } }) });
  for (let run = 0; run < 2; run += 1) expect((await by("u1")).status).toBe(200);
  const refused = await by("u1");
  expect([refused.status, refused.body.code]).toEqual([429, "BUDGET_EXCEEDED"]);
  expect(refused.body.detail).toContain("tag:user");
  expect((await by("u2")).status).toBe(200);
  for (let run = 0; run < 3; run += 1) expect((await by()).status).toBe(200);
});

test("a pipeline's budget concerns its runs alone, those of its inner executions included", async () => {
  const window_seconds = await budget("pipeline:outer", 1.8);
  await coordinator.run({ pipeline: "dear" });
  const { body } = await coordinator.run({ pipeline: "outer" }, { prefer: "wait=20" });
  expect(body.status).toBe("completed");
  expect((await coordinator.run({ pipeline: "outer" })).body.code).toBe("BUDGET_EXCEEDED");
  expect((await coordinator.run({ pipeline: "dear" })).status).toBe(200);
  expect((await coordinator.run({ pipeline: "steps" })).status).toBe(200);
  const { body: budgets } = await coordinator.api("GET", "/v1/budgets");
  expect(budgets.data).toMatchObject([{ scope: "pipeline:outer", window_seconds }]);
  expect(budgets.data[0].spent_usd).toBeCloseTo(1.8);
});

test("once its period is over there is a budget again", async () => {
  await budget("tenant", 1, 1);
  for (let run = 0; run < 2; run += 1) await coordinator.run({ pipeline: "dear" });
  const refused = await coordinator.run({ pipeline: "free" });
  expect([refused.status, Number(refused.headers.get("retry-after")) <= 2]).toEqual([429, true]);
  const again = await eventually(
    () => coordinator.run({ pipeline: "free" }),
    (answer) => answer.status === 200,
  );
  expect(again.body.status).toBe("completed");
});

test("a repetition of a run that is there attaches to it", async () => {
  await budget("tenant");
  const request = { pipeline: "dear", execution_id: "ex_named_budget" };
  await coordinator.run(request);
  await coordinator.run({ pipeline: "dear" });
  expect((await coordinator.run({ pipeline: "dear" })).status).toBe(429);
  const { status: again, body } = await coordinator.run(request);
  expect([again, body.status, body.usage]).toEqual([200, "completed", { cost_usd: 0.6 }]);
});

test("what cannot be a budget is refused, with its place", async () => {
  const fine = { scope: "tenant", cost_usd: 1, window_seconds: 60 };
  const bad: [unknown, string][] = [
    [{ ...fine, scope: "everything" }, "/budgets/0/scope"],
    [{ ...fine, scope: "pipeline:" }, "/budgets/0/scope"],
    [{ ...fine, scope: "pipeline:.." }, "/budgets/0/scope"],
    [{ ...fine, scope: "tag:User" }, "/budgets/0/scope"],
    [{ ...fine, cost_usd: 0 }, "/budgets/0/cost_usd"],
    [{ ...fine, cost_usd: -1 }, "/budgets/0/cost_usd"],
    [{ ...fine, window_seconds: 0 }, "/budgets/0/window_seconds"],
    [{ ...fine, window_seconds: 1.5 }, "/budgets/0/window_seconds"],
    [{ ...fine, window_seconds: 1e9 }, "/budgets/0/window_seconds"],
    [{ scope: "tenant", window_seconds: 60 }, "/budgets/0/cost_usd"],
    [{ ...fine, more: 1 }, "/budgets/0/more"],
  ];
  for (const [one, pointer] of bad) {
    const { status: answered, body } = await coordinator.api("PATCH", "/v1/config", { budgets: [one] });
    expect([JSON.stringify(one), answered, body.errors[0].pointer]).toEqual([
      JSON.stringify(one),
      400,
      pointer,
    ]);
  }
  const many = Array.from({ length: 51 }, () => fine);
  const { status: answered, body } = await coordinator.api("PATCH", "/v1/config", { budgets: many });
  expect([answered, body.errors[0].pointer]).toEqual([400, "/budgets"]);
});
