// A chat whose stream is broken: its connection is cut, or the run's object leaves memory. Each word is shown once.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { startLine } from "../../../support/servers/console.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { chatOf, metadataOf, shownTexts, type TestChat } from "./clients.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let line: Awaited<ReturnType<typeof startLine>>;
let chats = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  ({ slow } = await protocolAgents(agents, coordinator));
  await coordinator.pipeline("reviewed", [
    { name: "review", wait: { prompt: "{'question': 'Go on?'}" } },
    { name: "answer", agent_type: "t_slow", depends_on: ["review"] },
  ]);
  line = await startLine(Number(new URL(coordinator.url).port));
});

afterAll(() => closeAll(coordinator, agents, line));

const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const shows = (chat: TestChat, text: string) => until(() => shownTexts(chat).join("|") === text);
const runOf = (chat: TestChat) => String(metadataOf(chat)["execution_id"]);

describe.each(["6", "7", "7 with ui=7"] as const)("version %s", (version) => {
  const open = (pipeline: string) =>
    chatOf(version, `${line.url}/v1/pipelines/${pipeline}/chat`, { id: `broken-${(chats += 1)}` });

  test("resumes in the same chat after its connection was cut", async () => {
    const chat = open("slow");
    const before = slow.calls;
    const sending = chat.sendMessage({ text: "Cut?" });
    await until(() => slow.calls > before);
    slow.say(3);
    await shows(chat, "w0 w1 w2 ");
    line.cut();
    await sending;
    expect(chat.status).toBe("error");
    slow.say(2);
    line.mend();
    const resuming = chat.resumeStream();
    await shows(chat, "w0 w1 w2 w3 w4 ");
    const whole = slow.end();
    await resuming;
    expect([shownTexts(chat), chat.status, chat.messages.length]).toEqual([[whole], "ready", 2]);
  });

  test("reads on where the run's object has left memory", async () => {
    const chat = open("reviewed");
    const sending = chat.sendMessage({ text: "Evicted?" });
    await until(() => chat.messages.at(-1)?.parts.some(({ type }) => type === "data-wait") === true);
    await coordinator.evict(runOf(chat));
    const before = slow.calls;
    const path = `/v1/executions/${runOf(chat)}/stages/review/complete`;
    expect((await coordinator.api("POST", path, { data: {} })).status).toBe(200);
    await until(() => slow.calls > before);
    slow.say(2);
    await shows(chat, "w0 w1 ");
    const whole = slow.end();
    await sending;
    expect([shownTexts(chat), chat.status, metadataOf(chat)["status"]]).toEqual([
      [whole],
      "ready",
      "completed",
    ]);
  });
});
