// Forks in real workerd: what is run again, what is taken over, and whose turn the answer takes.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Answer, type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let count = 0;

const CHAIN = [
  { name: "rewrite", agent_type: "one" },
  { name: "search", agent_type: "two", depends_on: ["rewrite"] },
  { name: "answer_generation", agent_type: "three", depends_on: ["search"] },
];

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  for (const name of ["one", "two", "three"]) {
    agents.on(`/${name}`, (call, response) => {
      count += 1;
      void answers({ answer: `${name} to ${call.body.query}, ${count}` })(call, response, 0);
    });
    await coordinator.agent(name, agents.url(`/${name}`));
  }
  await coordinator.pipeline("chain", CHAIN);
});

beforeEach(() => {
  agents.calls.length = 0;
});

afterAll(() => closeAll(coordinator, agents));

const ask = async (conversation_id: string, query: string, more: object = {}) =>
  (await coordinator.run({ pipeline: "chain", conversation_id, query, ...more })).body;
const fork = (id: string, body: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  coordinator.api("POST", `/v1/executions/${id}/fork`, body, headers);
const called = () => agents.calls.map(({ path }) => path);
const turns = async (conversation_id: string) =>
  (await coordinator.api("GET", `/v1/conversations/${conversation_id}`)).body.data;

test("a fork with nothing changed calls nobody, and says what it is", async () => {
  const source = await ask("f1", "q");
  agents.calls.length = 0;
  const forked = await coordinator.fetch(`/v1/executions/${source.execution_id}/fork`, { method: "POST" });
  const body = (await forked.json()) as Answer["body"];
  expect(forked.status).toBe(200);
  expect(called()).toEqual([]);
  expect(body).toMatchObject({
    status: "completed",
    final_result: source.final_result,
    forked_from: { execution_id: source.execution_id },
    stage_results: {
      search: { attempts: 0, usage: null, reused_from: { execution_id: source.execution_id } },
    },
  });
  expect(forked.headers.get("location")).toBe(`/v1/executions/${body.execution_id}`);
  const events = (
    await coordinator.api("GET", `/v1/executions/${body.execution_id}/events`, undefined, {
      accept: "application/json",
    })
  ).body.data;
  expect(events.map(({ type }: { type: string }) => type)).toEqual([
    "execution.started",
    "stage.completed",
    "stage.completed",
    "stage.completed",
    "execution.completed",
  ]);
  expect(events[0].data.forked_from).toEqual(body.forked_from);
});

test("regenerate leaves one turn, and edit replaces it; the executions stay", async () => {
  await ask("f2", "before");
  const source = await ask("f2", "mine");
  await ask("f2", "after");
  agents.calls.length = 0;
  const again = await fork(source.execution_id, { from: "answer_generation", replace_turn: true });
  expect(called()).toEqual(["/three"]);
  // What was before it, and not what came since.
  expect(agents.calls[0]?.body.history).toMatchObject([{ query: "before" }]);
  expect(again.body.final_result).not.toEqual(source.final_result);
  expect(await turns("f2")).toMatchObject([
    { query: "before", replaced: [] },
    {
      query: "mine",
      answer: again.body.final_result,
      execution_id: again.body.execution_id,
      replaced: [source.execution_id],
    },
    { query: "after" },
  ]);
  agents.calls.length = 0;
  const edited = await fork(again.body.execution_id, { query: "yours", replace_turn: true });
  expect(called()).toEqual(["/one", "/two", "/three"]);
  const after = await turns("f2");
  expect(after).toMatchObject([{ query: "before" }, { query: "yours", partial: false }, { query: "after" }]);
  expect(after[1].replaced).toEqual([source.execution_id, again.body.execution_id]);
  expect(edited.body.forked_from.execution_id).toBe(again.body.execution_id);
  const old = await coordinator.api("GET", `/v1/executions/${source.execution_id}`);
  expect(old.body.final_result).toEqual(source.final_result);
  agents.calls.length = 0;
  await ask("f2", "next");
  expect(agents.calls[0]?.body.history.map(({ query }: { query: string }) => query)).toEqual([
    "before",
    "yours",
    "after",
  ]);
});

test("of two forks of one turn at once the one that ends later has it, and both say so", async () => {
  const source = await ask("f3", "q");
  const forks = await Promise.all(
    [1, 2].map(() => fork(source.execution_id, { from: "answer_generation", replace_turn: true })),
  );
  const ids = forks.map(({ body }) => body.execution_id as string);
  const listed = await turns("f3");
  expect(listed).toHaveLength(1);
  expect(ids).toContain(listed[0].execution_id);
  expect(new Set([listed[0].execution_id, ...listed[0].replaced])).toEqual(
    new Set([source.execution_id, ...ids]),
  );
  const ends = forks.map(({ body }) => body.end_time as string).toSorted();
  const winner = forks.find(({ body }) => body.execution_id === listed[0].execution_id);
  expect(winner?.body.end_time).toBe(ends.at(-1));
});

test("after an outage a fork goes on with what had not completed, by the registration of now", async () => {
  agents.on("/gone", failsWith(400));
  await coordinator.agent("broken", agents.url("/gone"));
  await coordinator.pipeline("outage", [
    CHAIN[0],
    { name: "search", agent_type: "broken", depends_on: ["rewrite"] },
  ]);
  const source = await ask("f4", "q", { pipeline: "outage" });
  expect(source.status).toBe("failed");
  await coordinator.agent("broken", agents.url("/two"));
  agents.calls.length = 0;
  const { body } = await fork(source.execution_id, { from: "failed" });
  expect(body.status).toBe("completed");
  expect(called()).toEqual(["/two"]);
  expect(agents.calls[0]?.headers["idempotency-key"]).toBe(`"${body.execution_id}.search"`);
});

test("a dry run says what would be run and why, and starts nothing", async () => {
  const source = await ask("f5", "q");
  agents.calls.length = 0;
  const plan = await fork(source.execution_id, {
    dry_run: true,
    pipeline_config: { search: { config: { k: 1 } } },
  });
  expect(plan.body).toEqual({
    reused: ["rewrite"],
    rerun: [
      { stage: "search", reason: "config.k" },
      { stage: "answer_generation", reason: "depends on search" },
    ],
  });
  expect(called()).toEqual([]);
  const list = await coordinator.api("GET", "/v1/executions?conversation_id=f5");
  expect(list.body.data).toHaveLength(1);
});

test("a version is the catalog's, without one the pinned definition", async () => {
  await coordinator.pipeline("versions", CHAIN.slice(0, 2));
  const source = await ask("f6", "q", { pipeline: "versions" });
  const second = await coordinator.pipeline("versions", [
    CHAIN[0],
    { name: "search", agent_type: "two", depends_on: ["rewrite"], config: { k: 2 } },
    CHAIN[2],
  ]);
  agents.calls.length = 0;
  expect((await fork(source.execution_id)).body.pipeline_version).toBe(source.pipeline_version);
  expect(called()).toEqual([]);
  const { body } = await fork(source.execution_id, { pipeline_version: second.version });
  expect(body.pipeline_version).toBe(second.version);
  expect(called()).toEqual(["/two", "/three"]);
  const missing = await fork(source.execution_id, { pipeline_version: second.version + 5 });
  expect(missing.status).toBe(404);
});

test("data that is given takes the place of a call", async () => {
  const source = await ask("f7", "q");
  agents.calls.length = 0;
  const { body } = await fork(source.execution_id, { set: { search: { answer: "mine" } } });
  expect(called()).toEqual(["/three"]);
  expect(agents.calls[0]?.body.inputs).toEqual({ search: { answer: "mine" } });
  expect(body.stage_results.search).toMatchObject({
    reused_from: null,
    attempts: 0,
    data: { answer: "mine" },
  });
  // A fork of that fork knows it as its own.
  agents.calls.length = 0;
  expect((await fork(body.execution_id)).body.final_result).toEqual(body.final_result);
  expect(called()).toEqual([]);
});

test("a run that goes on is taken as it is; one that is gone is not found", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  agents.on("/slow", async (call, response) => {
    await held;
    await answers({ answer: "late" })(call, response, 0);
  });
  await coordinator.agent("slow", agents.url("/slow"));
  await coordinator.pipeline("slow", [
    CHAIN[0],
    { name: "search", agent_type: "slow", depends_on: ["rewrite"] },
  ]);
  const started = await coordinator.run(
    { pipeline: "slow", conversation_id: "f8" },
    { prefer: "respond-async" },
  );
  const id = started.body.execution_id as string;
  await expect.poll(() => called()).toEqual(["/one", "/slow"]);
  const forked = await fork(id, {}, { prefer: "respond-async" });
  expect(forked.status).toBe(202);
  expect(forked.body.stage_results.rewrite.reused_from).toMatchObject({ execution_id: id });
  release();
  await expect
    .poll(
      async () => (await coordinator.api("GET", `/v1/executions/${forked.body.execution_id}`)).body.status,
    )
    .toBe("completed");
  expect(called().filter((path) => path === "/one")).toHaveLength(1);
  await expect.poll(async () => (await coordinator.api("DELETE", `/v1/executions/${id}`)).status).toBe(204);
  const gone = await fork(id);
  expect([gone.status, gone.body.code]).toEqual([404, "EXECUTION_NOT_FOUND"]);
});

