// Questions as the AI SDK's tool approvals, in versions 6 and 7: the stream ends with the question, the hook's approval
// sends the message again, and it goes on with the same run.
import type { UIMessage } from "ai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AgentServer, inTurn, startAgentServer } from "../../../support/agents/agent-server.ts";
import {
  asks,
  end,
  finished,
  say,
  start,
  STARTED,
  streamsRun,
} from "../../../support/agents/ag-ui-events.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { chatOf, metadataOf, shownText, shownTexts, stagesOf, type TestChat } from "./clients.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let chats = 0;

const properties = { approved: { type: "boolean" }, remark: { type: "string" } };
const question = (name: string, required: string[] = ["approved"]) => ({
  name,
  parallel: true,
  wait: { prompt: `{'question': '${name}?'}`, schema: { type: "object", required, properties } },
});

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  ({ slow } = await protocolAgents(agents, coordinator));
  const answer = { name: "answer", agent_type: "t_answer", depends_on: ["first", "second"] };
  await coordinator.pipeline("beside", [
    { name: "left", agent_type: "t_left", parallel: true },
    question("first"),
    { ...answer, depends_on: ["first"] },
  ]);
  await coordinator.pipeline("two", [question("first"), question("second"), answer]);
  await coordinator.pipeline("later", [
    question("first"),
    { name: "answer", agent_type: "t_slow", depends_on: ["first"] },
  ]);
  await coordinator.pipeline("remarked", [question("first", ["approved", "remark"])]);
  await coordinator.pipeline("booking", [{ name: "book", agent_type: "booking", on_input_required: "wait" }]);
});

afterAll(() => closeAll(coordinator, agents));

interface ToolPart {
  type: string;
  state: string;
  toolName: string;
  input: unknown;
  approval?: { id: string };
}

const toolsOf = ({ messages }: TestChat) =>
  (messages.at(-1)?.parts ?? []).filter(({ type }) => type === "dynamic-tool") as unknown as ToolPart[];
const stateOf = (chat: TestChat) => toolsOf(chat).map(({ toolName, state }) => `${toolName} ${state}`);
const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
const executionOf = async (chat: TestChat) =>
  (await coordinator.api("GET", `/v1/executions/${String(metadataOf(chat)["execution_id"])}`)).body;

async function respond(chat: TestChat, at: number, approved: boolean, reason?: string): Promise<void> {
  const id = toolsOf(chat)[at]?.approval?.id ?? "";
  await chat.addToolApprovalResponse?.({ id, approved, ...(reason === undefined ? {} : { reason }) });
}

const hasEnded = (chat: TestChat) =>
  until(() => chat.status === "ready" && metadataOf(chat)["status"] === "completed");

