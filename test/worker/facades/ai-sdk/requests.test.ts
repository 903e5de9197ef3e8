// What a chat's routes make of a request, beside what useChat itself shows: the body's forms and faults, the same POST
// again, regenerate, resume and stop of other runs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { type Chunk, chunksOf, textIn } from "./chunks.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let chats = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
});

afterAll(() => closeAll(coordinator, agents));

const chatId = () => `request-${(chats += 1)}`;
const user = (text: string, id?: string) => ({
  ...(id === undefined ? {} : { id }),
  role: "user",
  parts: [{ type: "text", text }],
});
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  coordinator.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const ask = (pipeline: string, body: object, headers?: Record<string, string>) =>
  post(`/v1/pipelines/${pipeline}/chat`, body, headers);
const runOf = (chunks: readonly Chunk[]) => String(chunks[0]?.["messageId"]);
const asked = async (pipeline: string, body: object, headers?: Record<string, string>) =>
  chunksOf(await ask(pipeline, body, headers));
const executionsOf = async (chat: string) =>
  (await coordinator.api("GET", `/v1/executions?conversation_id=${chat}`)).body.data as {
    execution_id: string;
    status: string;
  }[];
const turnsOf = async (chat: string) => (await coordinator.api("GET", `/v1/conversations/${chat}`)).body.data;

describe("a body", () => {
  const text = user("q");

  test.each([
    ["no id", { messages: [text] }, "/id"],
    ["too long an id", { id: "c".repeat(129), messages: [text] }, "/id"],
    ["no messages", { id: "c" }, "/message"],
    ["an empty list", { id: "c", messages: [] }, "/messages"],
    ["no question", { id: "c", messages: [{ role: "assistant", parts: [] }] }, "/messages"],
    ["an unknown role", { id: "c", messages: [{ role: "tool", parts: [] }] }, "/messages/0/role"],
    ["a message without parts", { id: "c", messages: [{ role: "user" }] }, "/messages/0/parts"],
    ["a part without type", { id: "c", message: { role: "user", parts: [{}] } }, "/message/parts/0/type"],
    [
      "no text",
      { id: "c", messages: [text, { role: "user", parts: [{ type: "file" }] }] },
      "/messages/1/parts",
    ],
    ["an empty text", { id: "c", message: user(" ") }, "/message/parts"],
    ["too long a text", { id: "c", messages: [user("x".repeat(32_769))] }, "/messages"],
    ["an unknown trigger", { id: "c", messages: [text], trigger: "again" }, "/trigger"],
    ["a context that is none", { id: "c", messages: [text], context: 1 }, "/context"],
    [
      "an override that is none",
      { id: "c", messages: [text], pipeline_config: { answer: 1 } },
      "/pipeline_config/answer",
    ],
  ])("with %s is refused, by its place", async (_name, body, pointer) => {
    const { status, body: problem } = await coordinator.api("POST", "/v1/pipelines/full/chat", body);
    expect([status, problem.errors.map((error: { pointer: string }) => error.pointer)]).toEqual([
      400,
      [pointer],
    ]);
  });

  test("may have fields, parts and metadata that nothing here knows", async () => {
    const chunks = await asked("full", {
      id: chatId(),
      model: "m",
      messages: [
        {
          ...user("q", "m1"),
          metadata: { own: 1 },
          parts: [
            { type: "file", url: "data:," },
            { type: "text", text: "one" },
            { type: "data-x" },
            ...text.parts,
          ],
        },
      ],
    });
    expect(textIn(chunks)).toBe(ANSWER);
    expect(agents.callsOf("/answer").at(-1)?.body.query).toBe("one\nq");
  });

  test("names the pipeline, a context and overrides", async () => {
    const chunks = await chunksOf(
      await post("/v1/chat", {
        id: chatId(),
        messages: [text],
        pipeline: "full",
        context: { from: "a page" },
        pipeline_config: { answer: { config: { tone: "dry" } } },
      }),
    );
    expect(chunks[0]).toMatchObject({ type: "start", messageMetadata: { pipeline: "full" } });
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      context: { from: "a page" },
      config: { tone: "dry" },
    });
  });

  test("of one message leaves the conversation to the coordinator", async () => {
    const id = chatId();
    await asked("full", { id, message: user("First?") });
    await asked("full", { id, message: user("Second?") });
    expect(agents.callsOf("/answer").at(-1)?.body.history).toEqual([
      { query: "First?", answer: expect.objectContaining({ answer: ANSWER }) },
    ]);
    expect((await turnsOf(id)).map(({ query }: { query: string }) => query)).toEqual(["First?", "Second?"]);
  });

  test("of a list without the parts that were taken back is the history", async () => {
    const coordinatorOwn = { coordinator: { superseded: true } };
    const parts = [
      { type: "text", text: "Wrong", providerMetadata: coordinatorOwn },
      { type: "data-stage", data: {} },
      { type: "text", text: "Right" },
    ];
    const unanswered = [user("Unanswered?"), user("Failed?"), { role: "assistant", parts: [parts[1]] }];
    const messages = [user("First?"), { role: "assistant", parts }, ...unanswered, user("Second?")];
    await asked("full", { id: chatId(), messages });
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      query: "Second?",
      history: [{ query: "First?", answer: { answer: "Right" } }],
    });
  });
});