test("the same request makes one fork, as a stream too; of another source it is another request", async () => {
  const source = await ask("f9", "q");
  const key = { "idempotency-key": "fork-once" };
  const first = await fork(source.execution_id, { from: "search" }, key);
  agents.calls.length = 0;
  const stream = await coordinator.fetch(`/v1/executions/${source.execution_id}/fork`, {
    method: "POST",
    body: JSON.stringify({ from: "search" }),
    headers: { "content-type": "application/json", accept: "text/event-stream", ...key },
  });
  expect(await stream.text()).toContain(`"execution_id":"${first.body.execution_id}"`);
  expect(called()).toEqual([]);
  const other = await ask("f9", "other");
  const refused = await fork(other.execution_id, { from: "search" }, key);
  expect(refused.body.code).toBe("IDEMPOTENCY_MISMATCH");
});

test("what cannot be is refused, and names why", async () => {
  const source = await ask("f10", "q");
  const unknown = await fork(source.execution_id, { from: "nowhere", set: { nobody: {} } });
  expect([unknown.status, unknown.body.errors]).toEqual([
    400,
    [
      {
        pointer: "/from",
        detail: "nowhere is not a stage of this pipeline (rewrite, search, answer_generation)",
      },
      {
        pointer: "/set/nobody",
        detail: "nobody is not a stage of this pipeline (rewrite, search, answer_generation)",
      },
    ],
  ]);
  const again = await fork(source.execution_id, { from: "search", replace_turn: true });
  await coordinator.api("DELETE", `/v1/executions/${again.body.execution_id}`);
  const gone = await fork(source.execution_id, { from: "search", replace_turn: true });
  expect([gone.status, gone.body.code]).toEqual([409, "EXECUTION_CONFLICT"]);
  expect(gone.body.detail).toContain("is gone");
});

