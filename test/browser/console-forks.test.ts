// Runs again in the console, in a real browser: what a fork would reuse is shown before it starts, from a stage on, with
// another question or after a failure; a fork leads to its source and is compared with it; a queued run says its place.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../support/agents/agent-server.ts";
import { gate, register } from "../support/agents/console-agents.ts";
import { openPage, startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Complaints,
  complaintsOf,
  type ConsoleStack,
  startConsole,
} from "../support/servers/console.ts";

const QUESTION = "How does the breaker decide to open?";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: Complaints;
let conversation_id = "";
const held = gate();

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, {
    plan: answers({ steps: 2 }),
    search: answers({ found: 0 }),
    write: answers({ answer: "At five failures." }),
    held: held.behind(answers({ answer: "Done." })),
  });
  const stage = (name: string, depends_on: string[]) => ({
    name,
    agent_type: name,
    depends_on,
    cache: false,
    retry_attempts: 1,
  });
  await stack.client.configurePipeline("research", [
    stage("plan", []),
    stage("search", ["plan"]),
    stage("write", ["search"]),
  ]);
  await stack.client.configurePipeline("slow", [stage("held", [])]);
});
afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  conversation_id = `c-${crypto.randomUUID()}`;
  // Each call finds one more, so that two runs differ.
  agents.on("/search", (call, response, count) =>
    answers({ found: count }, { usage: { cost_usd: count / 10 } })(call, response, count),
  );
  agents.calls.length = 0;
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(() => context.close());

/** The run's id, once it has ended and is shown. */
async function shown(): Promise<string> {
  const { execution_id } = await stack.client.executePipeline({
    query: QUESTION,
    conversation_id,
    pipeline: "research",
  });
  await page.goto(`${stack.url}/#/run/${execution_id}`);
  await page.getByRole("article", { name: "Run" }).waitFor();
  return execution_id;
}