describe("the answer", () => {
  test("is a UI message stream, also where only JSON is accepted", async () => {
    const body = { id: chatId(), messages: [user("q")] };
    const response = await ask("full", body, { accept: "application/json" });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": expect.stringContaining("text/event-stream"),
      "x-vercel-ai-ui-message-stream": "v1",
      "cache-control": "no-cache, no-transform",
    });
    const text = await response.text();
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(text).not.toMatch(/^(?:event|id):/m);
  });

  test("has the text of other stages with ?reasoning", async () => {
    const query = { id: chatId(), messages: [user("q")] };
    const chunks = await chunksOf(await post("/v1/pipelines/full/chat?reasoning", query));
    const types = new Set(chunks.map(({ type }) => type));
    expect(types).toContain("reasoning-delta");
    expect(textIn(chunks)).toBe(ANSWER);
    expect(await asked("full", { ...query, id: chatId() })).not.toContainEqual(
      expect.objectContaining({ type: "reasoning-start" }),
    );
  });

  test.each([
    ["the query", "?ui=7", {}],
    ["the body", "", { ui: 7 }],
  ])("is that of version 7 by %s", async (_where, search, more) => {
    const body = { id: chatId(), messages: [user("q")], ...more };
    const chunks = await chunksOf(await post(`/v1/pipelines/full/chat${search}`, body));
    expect(chunks.at(-1)).toMatchObject({ type: "finish", finishReason: "stop" });
    expect(chunks.map(({ type }) => type)).toContain("start-step");
    expect(chunks.find(({ type }) => type === "text-end")?.["citations"]).toHaveLength(2);
  });

  test("of a run that waits for its conversation says so", async () => {
    await coordinator.configure({ on_busy: "queue" });
    const id = chatId();
    const first = await ask("slow", { id, messages: [user("first")] });
    await eventually(async () => slow.calls, Boolean);
    const second = await ask("full", { id, messages: [user("second")] });
    const reading = chunksOf(second);
    await eventually(
      () => executionsOf(id),
      (all) => all.some(({ status }) => status === "queued"),
    );
    slow.say(1);
    slow.end();
    await chunksOf(first);
    const chunks = await reading;
    await coordinator.configure({ on_busy: "parallel" });
    expect(chunks[0]).toMatchObject({
      type: "start",
      messageMetadata: { status: "queued", position: 1 },
    });
    expect(chunks.filter(({ type }) => type === "start")).toHaveLength(1);
    expect(chunks).toContainEqual({ type: "message-metadata", messageMetadata: { status: "running" } });
    expect(textIn(chunks)).toBe(ANSWER);
  });
});

describe("the same POST again", () => {
  test("attaches while its run goes on, from its beginning", async () => {
    const body = { id: chatId(), messages: [user("q", "m1")], trigger: "submit-message" };
    const first = await ask("slow", body);
    await eventually(async () => slow.calls, Boolean);
    slow.say(2);
    const again = await ask("slow", body);
    slow.say(1);
    const whole = slow.end();
    const [one, two] = [await chunksOf(first), await chunksOf(again)];
    expect([textIn(one), textIn(two)]).toEqual([whole, whole]);
    expect(runOf(two)).toBe(runOf(one));
    expect(await executionsOf(body.id)).toHaveLength(1);
  });

  test("at the same moment is one run", async () => {
    const body = { id: chatId(), messages: [user("q", "m1")], trigger: "submit-message" };
    const all = await Promise.all([1, 2, 3, 4].map(() => asked("full", body)));
    expect(new Set(all.map(runOf)).size).toBe(1);
    expect(all.map(textIn)).toEqual([ANSWER, ANSWER, ANSWER, ANSWER]);
  });

  test("is a new run once that one has ended, and so is another question before", async () => {
    const id = chatId();
    const body = { id, messages: [user("q", "m1")], trigger: "submit-message" };
    const runs = [runOf(await asked("fail", body)), runOf(await asked("fail", body))];
    const first = await ask("slow", body);
    const other = await asked("full", { ...body, messages: [user("other", "m2")] });
    await eventually(async () => slow.calls, Boolean);
    slow.end();
    const all = [...runs, runOf(await chunksOf(first)), runOf(other)];
    expect(new Set(all).size).toBe(4);
  });

  test("with an Idempotency-Key is that run, whatever has become of it", async () => {
    const body = { id: chatId(), messages: [user("q", "m1")] };
    const key = { "idempotency-key": "once" };
    const [first, again] = [await asked("full", body, key), await asked("full", body, key)];
    expect([runOf(again), textIn(again)]).toEqual([runOf(first), ANSWER]);
    expect((await ask("full", { ...body, messages: [user("other")] }, key)).status).toBe(422);
  });
});

