// AG-UI with its own HttpAgent, 1.0 and the 0.x that CopilotKit and assistant-ui have, against the coordinator in real
// workerd. Every event is held to the protocol's own schemas.
import { HttpAgent, type Message } from "@ag-ui/client";
import { EventSchemas } from "@ag-ui/core/schemas";
import { HttpAgent as EarlierAgent } from "agui0";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let threads = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
});

afterAll(() => closeAll(coordinator, agents));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const show = async (id: string) => (await coordinator.api("GET", `/v1/executions/${id}`)).body;

type Event = { type: string } & Record<string, unknown>;
type Interrupt = { id: string; reason: string; message: string; responseSchema?: object };

const VERSIONS = ["1.0", "0.x"] as const;

/** An agent of a pipeline with one question; `run` records the events of a run. */
function agentOf(version: (typeof VERSIONS)[number], pipeline: string) {
  threads += 1;
  const threadId = `thread-${threads}`;
  const url = `${coordinator.url}/v1/pipelines/${pipeline}/ag-ui`;
  const initialMessages = [{ id: "u1", role: "user" as const, content: "How cheap is solar?" }];
  const settings = { url, threadId, initialMessages, initialState: { mine: { kept: true } } };
  const agent = (version === "1.0" ? new HttpAgent(settings) : new EarlierAgent(settings)) as HttpAgent;
  const run = async (parameters: Parameters<HttpAgent["runAgent"]>[0] = {}) => {
    const events: Event[] = [];
    const runId =
      parameters.runId ?? `run-${threads}-${events.length}-${Math.floor(performance.now() * 1_000)}`;
    await agent.runAgent({ ...parameters, runId }, { onEvent: ({ event }) => void events.push(event) });
    return { runId, events };
  };
  return { agent, threadId, run };
}

const typesOf = (events: readonly Event[]) => [...new Set(events.map(({ type }) => type))];
const textOf = (agent: HttpAgent) =>
  agent.messages.filter(({ role }: Message) => role === "assistant").map(({ content }) => content);
const stagesIn = (agent: HttpAgent) =>
  (agent.state as { coordinator: { stages: Record<string, object> } }).coordinator.stages;
const outcomeOf = (events: readonly Event[]) =>
  events.at(-1)?.["outcome"] as { type: string; interrupts: Interrupt[] };

