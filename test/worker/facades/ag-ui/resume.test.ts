// Answers to AG-UI's interrupts by hand, against the coordinator in real workerd: all of a resume's entries are taken, or
// none where one is wrong; and how long a run goes on whose client does not come back.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  ({ slow } = await protocolAgents(agents, coordinator));
  const schema = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
  await coordinator.pipeline("two", [
    { name: "first", wait: { schema } },
    { name: "second", wait: { schema } },
    { name: "answer", agent_type: "t_answer", depends_on: ["first", "second"] },
  ]);
  await coordinator.pipeline("long", [
    { name: "first", wait: {} },
    { name: "answer", agent_type: "t_slow", depends_on: ["first"] },
  ]);
});

afterAll(() => closeAll(coordinator, agents));

const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;
const until = (holds: () => Promise<boolean>, ms?: number) => eventually(holds, Boolean, ms);

type Entry = { interruptId: string; status?: string; payload?: unknown };

/** One POST of the thread `of-<id>`, whose first run is the execution `id`: its events, or the error. */
async function post(id: string, pipeline: string, resume?: Entry[]) {
  const response = await coordinator.fetch(`/v1/pipelines/${pipeline}/ag-ui`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({
      threadId: `of-${id}`,
      runId: resume === undefined ? id : `${id}-again`,
      protocolVersion: "1.0",
      messages: [{ id: "u1", role: "user", content: "How cheap is solar?" }],
      ...(resume === undefined ? {} : { resume: resume.map((entry) => ({ status: "resolved", ...entry })) }),
    }),
  });
  const text = await response.text();
  if (response.status !== 200) return { status: response.status, error: JSON.parse(text), events: [] };
  const events = text.split("\n\n").flatMap((event) => {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    return data === undefined ? [] : JSON.parse(data);
  });
  return { status: 200, error: null, events };
}

/** The ids of the interrupts that end a run. */
async function interruptsOf(id: string, pipeline: string): Promise<string[]> {
  const { events } = await post(id, pipeline);
  return events.at(-1).outcome.interrupts.map((interrupt: { id: string }) => interrupt.id);
}

test("where one entry of a resume is wrong none is taken, and the error names it", async () => {
  const [first = "", second = ""] = await interruptsOf("all-or-none", "two");
  const yes = { approved: true };
  const good = { interruptId: first, payload: yes };
  const refused = async (...more: Entry[]) => {
    const { status, error } = await post("all-or-none", "two", [good, ...more]);
    const { stage_results } = await show("all-or-none");
    expect([stage_results.first.status, stage_results.second.status]).toEqual(["waiting", "waiting"]);
    return [status, error.code, error.errors[0].pointer];
  };
  const wrong = { interruptId: second };
  expect(await refused({ ...wrong, payload: { approved: "yes" } })).toEqual([
    422,
    "SCHEMA_MISMATCH",
    "/resume/1/payload/approved",
  ]);
  expect(await refused(wrong)).toEqual([422, "SCHEMA_MISMATCH", "/resume/1/payload/approved"]);
  for (const payload of [7, "yes", [yes]]) {
    expect(await refused({ ...wrong, payload })).toEqual([400, "INVALID_REQUEST", "/resume/1/payload"]);
  }
  const place = [400, "INVALID_REQUEST", "/resume/1/interruptId"];
  // Of no event, of one that is no interrupt, of none that can be one, of another execution, and the same again.
  for (const interruptId of ["all-or-none.99", "all-or-none.1", "nonsense", "other.2", first]) {
    expect(await refused({ interruptId, payload: yes }), interruptId).toEqual(place);
  }
  expect(await refused({ ...wrong, payload: yes }, { interruptId: "all-or-none.99" })).toEqual([
    400,
    "INVALID_REQUEST",
    "/resume/2/interruptId",
  ]);
  const { events } = await post("all-or-none", "two", [good, { ...wrong, payload: yes }]);
  expect(events.at(-1)).toMatchObject({ outcome: { type: "success" }, result: { answer: ANSWER } });
});

test("entries that were taken before change nothing", async () => {
  const [first = "", second = ""] = await interruptsOf("taken", "two");
  const yes = { approved: true };
  await post("taken", "two", [{ interruptId: first, payload: yes }]);
  const { events } = await post("taken", "two", [
    { interruptId: first, payload: { approved: "no" } },
    { interruptId: second, payload: yes },
  ]);
  expect(events.at(-1)).toMatchObject({ outcome: { type: "success" } });
  expect((await show("taken")).stage_results.first.data).toEqual(yes);
});

