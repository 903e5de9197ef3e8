// The pages of fixtures/chat in a real browser, at an origin of their own: one with useChat, one with fetch and
// EventSource. Each asks, stops, is loaded again in mid-answer, is open twice, lets its reader approve, and comes back
// after its connection broke.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chatPages } from "../../fixtures/chat/serve.ts";
import { REVIEWED } from "../../fixtures/pipelines/reviewed.ts";
import { type AgentServer, answers, startAgentServer } from "../support/agents/agent-server.ts";
import { ANSWER, protocolAgents, type SlowWords } from "../support/agents/protocol-agents.ts";
import { startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { eventually } from "../support/eventually.ts";
import { startLine } from "../support/servers/console.ts";
import { type Coordinator, startCoordinator } from "../support/servers/coordinator.ts";
import { type Loopback, onLoopback } from "../support/servers/loopback.ts";

let agents: AgentServer;
let site: Loopback;
let coordinator: Coordinator;
let line: Awaited<ReturnType<typeof startLine>>;
let browser: Browser;
let slow: SlowWords;
let context: BrowserContext;

beforeAll(async () => {
  agents = await startAgentServer();
  site = await onLoopback(await chatPages());
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_CORS_ORIGINS: site.url });
  ({ slow } = await protocolAgents(agents, coordinator));
  agents.on("/rag", answers({ query: "q", sources: [], answer: "A draft." }));
  agents.on("/publish", answers({ answer: "Published." }));
  for (const { agent_type } of REVIEWED.stages) {
    const path = agent_type === "publish" ? "/publish" : "/rag";
    if (agent_type !== undefined) await coordinator.agent(agent_type, agents.url(path));
  }
  await coordinator.pipeline("reviewed", REVIEWED.stages);
  line = await startLine(Number(new URL(coordinator.url).port));
  browser = await startBrowser();
});

afterAll(() => closeAll(browser, coordinator, agents, line, site));

beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(() => context.close());

const PAGES = ["use-chat.html", "events.html"] as const;

