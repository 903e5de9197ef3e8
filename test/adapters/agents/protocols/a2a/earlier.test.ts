// Agents of A2A 0.3: its official server, streamed and in one piece; and by hand what a card may name, and every request.
import { createServer } from "node:http";
import { type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from "a2a03/server";
import { agentCardHandler, jsonRpcHandler, UserBuilder } from "a2a03/server/express";
import express from "express";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../../support/agents/agent-server.ts";
import { callAgent, dataOf, errorOf } from "../../../../support/agents/protocol-call.ts";
import {
  CARD,
  cardOf,
  events,
  fails,
  result,
  type TaskAgents,
  taskAgents,
} from "../../../../support/agents/task-agents.ts";
import { eventually } from "../../../../support/eventually.ts";
import { onLoopback } from "../../../../support/servers/loopback.ts";

const earlierCard = (url: string, streaming: boolean) => ({
  name: "test",
  description: "test",
  version: "1",
  protocolVersion: "0.3.0",
  url,
  capabilities: { streaming },
  defaultInputModes: ["text/plain"],
  defaultOutputModes: ["text/plain"],
  skills: [],
});

type Asked = Parameters<AgentExecutor["execute"]>[0]["userMessage"];

/** The official server with this agent, for the time of a test. */
async function serve(streaming: boolean, executor: AgentExecutor) {
  const app = express();
  const server = await onLoopback(createServer(app));
  const card = earlierCard(`${server.url}/rpc`, streaming);
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use(CARD, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use("/rpc", jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
  return server;
}

describe.each([true, false])("the official server, which streams: %s", (streaming) => {
  const says = (text: string) => ({ kind: "text" as const, text });
  const message = (text: string) => ({
    kind: "message" as const,
    role: "agent" as const,
    messageId: text,
    parts: [says(text)],
  });

  test("a task's artifacts are the answer and the data", async () => {
    const asked: Asked[] = [];
    const server = await serve(streaming, {
      execute: async ({ taskId, contextId, userMessage }, bus) => {
        asked.push(userMessage);
        const own = { taskId, contextId };
        const update = (state: "working" | "completed", words?: string) =>
          bus.publish({
            kind: "status-update",
            ...own,
            status: { state, ...(words === undefined ? {} : { message: message(words) }) },
            final: state === "completed",
          });
        type Part = Asked["parts"][number];
        const artifact = (parts: Part[], append: boolean) =>
          bus.publish({ kind: "artifact-update", ...own, artifact: { artifactId: "a", parts }, append });
        bus.publish({ kind: "task", id: taskId, contextId, status: { state: "submitted" } });
        update("working", "looking up");
        artifact([says("Wrong")], false);
        artifact([says("It ")], false);
        artifact([says("scatters."), { kind: "data", data: { score: 1 } }], true);
        const file = { uri: "https://example.org/sky", name: "sky.html", mimeType: "text/html" };
        artifact([{ kind: "file", file }], true);
        update("completed");
        bus.finished();
      },
      cancelTask: async () => {},
    });
    const inputs = { search: { found: 2 } };
    const options = { context: "conversation" as const };
    const called = await callAgent({ url: server.url, protocol: "a2a", options }, { inputs });
    expect(dataOf(called)).toEqual({
      answer: "It scatters.",
      score: 1,
      citations: [{ url: "https://example.org/sky", title: "sky.html", media_type: "text/html" }],
    });
    expect(called.text).toBe("It scatters.");
    expect(called.progress).toEqual(streaming ? ["looking up"] : []);
    expect(asked).toMatchObject([
      {
        kind: "message",
        role: "user",
        messageId: "e1.say",
        contextId: "c1",
        parts: [says("Why is the sky blue?"), { kind: "data", data: inputs }],
      },
    ]);
    await server.close();
  });

  test("a message is the answer, and a task that asks takes its answer", async () => {
    const contexts: string[] = [];
    const server = await serve(streaming, {
      execute: async ({ taskId, contextId, userMessage, task }, bus) => {
        contexts.push(contextId);
        const [part] = userMessage.parts;
        if (task !== undefined && part?.kind === "text") {
          const status = { state: "completed" as const, message: message(`To ${part.text}.`) };
          bus.publish({ kind: "status-update", taskId, contextId, status, final: true });
        } else if (part?.kind === "text" && part.text === "Hi") {
          bus.publish(message("Hello."));
        } else {
          const status = { state: "input-required" as const, message: message("Which city?") };
          bus.publish({ kind: "task", id: taskId, contextId, status });
        }
        bus.finished();
      },
      cancelTask: async () => {},
    });
    const agent = { url: server.url, protocol: "a2a" as const, options: {} };
    expect(dataOf(await callAgent(agent, { query: "Hi" }))).toEqual({ answer: "Hello." });
    const { outcome } = await callAgent(agent);
    expect(outcome).toMatchObject({ ok: "asks", prompt: { question: "Which city?" } });
    if (outcome.ok !== "asks") throw new Error("it did not ask");
    const answer = { continuation: outcome.continuation, data: { answer: "Bern" } };
    expect(dataOf(await callAgent(agent, {}, { answer }))).toEqual({ answer: "To Bern." });
    expect(contexts.at(-1)).toBe(outcome.continuation["context_id"]);
    await server.close();
  });
});

describe("an agent by hand", () => {
  let agents: AgentServer;
  let hand: TaskAgents;
  beforeAll(async () => {
    agents = await startAgentServer();
    hand = taskAgents(agents);
  });
  afterAll(() => agents.close());

  const own = { taskId: "t1", contextId: "x1" };
  const begun = { kind: "task", id: "t1", contextId: "x1", status: { state: "working" } };
  const text = (said: string) => ({ artifactId: "a", parts: [{ kind: "text", text: said }] });
  const piece = (said: string) => ({ kind: "artifact-update", ...own, artifact: text(said), append: true });
  const ended = (state: string) => ({ kind: "status-update", ...own, status: { state }, final: true });
  const done = { ...begun, status: { state: "completed" }, artifacts: [text("One two three")] };
  const streaming = (url: string) => earlierCard(url, true);

  test("whose stream breaks is taken up again, and asked for its task", async () => {
    const path = hand.start(
      {
        "message/stream": events([begun, piece("One ")], (response) => response.destroy()),
        "tasks/resubscribe": fails(-32_004),
        "tasks/get": result(done),
      },
      true,
      streaming,
    );
    const called = await hand.run(path);
    expect([dataOf(called), called.text]).toEqual([{ answer: "One two three" }, "One two three"]);
    expect(hand.methodsOf(path)).toEqual(["message/stream", "tasks/resubscribe", "tasks/get"]);
    expect(hand.sentTo(path).at(-1)?.params).toEqual({ id: "t1" });
    expect(agents.callsOf(`${path}/rpc`)[0]?.headers["a2a-version"]).toBe("0.3");
  });

  test("is told to cancel a task that was given up", async () => {
    const leaving = new AbortController();
    const path = hand.start(
      {
        "message/stream": events([begun, piece("One ")], (response) => response.destroy()),
        "tasks/resubscribe": () => leaving.abort(),
        "tasks/cancel": result({ ...begun, status: { state: "canceled" } }),
      },
      true,
      streaming,
    );
    await hand.run(path, {}, {}, {}, leaving.signal);
    await eventually(
      async () => hand.methodsOf(path),
      (all) => all.includes("tasks/cancel"),
    );
    expect(hand.sentTo(path).at(-1)?.params).toEqual({ id: "t1" });
  });

  test("that does not stream is asked to answer when it is done", async () => {
    const path = hand.start({ "message/send": result(done) }, false, (url) => earlierCard(url, false));
    expect(dataOf(await hand.run(path))).toEqual({ answer: "One two three" });
    expect(hand.sentTo(path)[0]?.params.configuration).toMatchObject({ blocking: true });
  });

  test.each<[string, object]>([
    ["failed", { status: 500, retry: "yes" }],
    ["rejected", { status: 422, retry: "no" }],
    ["canceled", { status: 422, retry: "no" }],
    ["auth-required", { status: 422, retry: "no" }],
  ])("whose task is %s fails the stage", async (state, error) => {
    const path = hand.start({ "message/stream": events([begun, ended(state)]) }, true, streaming);
    expect(errorOf(await hand.run(path))).toMatchObject(error);
  });

  const earlierFace = (url: string) => ({ url, protocolBinding: "JSONRPC", protocolVersion: "0.3" });
  test.each<[string, (url: string) => object]>([
    ["it beside others", (url) => cardOf("", true, { supportedInterfaces: [earlierFace(url)] })],
    [
      "its transport by name",
      (url) => ({ ...earlierCard(url, true), preferredTransport: "JSONRPC", protocolVersion: "0.3" }),
    ],
    [
      "another transport first",
      (url) => ({
        ...earlierCard("http://127.0.0.1:1", true),
        preferredTransport: "GRPC",
        additionalInterfaces: [
          { url: "http://127.0.0.1:1", transport: "GRPC" },
          { url, transport: "JSONRPC" },
        ],
      }),
    ],
  ])("whose card names %s is called", async (_name, card) => {
    const path = hand.start({ "message/stream": events([done]) }, true, card);
    expect(dataOf(await hand.run(path))).toEqual({ answer: "One two three" });
  });

  test("that refuses version 1.0, and has an interface of 0.3, is called by that", async () => {
    const path = hand.start(
      { SendStreamingMessage: fails(-32_009), "message/stream": events([done]) },
      true,
      (url) => ({ ...cardOf(url, true), ...earlierCard(url, true) }),
    );
    expect(dataOf(await hand.run(path))).toEqual({ answer: "One two three" });
    expect(hand.methodsOf(path)).toEqual(["SendStreamingMessage", "message/stream"]);
    // It is not asked again what it does not speak.
    await hand.run(path);
    expect(hand.methodsOf(path).slice(2)).toEqual(["message/stream"]);
  });

  test.each<[string, (url: string) => object]>([
    ["an earlier version alone", (url) => ({ ...earlierCard(url, true), protocolVersion: "0.2.6" })],
    ["no version", (url) => ({ ...earlierCard(url, true), protocolVersion: undefined })],
    ["another transport alone", (url) => ({ ...earlierCard(url, true), preferredTransport: "GRPC" })],
  ])("whose card names %s is not called", async (_name, card) => {
    const path = hand.start({ "message/stream": events([done]) }, true, card);
    expect(errorOf(await hand.run(path))).toMatchObject({
      retry: "once",
      message: expect.stringContaining("no JSONRPC interface of version 1 or 0.3"),
    });
    expect(hand.sentTo(path)).toEqual([]);
  });
});
