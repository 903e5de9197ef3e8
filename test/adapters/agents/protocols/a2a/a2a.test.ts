// Agents of A2A 1.0: the official server, streamed and in one piece; and by hand tasks that fail or ask, and cards that
// name what is not allowed.
import { createServer } from "node:http";
import { AgentCard, Role, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from "@a2a-js/sdk";
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, UserBuilder } from "@a2a-js/sdk/server/express";
import express from "express";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import {
  begun,
  CARD,
  cardOf,
  events,
  fails,
  status,
  type TaskAgents,
  taskAgents,
} from "../../../../support/agents/task-agents.ts";
import { onLoopback } from "../../../../support/servers/loopback.ts";

const agent = (url: string, options: object = {}) => ({
  url,
  protocol: "a2a" as const,
  options: { ...options },
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
  let hand: TaskAgents;
  const start: TaskAgents["start"] = (...asked) => hand.start(...asked);
  const run: TaskAgents["run"] = (...asked) => hand.run(...asked);
  const sentTo = (path: string) => hand.sentTo(path);
  beforeAll(async () => {
    agents = await startAgentServer();
    hand = taskAgents(agents);
  });
  afterAll(() => agents.close());

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
      SendStreamingMessage: fails(code),
    });
    expect(errorOf(await run(path))).toMatchObject(error);
  });

  test.each<[string, object, object]>([
    ["another host", cardOf("http://127.0.0.1:1/rpc", true), { code: "AGENT_UNAVAILABLE" }],
    ["nothing", {}, { retry: "once" }],
  ])("whose card names %s is not called", async (_name, card, error) => {
    const path = start({}, true, () => card);
    expect(errorOf(await run(path))).toMatchObject(error);
    expect(sentTo(path)).toEqual([]);
  });
});
