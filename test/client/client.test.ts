// What the calls send that bound, rank and label runs.
import { expect, test } from "vitest";
import { CoordinatorClient, pipeline } from "../../src/client/index.ts";

function sending() {
  const sent: unknown[] = [];
  const client = new CoordinatorClient({
    baseUrl: "https://coordinator.test",
    fetch: async (input, init) => {
      const { pathname } = new URL(input);
      const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : null;
      sent.push([init.method ?? "GET", pathname, body]);
      return Response.json({ execution_id: "ex1", status: "completed" });
    },
  });
  return { client, sent };
}

test("a run is sent with its budget, priority and tags", async () => {
  const { client, sent } = sending();
  const request = {
    query: "q",
    conversation_id: "c",
    budget: { cost_usd: 0.5, on_exceeded: "fail" as const },
    priority: -3,
    tags: { user: "u1" },
  };
  await client.startExecution(request);
  expect(sent).toEqual([["POST", "/v1/executions", request]]);
});

test("a resume raises the budget, or has no body", async () => {
  const { client, sent } = sending();
  await client.resumeExecution("ex1");
  await client.resumeExecution("ex1", { budget: { tokens: 5 } });
  const path = "/v1/executions/ex1/resume";
  expect(sent).toEqual([
    ["POST", path, null],
    ["POST", path, { budget: { tokens: 5 } }],
  ]);
});

test("a definition is written with its budget, typed or not", async () => {
  const { client, sent } = sending();
  const stages = [{ name: "a", agent_type: "a" }];
  const budget = { tokens: 100 };
  await client.configurePipeline("p", stages, { budget });
  await client.configurePipeline("p", stages);
  const typed = pipeline("p", { description: "d", budget }).stage("a", { agent: "a" });
  expect(typed.definition()).toEqual({ description: "d", budget, stages });
  expect(sent).toEqual([
    ["PUT", "/v1/pipelines/p", { budget, stages }],
    ["PUT", "/v1/pipelines/p", { stages }],
  ]);
});
