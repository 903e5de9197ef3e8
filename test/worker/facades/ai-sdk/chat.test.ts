// useChat of the AI SDK, versions 5, 6 and 7, against the coordinator in real workerd, with nothing but the URL.
import { convertToModelMessages, validateUIMessages } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { chatOf, metadataOf, shownText, shownTexts, stagesOf, type TestChat, VERSIONS } from "./clients.ts";

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

const api = (pipeline: string) => `${coordinator.url}/v1/pipelines/${pipeline}/chat`;
const chatId = () => `chat-${(chats += 1)}`;
/** Sends a question to the slow pipeline; resolves once its agent has been called. */
async function ask(chat: TestChat, text: string): Promise<{ sending: Promise<void> }> {
  const before = slow.calls;
  const sending = chat.sendMessage({ text });
  await until(() => slow.calls > before);
  return { sending };
}
const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const executionOf = async (chat: TestChat) =>
  (await coordinator.api("GET", `/v1/executions/${String(metadataOf(chat)["execution_id"])}`)).body;

describe.each(VERSIONS)("useChat of version %s", (version) => {
  const open = (pipeline: string, id = chatId(), more: object = {}) =>
    chatOf(version, api(pipeline), { id, ...more });

  test("a question is answered: text, stages, sources, progress, usage", async () => {
    const transient: unknown[] = [];
    const chat = open("full", chatId(), {
      onData: (part: { type: string; data: unknown }) => transient.push(part),
    });
    expect(chat.status).toBe("ready");
    await chat.sendMessage({ text: "How cheap is solar?" });
    expect([chat.status, chat.error]).toEqual(["ready", undefined]);
    expect(chat.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(shownText(chat)).toBe(ANSWER);
    expect(stagesOf(chat)).toEqual({
      plan: "completed",
      retrieve: "completed",
      skipped: "skipped",
      opt: "failed",
      answer: "completed",
    });
    const last = chat.messages.at(-1);
    const metadata = metadataOf(chat);
    expect(last?.id).toBe(metadata["execution_id"]);
    expect(metadata).toMatchObject({
      conversation_id: expect.stringContaining("chat-"),
      pipeline: "full",
      pipeline_version: 1,
      status: "completed",
      usage: { inputTokens: 12, outputTokens: 7, totalTokens: 19 },
    });
    const sources = (last?.parts ?? []).filter(({ type }) => type.startsWith("source-"));
    expect(sources).toMatchObject([
      {
        type: "source-document",
        mediaType: "text/markdown",
        title: "Solar power",
        filename: "solar-power.md",
      },
      { type: "source-url", url: "https://example.org/wind", title: "Wind" },
    ]);
    expect(JSON.stringify(last?.parts)).not.toContain("searching");
    expect(JSON.stringify(transient)).toContain("searching");
    expect((await executionOf(chat)).status).toBe("completed");
    if (version.startsWith("7")) {
      expect(await validateUIMessages({ messages: chat.messages })).toHaveLength(2);
      expect(await convertToModelMessages(chat.messages)).toHaveLength(2);
    }
  });

  test("agents get the client's messages as the history, which is not remembered", async () => {
    const id = chatId();
    const chat = open("full", id);
    await chat.sendMessage({ text: "First?" });
    await chat.sendMessage({ text: "Second?" });
    expect(chat.messages).toHaveLength(4);
    expect(agents.callsOf("/answer").at(-1)?.body).toMatchObject({
      query: "Second?",
      conversation_id: id,
      history: [{ query: "First?", answer: { answer: ANSWER } }],
    });
    const { body } = await coordinator.api("GET", `/v1/conversations/${id}`);
    expect(body.data.map(({ query }: { query: string }) => query)).toEqual(["First?"]);
  });

  test("regenerate is a fork that runs the last stage again", async () => {
    const chat = open("full");
    await chat.sendMessage({ text: "Once?" });
    const [first, before] = [metadataOf(chat)["execution_id"], agents.callsOf("/plan").length];
    await chat.regenerate();
    expect([chat.messages.length, chat.status, shownText(chat)]).toEqual([2, "ready", ANSWER]);
    const again = await executionOf(chat);
    expect(again.execution_id).not.toBe(first);
    expect(again.forked_from.execution_id).toBe(first);
    expect(agents.callsOf("/plan")).toHaveLength(before);
  });

  test("a text that begins wrong and is tried again is shown once", async () => {
    const chat = open("flaky");
    await coordinator.agent("t_flaky", agents.url("/flaky"));
    const calls = agents.callsOf("/flaky").length;
    await chat.sendMessage({ text: "Which?" });
    expect(agents.callsOf("/flaky").length).toBeGreaterThan(calls);
    expect(shownTexts(chat)).toEqual(["Right answer"]);
    expect(stagesOf(chat)).toEqual({ answer: "completed" });
  });

  test("two last stages are two texts", async () => {
    const chat = open("both");
    await chat.sendMessage({ text: "Both?" });
    expect(shownTexts(chat).toSorted()).toEqual(["Left", "Right"]);
  });

  test("a run that fails is an error of the chat, and a message may follow", async () => {
    const chat = open("fail");
    await chat.sendMessage({ text: "Why?" });
    expect([chat.status, chat.error?.message]).toEqual(["error", "answer: cannot do that"]);
    expect(metadataOf(chat)).toMatchObject({ status: "failed", error: { code: "AGENT_PROCESSING_ERROR" } });
    expect(stagesOf(chat)).toEqual({ answer: "failed" });
  });

  test("an error before the stream has the problem's words", async () => {
    const chat = open("nowhere");
    await chat.sendMessage({ text: "Who?" });
    expect([chat.status, chat.error?.message]).toEqual([
      "error",
      expect.stringContaining("PIPELINE_NOT_FOUND"),
    ]);
  });

  test("stop leaves the run alone, and it is taken up again with its whole text", async () => {
    const id = chatId();
    const chat = open("slow", id);
    const { sending } = await ask(chat, "Slowly?");
    slow.say(3);
    await until(() => shownText(chat) === "w0 w1 w2 ");
    expect(chat.status).toBe("streaming");
    await chat.stop();
    await sending;
    slow.say(2);
    // A reload: another page with the messages that were kept.
    const reloaded = open("slow", id, { messages: chat.messages.slice(0, 1) });
    const resuming = reloaded.resumeStream();
    await until(() => shownText(reloaded) === "w0 w1 w2 w3 w4 ");
    slow.say(1);
    slow.end();
    await resuming;
    expect([shownText(reloaded), reloaded.status]).toEqual(["w0 w1 w2 w3 w4 w5 ", "ready"]);
    // There is nothing to take up any more.
    await reloaded.resumeStream();
    expect(reloaded.status).toBe("ready");
  });

  test("the stop endpoint ends the run, and what was said is kept", async () => {
    const id = chatId();
    const chat = open("slow", id);
    const { sending } = await ask(chat, "Stop me?");
    slow.say(2);
    await until(() => shownText(chat) === "w0 w1 ");
    const stopped = await coordinator.api("POST", `/v1/pipelines/slow/chat/${id}/stop`, {});
    expect([stopped.status, stopped.body]).toEqual([200, { success: true }]);
    await sending;
    slow.end();
    expect([chat.status, shownText(chat)]).toEqual(["ready", "w0 w1 "]);
    expect((await executionOf(chat)).status).toBe("cancelled");
  });

  test("a stream goes on over an eviction of the run's object, with each word once", async () => {
    const chat = open("slow");
    const { sending } = await ask(chat, "Evicted?");
    slow.say(2);
    await until(() => shownText(chat) === "w0 w1 ");
    const calls = slow.calls;
    await coordinator.abort(String(metadataOf(chat)["execution_id"]));
    await until(() => slow.calls > calls);
    slow.say(4);
    slow.end();
    await sending;
    expect([chat.status, shownTexts(chat)]).toEqual(["ready", ["w0 w1 w2 w3 "]]);
  });

  test("a pause is seen, and the stream stays open until the run goes on", async () => {
    const chat = open("slow");
    const { sending } = await ask(chat, "Paused?");
    slow.say(1);
    await until(() => shownText(chat) === "w0 ");
    const path = `/v1/executions/${String(metadataOf(chat)["execution_id"])}`;
    await coordinator.api("POST", `${path}/pause`, { mode: "drain" });
    await until(() => metadataOf(chat)["status"] === "paused");
    expect(chat.status).toBe("streaming");
    await coordinator.api("POST", `${path}/resume`);
    slow.say(1);
    slow.end();
    await sending;
    expect([shownText(chat), metadataOf(chat)["status"]]).toEqual(["w0 w1 ", "completed"]);
  });

  test("a question to a person is a part of the message, and its answer makes the run go on", async () => {
    const chat = open("asking");
    const sending = chat.sendMessage({ text: "Ask?" });
    const questionIn = () =>
      (
        chat.messages.at(-1)?.parts.find(({ type }) => type === "data-wait") as
          | { data: Record<string, unknown> }
          | undefined
      )?.data;
    await until(() => questionIn() !== undefined);
    expect(questionIn()).toMatchObject({
      stage: "review",
      status: "waiting",
      prompt: { question: "Publish this?" },
      schema: { required: ["approved"] },
    });
    const answered = await coordinator.api("POST", String(questionIn()?.["answer"]), {
      data: { approved: true },
    });
    expect(answered.status).toBe(200);
    await sending;
    expect(questionIn()?.["status"]).toBe("answered");
    expect(shownText(chat)).toBe(ANSWER);
  });
});