describe.each(VERSIONS)("HttpAgent %s", (version) => {
  test("runs a pipeline: steps, state, the answer with its citations, the result", async () => {
    const { agent, run, threadId } = agentOf(version, "full");
    const { events, runId } = await run();
    expect(textOf(agent)).toEqual([ANSWER]);
    expect(stagesIn(agent)).toMatchObject({
      plan: { status: "completed", agent_type: "t_plan", attempt: 1 },
      skipped: { status: "skipped", reason: expect.stringContaining("when is false") },
      opt: { status: "failed", error: { code: "AGENT_PROCESSING_ERROR" } },
      answer: { status: "completed" },
    });
    expect(agent.state).toMatchObject({
      mine: { kept: true },
      coordinator: { execution_id: runId, pipeline: "full", status: "completed" },
    });
    expect(typesOf(events)).toEqual(
      expect.arrayContaining([
        "RUN_STARTED",
        "STATE_SNAPSHOT",
        "STEP_STARTED",
        "STATE_DELTA",
        "STEP_FINISHED",
      ]),
    );
    expect(events.at(-1)).toMatchObject({
      type: "RUN_FINISHED",
      threadId,
      runId,
      result: { answer: ANSWER },
    });
    expect((await show(runId)).status).toBe("completed");
  });

  test("the next run of the thread knows the messages before", async () => {
    const { agent, run, threadId } = agentOf(version, "full");
    await run();
    agent.addMessage({ id: "u2", role: "user", content: "And wind?" });
    await run();
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      query: "And wind?",
      conversation_id: threadId,
      history: [{ query: "How cheap is solar?", answer: { answer: ANSWER } }],
    });
    expect(textOf(agent)).toEqual([ANSWER, ANSWER]);
  });

  test("a text that begins wrong and is tried again is one message", async () => {
    await coordinator.agent("t_flaky", agents.url("/flaky"));
    const { agent, run } = agentOf(version, "flaky");
    const { events } = await run();
    expect(textOf(agent)).toEqual(["Right answer"]);
    expect(typesOf(events)).toContain("MESSAGES_SNAPSHOT");
    expect(agent.messages.map(({ id }) => id)).toContain("u1");
  });

  test("two last stages are two messages", async () => {
    const { agent, run } = agentOf(version, "both");
    await run();
    expect(new Set(textOf(agent))).toEqual(new Set(["Left", "Right"]));
  });

  test("a run that fails is an error with its code", async () => {
    const { run } = agentOf(version, "fail");
    const { events } = await run().catch((error: Error) => ({
      events: [{ type: "thrown", message: error.message }],
    }));
    expect(JSON.stringify(events.at(-1))).toContain("cannot do that");
  });

  test("a pause ends the run with an interrupt, and its answer makes the execution go on", async () => {
    const { agent, run } = agentOf(version, "slow");
    const before = slow.calls;
    const running = run({ runId: `paused-${version.replace(".", "-")}` });
    await until(() => slow.calls > before);
    slow.say(2);
    await until(() => textOf(agent)[0] === "w0 w1 ");
    const id = `paused-${version.replace(".", "-")}`;
    await coordinator.api("POST", `/v1/executions/${id}/pause`, { mode: "drain" });
    const { events } = await running;
    const { type, interrupts } = outcomeOf(events);
    expect([type, interrupts]).toEqual([
      "interrupt",
      [expect.objectContaining({ reason: "coordinator:paused" })],
    ]);
    const resume = interrupts.map(({ id: interruptId }) => ({ interruptId, status: "resolved" as const }));
    const going = run({ resume });
    await until(async () => (await show(id)).status === "running");
    slow.say(1);
    slow.end();
    const resumed = await going;
    expect(textOf(agent)).toEqual(["w0 w1 w2 "]);
    expect(outcomeOf(resumed.events)).toEqual({ type: "success" });
  });

  test("a question to a person is an interrupt with its schema; the answer is checked by it", async () => {
    const { agent, run } = agentOf(version, "asking");
    const asked = await run();
    const [interrupt] = outcomeOf(asked.events).interrupts;
    expect(interrupt).toMatchObject({
      reason: "coordinator:waiting",
      message: "Publish this?",
      responseSchema: { required: ["approved"] },
    });
    const interruptId = String(interrupt?.id);
    const wrong = run({
      resume: [{ interruptId, status: "resolved", payload: { approved: "yes" } }],
    } as never);
    await expect(wrong).rejects.toThrow(/payload\/approved|SCHEMA_MISMATCH/);
    const resume = [{ interruptId, status: "resolved", payload: { approved: true } }];
    const { events } = await run({ resume } as never);
    expect(outcomeOf(events)).toEqual({ type: "success" });
    expect(textOf(agent)).toEqual([ANSWER]);
    expect(stagesIn(agent)).toMatchObject({ review: { status: "completed" } });
  });

  test("a question that is given up fails its stage", async () => {
    const { run } = agentOf(version, "asking");
    const { events, runId } = await run();
    const [interrupt] = outcomeOf(events).interrupts;
    const resume = [{ interruptId: String(interrupt?.id), status: "cancelled" }];
    await run({ resume } as never).catch(() => {});
    await until(async () => (await show(runId)).status === "failed");
  });

  test("a client that leaves cancels its run once the grace is over", async () => {
    const { agent, run } = agentOf(version, "slow");
    const before = slow.calls;
    const runId = `left-${version.replace(".", "-")}`;
    const running = run({ runId }).catch(() => {});
    await until(() => slow.calls > before);
    slow.say(1);
    await until(() => textOf(agent)[0] === "w0 ");
    agent.abortRun();
    await running;
    await until(async () => (await show(runId)).status === "cancelled");
  });

  test("a stream goes on over a crash of the run's object, with each word once", async () => {
    const { agent, run } = agentOf(version, "slow");
    const before = slow.calls;
    const runId = `crashed-${version.replace(".", "-")}`;
    const running = run({ runId });
    await until(() => slow.calls > before);
    slow.say(2);
    await until(() => textOf(agent)[0] === "w0 w1 ");
    await coordinator.abort(runId);
    await until(() => slow.calls > before + 1);
    slow.say(3);
    slow.end();
    await running;
    expect(textOf(agent)).toEqual(["w0 w1 w2 "]);
  });

  test("a run that is cancelled ends as its client can read it", async () => {
    const { run } = agentOf(version, "slow");
    const before = slow.calls;
    const runId = `cancelled-${version.replace(".", "-")}`;
    const running = run({ runId }).catch((error: Error) => ({
      events: [{ type: "thrown", message: error.message }],
    }));
    await until(() => slow.calls > before);
    await coordinator.api("POST", `/v1/executions/${runId}/cancel`);
    const { events } = await running;
    expect(JSON.stringify(events.at(-1))).toMatch(/cancelled/i);
  });
});