describe.each(PAGES)("%s", (name) => {
  const complaints: string[] = [];

  async function open(pipeline: string): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(
      `${site.url}/${name}?${new URLSearchParams({ coordinator: line.url, pipeline }).toString()}`,
    );
    await page.getByRole("button", { name: "Ask" }).waitFor();
    return page;
  }

  async function ask(page: Page, question: string): Promise<void> {
    await page.getByLabel("Question").fill(question);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
  }

  const textsOf = (page: Page) => page.locator(".assistant .text").allTextContents();
  const reads = (page: Page, ...texts: string[]) =>
    eventually(
      () => textsOf(page),
      (shown) => JSON.stringify(shown) === JSON.stringify(texts),
    );
  const stages = (page: Page) =>
    page
      .locator(".assistant")
      .last()
      .locator(".stages li")
      .evaluateAll((all) =>
        all.map((one) => `${(one as unknown as { className: string }).className} ${one.textContent}`),
      );
  const pressed = (page: Page, button: string) =>
    page.getByRole("button", { name: button, exact: true }).click();

  /** Asks the slow agent, and lets it say three words. */
  async function begun(): Promise<Page> {
    const page = await open("slow");
    const before = slow.calls;
    await ask(page, "Slowly?");
    await eventually(
      async () => slow.calls,
      (calls) => calls > before,
    );
    slow.say(3);
    await reads(page, "w0 w1 w2 ");
    return page;
  }

  test("shows stages, the answer and its sources, and the next question's", async () => {
    const page = await open("full");
    await ask(page, "How cheap is solar?");
    await reads(page, ANSWER);
    await eventually(
      () => stages(page),
      (all) => all.includes("completed answer"),
    );
    expect(await stages(page)).toEqual([
      "completed plan",
      "completed retrieve",
      "skipped skipped",
      "failed opt",
      "completed answer",
    ]);
    expect(await page.locator(".sources li").allTextContents()).toEqual(["[1] Solar power", "[2] Wind"]);
    expect(await page.locator(".sources a").getAttribute("href")).toBe("https://example.org/wind");
    await ask(page, "And wind?");
    await reads(page, ANSWER, ANSWER);
    expect(agents.callsOf("/answer").at(-1)?.body.history).toMatchObject([{ query: "How cheap is solar?" }]);
    await page.reload();
    await reads(page, ANSWER, ANSWER);
    expect(await page.locator(".user").allTextContents()).toEqual(["How cheap is solar?", "And wind?"]);
  });

  test("asks again in the place of the answer", async () => {
    const page = await open("full");
    await ask(page, "How cheap is solar?");
    await reads(page, ANSWER);
    const before = agents.callsOf("/answer").length;
    await pressed(page, "Answer again");
    await eventually(
      async () => agents.callsOf("/answer").length,
      (calls) => calls > before,
    );
    await reads(page, ANSWER);
    await page.reload();
    await reads(page, ANSWER);
    expect(await page.locator(".user").allTextContents()).toEqual(["How cheap is solar?"]);
  });

  test("stops the run, and keeps what was said", async () => {
    const page = await begun();
    await pressed(page, "Stop");
    await page.getByText("cancelled", { exact: true }).waitFor();
    slow.end();
    expect(await textsOf(page)).toEqual(["w0 w1 w2 "]);
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
  });

  test("goes on where it is loaded again in mid-answer, and in a second tab", async () => {
    const page = await begun();
    await page.reload();
    await reads(page, "w0 w1 w2 ");
    const other = await context.newPage();
    await other.goto(page.url());
    await reads(other, "w0 w1 w2 ");
    slow.say(2);
    await reads(page, "w0 w1 w2 w3 w4 ");
    const whole = slow.end();
    await reads(page, whole);
    await reads(other, whole);
    expect(await other.locator(".user").allTextContents()).toEqual(["Slowly?"]);
    // A tab that is open hears of what another one asks.
    const before = slow.calls;
    await ask(other, "Again?");
    await eventually(
      async () => slow.calls,
      (calls) => calls > before,
    );
    slow.say(1);
    await reads(page, whole, "w0 ");
    const last = slow.end();
    await Promise.all([reads(page, whole, last), reads(other, whole, last)]);
    expect(await page.locator(".user").allTextContents()).toEqual(["Slowly?", "Again?"]);
  });

  test("has each word once after its connection broke", async () => {
    const page = await begun();
    line.cut();
    slow.say(2);
    if (name === "use-chat.html") await page.getByRole("button", { name: "Reconnect" }).waitFor();
    line.mend();
    if (name === "use-chat.html") await pressed(page, "Reconnect");
    await reads(page, "w0 w1 w2 w3 w4 ");
    await reads(page, slow.end());
  });

  test.each([
    ["Approve", "completed publish", ["Published."]],
    ["Reject", "skipped publish", []],
  ])("lets its reader decide: %s", async (button, published, texts) => {
    const page = await open("reviewed");
    await ask(page, "Publish?");
    await page.getByText("Publish this answer?").waitFor();
    expect(await page.locator(".question p").textContent()).toBe("A draft.");
    await page.reload();
    await page.getByText("A draft.").waitFor();
    await pressed(page, button);
    await eventually(
      () => stages(page),
      (all) => all.includes(published),
    );
    await reads(page, ...texts);
  });

  test("asks nothing where the coordinator is another's", async () => {
    const page = await context.newPage();
    const foreign = site.url.replace("127.0.0.1", "localhost");
    await page.route(`${foreign}/**`, async (route) => {
      const response = await fetch(route.request().url().replace("localhost", "127.0.0.1"));
      const type = response.headers.get("content-type") ?? "";
      await route.fulfill({ body: await response.text(), contentType: type });
    });
    const refused = page.waitForEvent("requestfailed");
    await page.goto(`${foreign}/${name}?${new URLSearchParams({ coordinator: line.url }).toString()}`);
    expect((await refused).url()).toContain("/v1/");
  });

  test("makes no errors of scripts", () => {
    expect(complaints).toEqual([]);
  });
});
