// useChat itself, in React 19: a page asks, shows the answer as it comes, stops it, is loaded again in mid-answer, is
// open twice, and loses its connection.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../../../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../../../support/agents/protocol-agents.ts";
import { closeAll } from "../../../support/close.ts";
import { eventually } from "../../../support/eventually.ts";
import { startLine } from "../../../support/servers/console.ts";
import { type Coordinator, startCoordinator } from "../../../support/servers/coordinator.ts";
import { type HookPage, openHookPage, type PageOptions } from "./hook-page.ts";

type Line = Awaited<ReturnType<typeof startLine>>;

let agents: AgentServer;
let coordinator: Coordinator;
let slow: SlowWords;
let line: Line;
let chats = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
  ({ slow } = await protocolAgents(agents, coordinator));
  line = await startLine(Number(new URL(coordinator.url).port));
});

afterAll(() => closeAll(coordinator, agents, line));

const chatId = () => `page-${(chats += 1)}`;
const open = (pipeline: string, id: string, more: Partial<PageOptions> = {}) =>
  openHookPage({ api: `${line.url}/v1/pipelines/${pipeline}/chat?ui=7`, id, ...more });
const until = (holds: () => boolean | Promise<boolean>) => eventually(async () => holds(), Boolean);
/** The page's effects have run, and there was nothing to take up. */
const rendered = (page: HookPage) => until(() => page.looked.length > 0 && !page.looked.includes(null));
const runsOf = async (id: string) =>
  (await coordinator.api("GET", `/v1/executions?conversation_id=${id}`)).body.data as {
    status: string;
    forked_from?: { execution_id: string };
  }[];
const over = (page: HookPage) => until(() => page.chat.status === "ready" && page.chat.messages.length > 1);

/** Asks the slow agent, and says three words. */
async function begun(id = chatId()): Promise<{ id: string; page: HookPage }> {
  const page = open("slow", id);
  await rendered(page);
  const before = slow.calls;
  page.press("ask");
  await until(() => slow.calls > before);
  slow.say(3);
  await until(() => page.text() === "w0 w1 w2 ");
  expect(page.statuses).toEqual(["ready", "submitted", "streaming"]);
  return { id, page };
}

test("a question is answered on the page, and asked again as a fork", async () => {
  const id = chatId();
  const page = open("full", id);
  await rendered(page);
  page.press("ask");
  await over(page);
  expect(page.text()).toBe(ANSWER);
  const [first] = page.chat.messages.slice(-1);
  page.press("again");
  await until(() => page.chat.status === "ready" && page.chat.messages.at(-1)?.id !== first?.id);
  await over(page);
  expect([page.text(), page.chat.messages.length]).toEqual([ANSWER, 2]);
  expect((await runsOf(id)).map(({ forked_from }) => forked_from?.execution_id)).toEqual([
    first?.id,
    undefined,
  ]);
  page.close();
});

test("a page that is loaded again in mid-answer shows all of it, also where it kept a half", async () => {
  for (const kept of [1, 2]) {
    const { id, page } = await begun();
    const messages = structuredClone(page.chat.messages).slice(0, kept);
    page.close();
    const again = open("slow", id, { messages });
    slow.say(1);
    await until(() => again.text() === "w0 w1 w2 w3 ");
    expect(again.chat.status).toBe("streaming");
    slow.say(1);
    const whole = slow.end();
    await over(again);
    expect([again.text(), again.chat.messages.map(({ role }) => role)]).toEqual([
      whole,
      ["user", "assistant"],
    ]);
    expect(await runsOf(id)).toHaveLength(1);
    again.close();
  }
});

test("a page that is open twice has the answer twice, of one run", async () => {
  const { id, page } = await begun();
  const other = open("slow", id, { messages: page.chat.messages.slice(0, 1) });
  await until(() => other.text() === "w0 w1 w2 ");
  slow.say(2);
  const whole = slow.end();
  await Promise.all([over(page), over(other)]);
  expect([page.text(), other.text()]).toEqual([whole, whole]);
  expect(await runsOf(id)).toHaveLength(1);
  page.close();
  other.close();
});

test("a page that leaves the stream takes it up again, and one that stops ends the run", async () => {
  const { id, page } = await begun();
  page.press("leave");
  await until(() => page.chat.status === "ready");
  slow.say(1);
  page.press("resume");
  await until(() => page.text() === "w0 w1 w2 w3 ");
  page.press("stop");
  await until(() => page.chat.status === "ready");
  slow.end();
  expect(page.text()).toBe("w0 w1 w2 w3 ");
  expect((await runsOf(id)).map(({ status }) => status)).toEqual(["cancelled"]);
  page.close();
});

test("a page whose connection breaks in mid-answer shows each word once when it is back", async () => {
  const { id, page } = await begun();
  line.cut();
  await until(() => page.chat.status === "error");
  slow.say(2);
  line.mend();
  page.press("resume");
  await until(() => page.text() === "w0 w1 w2 w3 w4 ");
  const whole = slow.end();
  await over(page);
  expect([page.text(), page.chat.error]).toEqual([whole, undefined]);
  expect(await runsOf(id)).toHaveLength(1);
  page.close();
});