test("an interrupted run is not cancelled when its client is gone for longer than the grace", async () => {
  const { run } = agentOf("1.0", "asking");
  const { runId } = await run();
  const left = Date.now();
  await until(() => Date.now() - left > 6_000);
  expect((await show(runId)).status).toBe("waiting");
});

describe("by hand", () => {
  const input = (more: object = {}) => ({
    threadId: "by-hand",
    runId: "by-hand-1",
    protocolVersion: "1.0",
    messages: [{ id: "u1", role: "user", content: [{ type: "text", text: "How cheap is solar?" }] }],
    tools: [],
    context: [{ description: "place", value: "here" }],
    forwardedProps: { pipeline: "full" },
    state: {},
    ...more,
  });
  const post = (body: object) =>
    coordinator.fetch("/v1/ag-ui", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(body),
    });
  const eventsOf = (text: string) =>
    text.split("\n\n").flatMap((message) => {
      const data = /^data: (.*)$/m.exec(message)?.[1];
      return data === undefined ? [] : [JSON.parse(data) as Event];
    });

  test("every event is as the protocol's schemas have it, in its order", async () => {
    const response = await post(input());
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = eventsOf(await response.text());
    for (const event of events)
      expect(EventSchemas.safeParse(event).error, JSON.stringify(event)).toBeUndefined();
    expect([events[0]?.type, events.at(-1)?.type]).toEqual(["RUN_STARTED", "RUN_FINISHED"]);
    expect(agents.callsOf("/answer").at(-1)?.body.context).toEqual({
      agui_context: [{ description: "place", value: "here" }],
    });
    // The same again attaches to the run.
    const again = eventsOf(await (await post(input())).text());
    expect(again.filter(({ type }) => type === "RUN_FINISHED")).toHaveLength(1);
    expect(agents.callsOf("/answer").filter(({ body }) => body.execution_id === "by-hand-1")).toHaveLength(1);
    // Another question under the same run is refused.
    const other = await post(input({ messages: [{ id: "u1", role: "user", content: "Other?" }] }));
    const { code } = (await other.json()) as { code: string };
    expect([other.status, code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
  });

  test("a run's id that cannot be an execution's is repeated as it is", async () => {
    const runId = "a run/with an odd id";
    const events = eventsOf(await (await post(input({ runId, threadId: "odd" }))).text());
    expect(events[0]).toMatchObject({ runId });
    expect(events[1]).toMatchObject({
      snapshot: { coordinator: { execution_id: expect.stringMatching(/^ag_[0-9a-f]{32}$/) } },
    });
  });

  test("what is wrong is refused before the stream, and names its place", async () => {
    const refused = async (more: object) => {
      const response = await post(input({ runId: "refused", ...more }));
      const { errors = [], code } = (await response.json()) as {
        errors?: { pointer: string }[];
        code: string;
      };
      return [response.status, code, errors[0]?.pointer];
    };
    expect(await refused({ messages: [] })).toEqual([400, "INVALID_REQUEST", "/messages"]);
    expect(await refused({ messages: [{ role: "user", content: " " }] })).toEqual([
      400,
      "INVALID_REQUEST",
      "/messages/0/content",
    ]);
    expect(await refused({ threadId: "x".repeat(129) })).toEqual([400, "INVALID_REQUEST", "/threadId"]);
    expect(await refused({ threadId: 7 })).toEqual([400, "INVALID_REQUEST", "/threadId"]);
    expect(await refused({ forwardedProps: { pipeline: "nothing" } })).toEqual([
      404,
      "PIPELINE_NOT_FOUND",
      undefined,
    ]);
    const interrupt = (interruptId: string, more: object = {}) => ({
      resume: [{ interruptId, status: "resolved", ...more }],
    });
    const place = "/resume/0/interruptId";
    expect(await refused(interrupt("nonsense"))).toEqual([400, "INVALID_REQUEST", place]);
    expect(await refused(interrupt("gone.3"))).toEqual([400, "INVALID_REQUEST", place]);
    // Of another thread.
    expect(await refused({ threadId: "other", ...interrupt("by-hand-1.2") })).toEqual([
      400,
      "INVALID_REQUEST",
      place,
    ]);
    expect(await refused(interrupt("by-hand-1.2"))).toEqual([400, "INVALID_REQUEST", place]);
  });
});