describe("regenerate", () => {
  const trigger = "regenerate-message";
  const forkedFrom = async (run: string) =>
    (await coordinator.api("GET", `/v1/executions/${run}`)).body.forked_from?.execution_id;

  test("of one message takes the place of the turn", async () => {
    const id = chatId();
    const first = runOf(await asked("full", { id, message: user("q", "m1") }));
    const again = runOf(await asked("full", { id, message: user("q", "m1"), trigger }));
    expect(await forkedFrom(again)).toBe(first);
    expect(await turnsOf(id)).toMatchObject([{ execution_id: again, query: "q", replaced: [first] }]);
  });

  test("of an earlier answer forks that one, with the messages before it as its history", async () => {
    const id = chatId();
    const [one, two] = [user("one", "m1"), user("two", "m2")];
    const first = runOf(await asked("full", { id, messages: [one] }));
    const answer = { id: first, role: "assistant", parts: [{ type: "text", text: "1" }] };
    const second = runOf(await asked("full", { id, messages: [one, answer, two] }));
    const plans = agents.callsOf("/plan").length;
    const again = runOf(await asked("full", { id, messages: [one], messageId: first, trigger }));
    expect(await forkedFrom(again)).toBe(first);
    const latest = runOf(
      await asked("full", { id, messages: [one, answer, two], messageId: second, trigger }),
    );
    expect(await forkedFrom(latest)).toBe(second);
    expect(agents.callsOf("/plan")).toHaveLength(plans);
    expect(agents.callsOf("/answer").at(-1)?.body.history).toEqual([
      { query: "one", answer: { answer: "1" } },
    ]);
  });

  test.each([
    ["whose run was deleted", "full", 0],
    ["of a pipeline with two last stages", "both", 1],
    ["of another chat's run", "full", 2],
    ["by another pipeline", "full", 3],
  ])("of an answer %s is a run of its own", async (_name, pipeline, kind) => {
    const id = chatId();
    const first = runOf(await asked(pipeline, { id, messages: [user("q", "m1")] }));
    if (kind === 0) await coordinator.fetch(`/v1/executions/${first}`, { method: "DELETE" });
    const body = {
      id: kind === 2 ? chatId() : id,
      messages: [user("q", "m1")],
      trigger,
      ...(kind === 1 ? {} : { messageId: first }),
    };
    const chunks = await asked(kind === 3 ? "both" : pipeline, body);
    expect(chunks.at(-1)?.type).toBe("finish");
    expect(await forkedFrom(runOf(chunks))).toBeUndefined();
  });
});

describe("resume and stop", () => {
  const stream = (chat: string) => coordinator.fetch(`/v1/pipelines/slow/chat/${chat}/stream?ui=7`);
  const stop = (chat: string, body?: object) =>
    coordinator.api("POST", `/v1/pipelines/slow/chat/${chat}/stop`, body);

  test("of a chat without a run are 204, and nothing", async () => {
    expect((await stream(chatId())).status).toBe(204);
    expect(await stop(chatId())).toMatchObject({ status: 200, body: { success: true } });
    expect((await coordinator.fetch(`/v1/chat/${"c".repeat(129)}/stream`)).status).toBe(400);
  });

  test("late is the whole of it, and 204 when it is over", async () => {
    const id = chatId();
    const first = await ask("slow", { id, messages: [user("q")] });
    await eventually(async () => slow.calls, Boolean);
    slow.say(3);
    const late = await stream(id);
    expect([late.status, late.headers.get("x-vercel-ai-ui-message-stream")]).toEqual([200, "v1"]);
    slow.say(1);
    const whole = slow.end();
    const chunks = await chunksOf(late);
    expect([chunks[0]?.type, textIn(chunks)]).toEqual(["start", whole]);
    expect(chunks.at(-1)).toMatchObject({ type: "finish", finishReason: "stop" });
    await chunksOf(first);
    expect((await stream(id)).status).toBe(204);
  });

  test("stop of another run than the latest ends nothing", async () => {
    const id = chatId();
    const first = await ask("slow", { id, messages: [user("q")] });
    await eventually(async () => slow.calls, Boolean);
    const [run] = await executionsOf(id);
    for (const body of [
      { activeStreamId: "another" },
      { assistantMessage: { id: "m", metadata: { execution_id: "another" } } },
    ]) {
      expect((await stop(id, body)).body).toEqual({ success: true });
      expect((await executionsOf(id))[0]?.status).toBe("running");
    }
    expect((await stop(id, { activeStreamId: run?.execution_id, assistantMessage: null })).status).toBe(200);
    const chunks = await chunksOf(first);
    slow.end();
    expect(chunks.at(-1)).toEqual({ type: "abort" });
  });

  test("a reader who leaves ends the run only where the body says so", async () => {
    const id = chatId();
    const leaving = new AbortController();
    const response = await coordinator.fetch("/v1/pipelines/slow/chat", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id, messages: [user("q")], on_disconnect: "cancel" }),
      signal: leaving.signal,
    });
    await eventually(async () => slow.calls, Boolean);
    leaving.abort();
    await expect(response.text()).rejects.toThrow();
    await eventually(
      () => executionsOf(id),
      ([run]) => run?.status === "cancelled",
      20_000,
    );
    slow.end();
  });
});