/** Starts what the panel shows, and waits for its end. Returns its id. */
async function start(source: string): Promise<string> {
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.waitForURL((url) => /#\/run\/ex_\w+$/.test(url.hash) && !url.hash.endsWith(source));
  await page.locator('.run[data-status="completed"]').waitFor();
  return new URL(page.url()).hash.split("/").at(-1) ?? "";
}

const node = (name: string) => page.locator(".graph").getByRole("button", { name: new RegExp(`^${name}, `) });
const listed = (name: string) => page.getByRole("list", { name }).getByRole("listitem").allTextContents();
const called = () => agents.calls.map(({ path }) => path);

test("a stage is run again with what depends on it, and the two runs are compared", async () => {
  const source = await shown();
  await node("search").click();
  await page.getByRole("button", { name: "Run again from here" }).click();
  await page.getByRole("heading", { name: "Run again from search" }).waitFor();
  await page.getByRole("list", { name: "Runs again" }).waitFor();
  expect(await listed("Runs again")).toEqual(["search chosen", "write depends on search"]);
  expect(await listed("Taken over")).toEqual(["plan"]);
  expect(called()).toEqual(["/plan", "/search", "/write"]);

  const fork = await start(source);
  expect(called()).toEqual(["/plan", "/search", "/write", "/search", "/write"]);
  expect(await node("plan").getAttribute("aria-label")).toMatch(/^plan, taken over/);
  await node("plan").click();
  await page.getByText("taken over from").getByRole("link", { name: source }).waitFor();

  const lineage = page.locator(".lineage");
  expect(await lineage.textContent()).toContain(`Forked from ${source}`);
  await lineage.getByRole("link", { name: "Compare side by side" }).click();
  await page.waitForURL(new RegExp(`#/compare/${source}/${fork}$`));
  const row = (name: string) => page.getByRole("row", { name: new RegExp(`^${name} `) });
  await row("plan").waitFor();
  expect(await row("plan").textContent()).toMatch(/^plancompleted \d.*completed taken over$/);
  expect(await row("used cost_usd").getByRole("cell").allTextContents()).toEqual(["0.1", "0.2"]);
  await page.getByText("plan is the same").waitFor();
  const diff = page.getByLabel("Difference of search");
  expect((await diff.textContent())?.split("\n").filter((line) => line.includes("found"))).toEqual([
    expect.stringMatching(/^− .*"found": 1$/),
    expect.stringMatching(/^\+ .*"found": 2$/),
  ]);
  await page.getByRole("link", { name: source }).click();
  await page.waitForURL(new RegExp(`#/run/${source}$`));
  // The source knows its forks, too.
  await page.locator(".lineage").getByRole("link", { name: fork }).waitFor();
  expect(complaints.list).toEqual([]);
});

test("another question takes the turn of the one that is edited", async () => {
  const source = await shown();
  await page.getByRole("button", { name: "Edit and run" }).click();
  const question = page.getByRole("textbox", { name: "Question of the new run" });
  expect(await question.inputValue()).toBe(QUESTION);
  await page.getByText("nothing: every result is taken over").waitFor();
  await question.fill("");
  await page.getByRole("button", { name: "Start", exact: true, disabled: true }).waitFor();
  await question.fill("How does it close?");
  await page.getByRole("list", { name: "Runs again" }).waitFor();
  expect((await listed("Runs again"))[0]).toBe("plan query differs");
  const fork = await start(source);
  await page.getByRole("heading", { name: "How does it close?" }).waitFor();
  const turns = await eventually(
    async () => (await stack.client.conversation(conversation_id)).data,
    // The source may be reported after its fork: until then its turn is not known to be replaced.
    (data) => data.some(({ execution_id, replaced }) => execution_id === fork && replaced.includes(source)),
  );
  expect(turns).toMatchObject([{ query: "How does it close?", replaced: [source] }]);
  expect(complaints.list).toEqual([]);
});

test("after a failure only what had not completed is run", async () => {
  agents.on("/search", failsWith(503, { detail: "being rebuilt", retryable: false }));
  const source = await shown();
  agents.on("/search", answers({ found: 3 }));
  await page.getByRole("button", { name: "Retry failed" }).click();
  await page.getByRole("list", { name: "Taken over" }).waitFor();
  expect(await listed("Taken over")).toEqual(["plan"]);
  expect((await listed("Runs again")).map((line) => line.split(" ")[0])).toEqual(["search", "write"]);
  await start(source);
  expect(called()).toEqual(["/plan", "/search", "/search", "/write"]);
  expect(await page.getByRole("button", { name: "Retry failed" }).count()).toBe(0);
  expect(complaints.list).toEqual([]);
});

test("a source that is gone is said, and starts nothing", async () => {
  const source = await shown();
  await stack.client.deleteExecution(source);
  await page.getByRole("button", { name: "Edit and run" }).click();
  await page.getByText("Run not found").waitFor();
  await page.getByRole("button", { name: "Start", exact: true, disabled: true }).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  expect(await page.getByRole("heading", { name: "Edit and run" }).count()).toBe(0);
});

test("a queued run says its place, and begins after the one before it", async () => {
  held.shut();
  const asked = { conversation_id, pipeline: "slow", on_busy: "queue" } as const;
  const first = await stack.client.startExecution({ ...asked, query: "First?" });
  const second = await stack.client.startExecution({ ...asked, query: "Second?" });
  await page.goto(`${stack.url}/#/run/${second.execution_id}`);
  await page.locator('.run[data-status="queued"]').waitFor();
  expect(await page.locator(".lineage").textContent()).toBe(`Queued at place 1, after ${first.execution_id}`);
  const verbs = page.getByRole("group", { name: "Control the run" }).getByRole("button");
  expect(await verbs.allTextContents()).toEqual(["Cancel"]);
  held.open();
  await page.locator('.run[data-status="completed"]').waitFor();
  expect(await page.locator(".lineage").count()).toBe(0);
  expect(complaints.list).toEqual([]);
});