test("a fork is admitted to its conversation as the config has it", async () => {
  let release = () => {};
  agents.on("/held", async (call, response) => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    await answers({ answer: "late" })(call, response, 0);
  });
  await coordinator.agent("held", agents.url("/held"));
  await coordinator.pipeline("held", [{ name: "only", agent_type: "held" }]);
  const source = await ask("f11", "q");
  const started = await coordinator.run(
    { pipeline: "held", conversation_id: "f11" },
    { prefer: "respond-async" },
  );
  await expect.poll(() => called().at(-1)).toBe("/held");
  await coordinator.configure({ on_busy: "reject" });
  const refused = await fork(source.execution_id);
  expect([refused.status, refused.body.code, refused.body.running]).toEqual([
    409,
    "CONVERSATION_BUSY",
    [started.body.execution_id],
  ]);
  await coordinator.configure({ on_busy: "queue" });
  agents.calls.length = 0;
  const queued = await fork(source.execution_id, { from: "answer_generation" }, { prefer: "respond-async" });
  expect(queued.body).toMatchObject({ status: "queued", forked_from: { execution_id: source.execution_id } });
  // A fork of what waits has nothing to take over.
  const plan = await fork(queued.body.execution_id, { dry_run: true });
  expect(plan.body.reused).toEqual([]);
  release();
  const path = `/v1/executions/${queued.body.execution_id}`;
  await expect
    .poll(async () => (await coordinator.api("GET", path)).body.status, { timeout: 15_000 })
    .toBe("completed");
  await coordinator.configure({ on_busy: null });
  // It has the history that it was planned with, and not the answer that it waited for.
  expect(agents.calls.map((call) => [call.path, call.body.history])).toEqual([["/three", []]]);
});
