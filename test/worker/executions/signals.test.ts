// Answers to a run's questions at its object, in real workerd: taken once, before and after it has left memory, and
// shown as what a page and a token need to know.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, after, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/draft", answers({ answer: "a draft" }));
  agents.on("/slow", after(1_000, answers({ answer: "a draft" })));
  coordinator = await startCoordinator([agents], {}, "outside-worker");
  await coordinator.agent("draft", agents.url("/draft"));
  await coordinator.agent("slow", agents.url("/slow"));
});

afterAll(() => closeAll(coordinator, agents));

/** A run that asks after its draft. */
async function asks(wait: Record<string, unknown> = {}, agent_type = "draft"): Promise<string> {
  names += 1;
  const prompt = "{'question': 'Publish this?', 'draft': results.draft.answer}";
  await coordinator.pipeline(`asks${names}`, [
    { name: "draft", agent_type },
    { name: "approval", depends_on: ["draft"], wait: { prompt, schema: { type: "object" }, ...wait } },
  ]);
  const { body } = await coordinator.run({ pipeline: `asks${names}` }, { prefer: "respond-async" });
  return String(body.execution_id);
}

const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;
const status = (id: string, expected: string) =>
  eventually(
    () => show(id),
    (body) => body.status === expected,
  );
const waitOf = async (id: string, stage = "approval", token: unknown = null) =>
  (await coordinator.api("POST", `/outside/${id}`, { stage, token })).body;

async function signal(id: string, data: unknown, of: Record<string, unknown> = {}) {
  const { stage = "approval", wait = null, started_at = null, by = "key:k1" } = of;
  const command = { type: "signal", stage, wait, answer: { ok: true, data }, by };
  const { body } = await coordinator.api("POST", `/outside/${id}`, { command, started_at });
  return { ...body, ...(body.json === undefined ? {} : { result: JSON.parse(body.json) }) };
}

test("an answer is taken once, a crash and an eviction in between; the same again is the same", async () => {
  const id = await asks();
  await status(id, "waiting");
  await coordinator.evict(id);
  const answered = await signal(id, { approved: true });
  expect(answered).toMatchObject({
    status: 200,
    result: { stage: "approval", status: "completed", data: { approved: true }, answered_by: "key:k1" },
  });
  await coordinator.abort(id);
  expect(await show(id)).toMatchObject({ status: "completed", final_result: { approved: true } });
  expect(await signal(id, { approved: true })).toMatchObject({ status: 200, result: answered.result });
  expect(await signal(id, { approved: false })).toMatchObject({ code: "EXECUTION_CONFLICT" });
});

test("an answer before its question is kept, and taken when it is asked", async () => {
  const id = await asks({}, "slow");
  expect(await signal(id, { approved: true })).toMatchObject({ status: 202, result: { status: "pending" } });
  expect(await waitOf(id)).toMatchObject({ state: "answered", seq: null });
  expect(await signal(id, { approved: true })).toMatchObject({ status: 202 });
  expect(await signal(id, { approved: false })).toMatchObject({ code: "EXECUTION_CONFLICT" });
  expect(await status(id, "completed")).toMatchObject({ final_result: { approved: true } });
});

test("what a stage asks is shown with what binds a token to it", async () => {
  const id = await asks({ timeout_seconds: 600 });
  await status(id, "waiting");
  const wait = await waitOf(id);
  const { start_time } = wait.result;
  expect(wait).toMatchObject({
    state: "open",
    started_at: Date.parse((await show(id)).start_time),
    pipeline: `asks${names}`,
    conversation_id: "c1",
    prompt: { question: "Publish this?", draft: "a draft" },
    schema: { type: "object" },
    expires_at: new Date(Date.parse(start_time) + 600_000).toISOString(),
    result: { status: "waiting" },
  });
  const token = { seq: wait.seq, started_at: wait.started_at };
  expect(await waitOf(id, "approval", token)).toEqual(wait);
  for (const other of [{ seq: 1 }, { started_at: 1 }]) {
    expect(await waitOf(id, "approval", { ...token, ...other })).toMatchObject({ code: "NOT_FOUND" });
  }
  const bound = { wait: wait.seq, started_at: wait.started_at, by: "token:t1" };
  expect(await signal(id, {}, { ...bound, started_at: 1 })).toMatchObject({ code: "NOT_FOUND" });
  expect(await signal(id, { ok: 1 }, bound)).toMatchObject({ result: { answered_by: "token:t1" } });
  expect(await waitOf(id, "approval", token)).toMatchObject({ state: "answered", seq: wait.seq });
});

test("a question without an answer expires, and one that is cancelled is over", async () => {
  const expired = await asks({ timeout_seconds: 1, on_timeout: "skip" });
  await status(expired, "completed");
  expect(await waitOf(expired)).toMatchObject({ state: "expired", result: { status: "skipped" } });
  expect(await signal(expired, {})).toMatchObject({ code: "EXECUTION_CONFLICT" });
  const cancelled = await asks();
  await status(cancelled, "waiting");
  await coordinator.api("POST", `/v1/executions/${cancelled}/cancel`, {});
  expect(await waitOf(cancelled)).toMatchObject({ state: "cancelled" });
  expect(await signal(cancelled, {})).toMatchObject({ code: "EXECUTION_CONFLICT" });
});

test("what is not there is named", async () => {
  const id = await asks();
  expect(await signal("none", {})).toMatchObject({ code: "EXECUTION_NOT_FOUND" });
  expect(await signal("none", {}, { started_at: 5 })).toMatchObject({ code: "NOT_FOUND" });
  expect(await signal(id, {}, { stage: "nope" })).toMatchObject({ code: "STAGE_NOT_FOUND" });
  expect(await waitOf(id, "nope")).toMatchObject({ code: "STAGE_NOT_FOUND" });
  expect(await waitOf(id, "draft")).toMatchObject({ code: "EXECUTION_CONFLICT" });
  expect(await signal(id, {}, { stage: "draft" })).toMatchObject({ code: "EXECUTION_CONFLICT" });
});