test("a resume that leaves a question open ends with its interrupt", async () => {
  const [first = "", second = ""] = await interruptsOf("partly", "two");
  const yes = { approved: true };
  // The later one first, and then again.
  for (const _time of [1, 2]) {
    const { events } = await post("partly", "two", [{ interruptId: second, payload: yes }]);
    expect(events.at(-1).outcome).toMatchObject({ type: "interrupt", interrupts: [{ id: first }] });
    expect((await show("partly")).stage_results.second.status).toBe("completed");
  }
  const { events } = await post("partly", "two", [{ interruptId: first, payload: yes }]);
  expect(events.at(-1).outcome).toEqual({ type: "success" });
});

test("an interrupt of a pause that is over neither resumes a later pause nor cancels the run", async () => {
  const before = slow.calls;
  const running = post("paused", "slow");
  await until(async () => slow.calls > before);
  const verb = (name: string) => coordinator.api("POST", `/v1/executions/paused/${name}`, {});
  await verb("pause");
  const interruptId = (await running).events.at(-1).outcome.interrupts[0].id;
  await verb("resume");
  await verb("pause");
  const { events } = await post("paused", "slow", [{ interruptId, status: "cancelled" }]);
  expect(events.at(-1).outcome).toMatchObject({
    type: "interrupt",
    interrupts: [{ reason: "coordinator:paused" }],
  });
  expect((await show("paused")).status).toBe("paused");
  const later = events.at(-1).outcome.interrupts[0].id;
  const going = post("paused", "slow", [{ interruptId: later }]);
  await until(async () => (await show("paused")).status === "running");
  slow.say(1);
  slow.end();
  expect((await going).events.at(-1).outcome).toEqual({ type: "success" });
});

test("a run that goes on without its client is cancelled after the grace, however long it rested", async () => {
  await interruptsOf("alone", "long");
  const left = Date.now();
  // That it has left may be noticed 5 s later, and the grace is 5 s.
  await until(async () => Date.now() - left > 12_000, 20_000);
  const before = slow.calls;
  const answer = await coordinator.api("POST", "/v1/executions/alone/stages/first/complete", { data: {} });
  expect(answer.status).toBe(200);
  await until(async () => slow.calls > before);
  await until(async () => (await show("alone")).status === "cancelled");
});

test("a run that has spent its budget is resumed with a larger one, and not with one that is not enough", async () => {
  agents.on("/dear", answers({ answer: "dear" }, { usage: { output_tokens: 8 } }));
  await coordinator.alone("dear", agents.url("/dear"));
  const stages = [
    { name: "draft", agent_type: "dear", cache: false },
    { name: "answer", agent_type: "dear", depends_on: ["draft"], cache: false },
  ];
  await coordinator.api("PUT", "/v1/pipelines/priced", { stages, budget: { tokens: 5 } });
  const { events } = await post("spent", "priced");
  const [interrupt] = events.at(-1).outcome.interrupts;
  const spent = { cost_usd: null, tokens: 8 };
  expect(interrupt).toMatchObject({
    reason: "coordinator:paused",
    metadata: { budget: { spent, limit: { tokens: 5 }, by_stage: { draft: spent } } },
  });
  const resume = (payload?: object) =>
    post("spent", "priced", [{ interruptId: interrupt.id, ...(payload === undefined ? {} : { payload }) }]);
  expect(await resume()).toMatchObject({ status: 409, error: { code: "EXECUTION_CONFLICT" } });
  expect(await resume({ budget: { tokens: 7 } })).toMatchObject({ status: 409 });
  expect(await resume({ budget: { tokens: 0 } })).toMatchObject({
    status: 400,
    error: { errors: [{ pointer: "/resume/0/payload/budget/tokens" }] },
  });
  expect((await show("spent")).status).toBe("paused");
  const again = await resume({ budget: { tokens: 16 } });
  expect(again.events.at(-1).outcome).toEqual({ type: "success" });
  expect((await show("spent")).budget).toEqual({ tokens: 16, on_exceeded: "pause" });
});
