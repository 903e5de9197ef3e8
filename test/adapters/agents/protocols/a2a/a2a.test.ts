// Agents of A2A 1.0: the official server, streamed and in one piece; and by hand streams that break, tasks that ask, cards
// that name what is not allowed.
import { createServer, type ServerResponse } from "node:http";
import { AgentCard, Role, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, UserBuilder } from "@a2a-js/sdk/server/express";
import express from "express";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import { eventually } from "../../../../support/eventually.ts";
import { onLoopback } from "../../../../support/servers/loopback.ts";

const CARD = "/.well-known/agent-card.json";
const agent = (url: string, options: object = {}) => ({
  url,
  protocol: "a2a" as const,
  options: { ...options },
});
const cardOf = (url: string, streaming: boolean, more: object = {}) => ({
  name: "test",
  description: "test",
  version: "1",
  supportedInterfaces: [{ url, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
  capabilities: { streaming },
  defaultInputModes: ["text/plain"],
  defaultOutputModes: ["text/plain"],
  skills: [],
  ...more,
});

describe.each([true, false])("the official server, which streams: %s", (streaming) => {
  test("a task's artifacts are the answer and the data", async () => {
    const asked: { text: unknown; contextId: string; messageId: string }[] = [];
    const executor: AgentExecutor = {
      execute: async ({ taskId, contextId, userMessage }, bus) => {
        const [part] = userMessage.parts;
        asked.push({ text: part?.content?.value, contextId, messageId: userMessage.messageId });
        const own = { taskId, contextId };
        const state = (name: string, words?: string) => {
          const message = { messageId: name, role: Role.ROLE_AGENT, parts: [{ text: words }] };
          return {
            state: name,
            ...(words === undefined ? {} : { message: { ...message, role: "ROLE_AGENT" } }),
          };
        };
        const artifact = (parts: object[], append: boolean) =>
          AgentEvent.artifactUpdate(
            TaskArtifactUpdateEvent.fromJSON({ ...own, artifact: { artifactId: "a", parts }, append }),
          );
        const update = (name: string, words?: string) =>
          AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON({ ...own, status: state(name, words) }));
        bus.publish(
          AgentEvent.task(Task.fromJSON({ id: taskId, contextId, status: state("TASK_STATE_SUBMITTED") })),
        );
        bus.publish(update("TASK_STATE_WORKING", "looking up"));
        bus.publish(artifact([{ text: "Wrong" }], false));
        bus.publish(artifact([{ text: "It " }], false));
        bus.publish(artifact([{ text: "scatters." }, { data: { score: 1 } }], true));
        bus.publish(artifact([{ url: "https://example.org/sky", filename: "sky.html" }], true));
        bus.publish(update("TASK_STATE_COMPLETED"));
        bus.finished();
      },
      cancelTask: async () => {},
    };
    const app = express();
    const server = await onLoopback(createServer(app));
    const card = AgentCard.fromJSON(cardOf(`${server.url}/rpc`, streaming));
    const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
    app.use(CARD, agentCardHandler({ agentCardProvider: requestHandler }));
    app.use("/rpc", jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
    const called = await callAgent(agent(server.url, { context: "conversation" }));
    expect(dataOf(called)).toEqual({
      answer: "It scatters.",
      score: 1,
      citations: [{ url: "https://example.org/sky", title: "sky.html" }],
    });
    expect(called.text).toBe("It scatters.");
    expect(called.progress).toEqual(streaming ? ["looking up"] : []);
    expect(asked).toEqual([{ text: "Why is the sky blue?", contextId: "c1", messageId: "e1.say" }]);
    await server.close();
  });
});

describe("an agent by hand", () => {
  let agents: AgentServer;
  let paths = 0;
  beforeAll(async () => {
    agents = await startAgentServer();
  });
  afterAll(() => agents.close());

  interface Sent {
    id: number;
    method: string;
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    params: any;
  }
  type Answer = (sent: Sent, response: ServerResponse) => void;

  /** @param methods by name; those that are missing are refused */
  function start(methods: Record<string, Answer>, streaming = true, card?: object): string {
    const path = `/a2a-${(paths += 1)}`;
    const json = (response: ServerResponse, value: object) =>
      void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    agents.on(`${path}${CARD}`, (_call, response) =>
      json(response, card ?? cardOf(agents.url(`${path}/rpc`), streaming)),
    );
    agents.on(`${path}/rpc`, (call, response) => {
      const sent = call.body as unknown as Sent;
      const answer = methods[sent.method];
      if (answer !== undefined) return answer(sent, response);
      return json(response, { id: sent.id, error: { code: -32_601, message: `no ${sent.method}` } });
    });
    return path;
  }
  const run = (
    path: string,
    options = {},
    call: Parameters<typeof callAgent>[1] = {},
    request: Parameters<typeof callAgent>[2] = {},
    signal?: AbortSignal,
  ) => callAgent(agent(agents.url(path), options), call, request, signal);
  const sentTo = (path: string) => agents.callsOf(`${path}/rpc`).map(({ body }) => body as unknown as Sent);
  const methodsOf = (path: string) => sentTo(path).map(({ method }) => method);

  const events =
    (results: object[], end: (response: ServerResponse) => void = (response) => response.end()): Answer =>
    ({ id }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const text = results.map((result) => `data: ${JSON.stringify({ jsonrpc: "2.0", id, result })}\n\n`);
      response.write(text.join(""), () => end(response));
    };
  const own = { taskId: "t1", contextId: "x1" };
  const state = (name: string, words?: string) => ({
    state: `TASK_STATE_${name}`,
    ...(words === undefined ? {} : { message: { parts: [{ text: words }] } }),
  });
  const begun = { task: { id: "t1", contextId: "x1", status: state("WORKING") } };
  const status = (name: string, words?: string) => ({ statusUpdate: { ...own, status: state(name, words) } });
  const piece = (text: string, append = true) => ({
    artifactUpdate: { ...own, artifact: { artifactId: "a", parts: [{ text }] }, append },
  });
  const done = (text: string) => ({
    id: "t1",
    status: state("COMPLETED"),
    artifacts: [{ artifactId: "a", parts: [{ text }] }],
  });

  test("is sent the prompt and the inputs as they are", async () => {
    const path = start({ SendStreamingMessage: events([{ message: { parts: [{ text: "Hi." }] } }]) });
    const inputs = { search: { found: 2 } };
    expect(dataOf(await run(path, {}, { inputs }))).toEqual({ answer: "Hi." });
    await run(path, { prompt: "Say {{inputs.search.found}}", send_data: false }, { inputs });
    const parts = sentTo(path).map(({ params }) => params.message.parts);
    expect(parts).toEqual([
      [{ text: "Why is the sky blue?" }, { data: inputs, mediaType: "application/json" }],
      [{ text: "Say 2" }],
    ]);
    // The card is asked for once.
    expect(agents.callsOf(`${path}${CARD}`)).toHaveLength(1);
    expect(agents.callsOf(`${path}/rpc`)[0]?.headers["a2a-version"]).toBe("1.0");
  });

  test("whose stream breaks is taken up again, and sent nothing twice", async () => {
    const path = start({
      SendStreamingMessage: events([begun, piece("One "), piece("two ")], (response) => response.destroy()),
      SubscribeToTask: events([
        { task: { ...begun.task, artifacts: [{ artifactId: "a", parts: [{ text: "One two three " }] }] } },
        piece("four"),
        status("COMPLETED"),
      ]),
    });
    const called = await run(path);
    expect([dataOf(called), called.text]).toEqual([{ answer: "One two three four" }, "One two three four"]);
    expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask"]);
  });

  test("that has no stream any more is asked for its task until it is done", async () => {
    let asked = 0;
    const path = start({
      SendStreamingMessage: events([begun], (response) => response.destroy()),
      GetTask: ({ id }, response) => {
        asked += 1;
        const result = asked < 2 ? begun.task : done("Late.");
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id, result }));
      },
    });
    expect(dataOf(await run(path))).toEqual({ answer: "Late." });
    expect(methodsOf(path)).toEqual(["SendStreamingMessage", "SubscribeToTask", "GetTask", "GetTask"]);
  });

  test("that works on without a stream is asked for its task at a pace", async () => {
    const path = start({
      SendStreamingMessage: events([begun], (response) => response.destroy()),
      GetTask: ({ id }, response) =>
        void response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ id, result: begun.task })),
    });
    await run(path, {}, {}, {}, AbortSignal.timeout(1_200));
    // At once, after half a second, and after another whole one.
    expect(methodsOf(path).filter((method) => method === "GetTask").length).toBeLessThanOrEqual(3);
  });

  test.each<[string, string, object]>([
    ["FAILED", "out of paper", { status: 500, retry: "yes" }],
    ["REJECTED", "not mine", { status: 422, retry: "no" }],
    ["CANCELED", "by its owner", { status: 422, retry: "no" }],
    ["AUTH_REQUIRED", "sign in", { status: 422, retry: "no" }],
  ])("whose task is %s fails the stage with its words", async (name, words, error) => {
    const path = start({ SendStreamingMessage: events([begun, status(name, words)]) });
    expect(errorOf(await run(path))).toMatchObject({ ...error, message: expect.stringContaining(words) });
  });

  test("that asks is not done, and takes the answer in its task", async () => {
    const path = start({ SendStreamingMessage: events([begun, status("INPUT_REQUIRED", "Which city?")]) });
    const continuation = { task_id: "t1", context_id: "x1" };
    const question = { ok: "asks", prompt: { question: "Which city?" }, schema: null, continuation };
    expect((await run(path)).outcome).toEqual(question);
    const answer = { continuation, data: { answer: "Bern" } };
    await run(path, {}, {}, { answer });
    expect(sentTo(path).at(-1)?.params.message).toMatchObject({
      taskId: "t1",
      contextId: "x1",
      parts: [{ text: "Bern" }],
    });
  });

  test.each<[number, object]>([
    [-32_602, { status: 400, retry: "no" }],
    [-32_009, { status: 400, retry: "no" }],
    [-32_603, { status: 500, retry: "yes" }],
  ])("that answers with the code %i", async (code, error) => {
    const path = start({
      SendStreamingMessage: ({ id }, response) =>
        void response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ id, error: { code, message: "no" } })),
    });
    expect(errorOf(await run(path))).toMatchObject(error);
  });

  test("is told to cancel a task that was given up", async () => {
    const leaving = new AbortController();
    const path = start({
      SendStreamingMessage: events([begun, piece("One ")], (response) => response.destroy()),
      SubscribeToTask: () => leaving.abort(),
      CancelTask: ({ id }, response) => void response.end(JSON.stringify({ id, result: begun.task })),
    });
    await run(path, {}, {}, {}, leaving.signal);
    await eventually(
      async () => methodsOf(path),
      (all) => all.includes("CancelTask"),
    );
    expect(sentTo(path).at(-1)?.params).toEqual({ id: "t1" });
  });

  test.each<[string, object, object]>([
    ["another host", cardOf("http://127.0.0.1:1/rpc", true), { code: "AGENT_UNAVAILABLE" }],
    ["an earlier version alone", { url: "http://x", protocolVersion: "0.3.0" }, { retry: "once" }],
    ["nothing", {}, { retry: "once" }],
  ])("whose card names %s is not called", async (_name, card, error) => {
    const path = start({}, true, card);
    expect(errorOf(await run(path))).toMatchObject(error);
    expect(sentTo(path)).toEqual([]);
  });
});