describe.each(["6", "7", "7 with ui=7"] as const)("version %s", (version) => {
  let id = "";
  beforeEach(() => {
    id = `approval-${(chats += 1)}`;
  });
  const open = (pipeline: string, messages: UIMessage[] = []) =>
    chatOf(version, `${coordinator.url}/v1/pipelines/${pipeline}/chat?approvals`, {
      id,
      messages,
      approves: true,
    });

  async function asked(pipeline: string): Promise<TestChat> {
    const chat = open(pipeline);
    await chat.sendMessage({ text: "Publish?" });
    expect([chat.status, metadataOf(chat)["status"]]).toEqual(["ready", "waiting"]);
    expect((await executionOf(chat)).status).toBe("waiting");
    return chat;
  }

  test("a yes lets the run go on, in the same message", async () => {
    const chat = await asked("asking");
    expect(toolsOf(chat)).toMatchObject([
      { toolName: "review", state: "approval-requested", input: { question: "Publish this?" } },
    ]);
    const run = metadataOf(chat)["execution_id"];
    await respond(chat, 0, true);
    await hasEnded(chat);
    expect(stateOf(chat)).toEqual(["review output-available"]);
    expect([chat.messages.length, shownText(chat), chat.messages.at(-1)?.id]).toEqual([2, ANSWER, run]);
    expect((await executionOf(chat)).stage_results.review).toMatchObject({
      data: { approved: true },
      answered_by: "key:local",
    });
  });

  test("a no with its reason is an answer, too", async () => {
    const chat = await asked("two");
    await respond(chat, 0, false, "Not now");
    await respond(chat, 1, true);
    await hasEnded(chat);
    expect(stateOf(chat)).toEqual(["first output-denied", "second output-available"]);
    const { stage_results } = await executionOf(chat);
    expect(stage_results.first.data).toEqual({ approved: false, remark: "Not now" });
    expect(shownText(chat)).toBe(ANSWER);
  });

  test("what was said before the question is there once", async () => {
    const chat = await asked("beside");
    expect(shownTexts(chat)).toEqual(["Left"]);
    await respond(chat, 0, true);
    await hasEnded(chat);
    expect(shownTexts(chat)).toEqual(["Left", ANSWER]);
    expect(stagesOf(chat)).toEqual({ left: "completed", first: "completed", answer: "completed" });
  });

  test("a page that is loaded again asks again, and one in mid-answer passes the question", async () => {
    const chat = await asked("later");
    const kept = chat.messages.slice(0, 1);
    const again = open("later", kept);
    await again.resumeStream();
    expect([again.status, stateOf(again)]).toEqual(["ready", ["first approval-requested"]]);
    const before = slow.calls;
    void respond(again, 0, true);
    await until(() => slow.calls > before);
    slow.say(2);
    await until(() => shownText(again) === "w0 w1 ");
    const third = open("later", kept);
    const resuming = third.resumeStream();
    await until(() => shownText(third) === "w0 w1 ");
    const whole = slow.end();
    await resuming;
    await hasEnded(again);
    expect([shownTexts(again), shownTexts(third)]).toEqual([[whole], [whole]]);
    expect(stateOf(third)).toEqual(["first output-available"]);
  });

  test("an agent asks for one approval after another, and goes on with each", async () => {
    const responseSchema = { type: "object", required: ["approved"], properties };
    const approval = (id: string, message: string) =>
      streamsRun([STARTED, asks({ id, reason: "approval", message, responseSchema })]);
    const booked = streamsRun([STARTED, start("m"), say("m", "Booked."), end("m"), finished()]);
    const name = `booking-${id}`;
    agents.on(`/${name}`, inTurn(approval("i1", "Book?"), approval("i2", "Pay?"), booked));
    const url = agents.url(`/${name}`);
    await coordinator.api("PUT", `/v1/agents/${name}`, { url, protocol: "ag-ui" });
    await coordinator.pipeline(name, [{ name: "book", agent_type: name, on_input_required: "wait" }]);
    const chat = await asked(name);
    expect(stateOf(chat)).toEqual(["book approval-requested"]);
    await respond(chat, 0, true);
    const second = ["book output-available", "book approval-requested"];
    await until(() => chat.status === "ready" && stateOf(chat).length === 2);
    expect([stateOf(chat), metadataOf(chat)["status"]]).toEqual([second, "waiting"]);
    const again = open(name, chat.messages.slice(0, 1));
    await again.resumeStream();
    expect(stateOf(again)).toEqual(second);
    await respond(again, 1, true);
    await hasEnded(again);
    expect(stateOf(again)).toEqual(["book output-available", "book output-available"]);
    expect(shownText(again)).toBe("Booked.");
  });

  test("an answer that comes too late shows what another one has decided", async () => {
    const chat = await asked("asking");
    const run = String(metadataOf(chat)["execution_id"]);
    const path = `/v1/executions/${run}/stages/review/complete`;
    expect((await coordinator.api("POST", path, { data: { approved: false } })).status).toBe(200);
    await respond(chat, 0, true);
    await hasEnded(chat);
    expect([stateOf(chat), stagesOf(chat)["answer"]]).toEqual([["review output-denied"], "skipped"]);
  });

  test("an approval in another chat, or of what takes more than a yes, is none", async () => {
    const chat = await asked("asking");
    const messages = structuredClone(chat.messages);
    const part = messages.at(-1)?.parts.find(({ type }) => type === "dynamic-tool") as unknown as ToolPart;
    Object.assign(part, { state: "approval-responded", approval: { id: part.approval?.id, approved: true } });
    const sent = { id: "another", messages };
    expect((await coordinator.api("POST", "/v1/pipelines/asking/chat?approvals", sent)).status).toBe(404);
    expect((await executionOf(chat)).status).toBe("waiting");
    const more = open("remarked");
    void more.sendMessage({ text: "More?" });
    await until(() => more.messages.at(-1)?.parts.some(({ type }) => type === "data-wait") === true);
    expect([more.status, stateOf(more)]).toEqual(["streaming", []]);
    await more.stop();
  });
});
