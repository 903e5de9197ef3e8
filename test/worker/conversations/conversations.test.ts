// Conversations in real workerd: their turns in pages, and their deletion.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, hangs, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_CACHING: "true" });
  agents.on("/one", (call, response) => answers({ answer: `to ${call.body.query}` })(call, response, 0));
  agents.on("/hangs", hangs);
  await coordinator.alone("one", agents.url("/one"));
  await coordinator.alone("hangs", agents.url("/hangs"));
});

afterAll(() => closeAll(coordinator, agents));

const ask = async (conversation_id: string, query: string, pipeline = "one") =>
  (await coordinator.run({ pipeline, conversation_id, query })).body;
const turns = (conversation_id: string, query = "") =>
  coordinator.api("GET", `/v1/conversations/${encodeURIComponent(conversation_id)}${query}`);
const forget = (conversation_id: string, query = "") =>
  coordinator.api("DELETE", `/v1/conversations/${encodeURIComponent(conversation_id)}${query}`);
const list = async (conversation_id: string) =>
  (await coordinator.api("GET", `/v1/executions?conversation_id=${conversation_id}`)).body.data;

test("a conversation is listed oldest first, in pages", async () => {
  for (const query of ["q1", "q2", "q3"]) await ask("a/b?c", query);
  const { body } = await turns("a/b?c");
  expect(body).toMatchObject({ has_more: false, next_cursor: null });
  expect(
    body.data.map(({ query, answer, partial }: Record<string, unknown>) => [query, answer, partial]),
  ).toEqual(["q1", "q2", "q3"].map((query) => [query, { answer: `to ${query}` }, false]));
  const first = (await turns("a/b?c", "?limit=2")).body;
  expect(first).toMatchObject({ data: [{ query: "q1" }, { query: "q2" }], has_more: true });
  const rest = (await turns("a/b?c", `?limit=2&cursor=${first.next_cursor}`)).body;
  expect(rest).toMatchObject({ data: [{ query: "q3" }], has_more: false });
  expect((await turns("a/b?c", "?cursor=x")).status).toBe(400);
  expect((await turns("unknown")).body).toEqual({ data: [], has_more: false, next_cursor: null });
  expect((await turns("x".repeat(129))).status).toBe(400);
});

test("deletion forgets executions, turns and cached results, and nothing of others; the metrics stay", async () => {
  const mine = await ask("d1", "shared question");
  await ask("d1", "another");
  const other = await ask("d2", "elsewhere");
  const completed = async () =>
    (await coordinator.api("GET", "/v1/metrics?pipeline=one")).body.execution_metrics.successful_executions;
  const before = await completed();
  expect((await forget("d1")).status).toBe(204);
  expect((await forget("d1")).status).toBe(204);
  expect((await coordinator.api("GET", `/v1/executions/${mine.execution_id}`)).status).toBe(404);
  expect(await list("d1")).toEqual([]);
  expect((await turns("d1")).body.data).toEqual([]);
  expect((await coordinator.api("GET", `/v1/executions/${other.execution_id}`)).status).toBe(200);
  expect(await completed()).toBe(before);
  agents.calls.length = 0;
  await ask("d3", "shared question");
  expect(agents.calls).toHaveLength(1);
});

test("a conversation in which one runs is busy, unless it is to be cancelled", async () => {
  await ask("d4", "done");
  const started = await coordinator.run(
    { pipeline: "hangs", conversation_id: "d4", query: "q" },
    { prefer: "respond-async" },
  );
  const refused = await forget("d4");
  expect([refused.status, refused.body.code, refused.body.running]).toEqual([
    409,
    "CONVERSATION_BUSY",
    [started.body.execution_id],
  ]);
  // Nothing of it is gone.
  expect((await turns("d4")).body.data).toHaveLength(1);
  expect((await forget("d4", "?cancel=true")).status).toBe(204);
  expect((await coordinator.api("GET", `/v1/executions/${started.body.execution_id}`)).status).toBe(404);
  expect(await list("d4")).toEqual([]);
});

test("a deletion that was interrupted is completed by the next one", async () => {
  const ids: string[] = [];
  for (let at = 0; at < 5; at += 1) ids.push((await ask("d5", `q${at}`)).execution_id);
  // The object is empty, and its entry is still there: what a failure between the two leaves.
  await coordinator.api("DELETE", `/v1/executions/${ids[0]}`);
  await coordinator.abort(ids[1] ?? "");
  expect((await forget("d5")).status).toBe(204);
  expect(await list("d5")).toEqual([]);
  for (const id of ids) expect((await coordinator.api("GET", `/v1/executions/${id}`)).status).toBe(404);
});
