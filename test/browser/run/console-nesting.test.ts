// Stages that map, repeat and run pipelines in the console, in a real browser: counts in the graph, an execution within
// opened in place, the table of items, and the same of a definition.
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  type Behaviour,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { gate, register } from "../../support/agents/console-agents.ts";
import { openPage, startBrowser } from "../../support/clients/browser.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import {
  type Complaints,
  complaintsOf,
  type ConsoleStack,
  startConsole,
} from "../../support/servers/console.ts";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: Complaints;
const gates = { items: gate(), critic: gate(), inside: gate() };
const pictures = process.env["CONSOLE_PICTURES"];

/** The first ten of twenty items are answered, of which one fails; the others wait. */
const halfDone: Behaviour = (call, response, count) => {
  const index = call.body.index ?? 0;
  if (index === 3) {
    response.writeHead(400, { "content-type": "application/json" }).end('{"detail":"no such page"}');
    return undefined;
  }
  const answer = answers({ at: index });
  return (index < 10 ? answer : gates.items.behind(answer))(call, response, count);
};

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, {
    reader: halfDone,
    // Its second iteration waits.
    critic: (call, response, count) => {
      const { iteration = 1 } = call.body;
      const answer = answers({ score: iteration });
      return (iteration < 2 ? answer : gates.critic.behind(answer))(call, response, count);
    },
    fast: answers({ found: 3 }),
    inside: gates.inside.behind(answers({ answer: "from within" })),
  });
  const stage = (name: string, fields: object) => ({ name, cache: false, parallel: true, ...fields });
  await stack.client.configurePipeline("innermost", [stage("core", { agent_type: "fast" })]);
  await stack.client.configurePipeline("inner", [
    stage("prepare", { agent_type: "fast" }),
    { name: "deeper", pipeline: "innermost", parallel: true, depends_on: ["prepare"] },
    stage("work", { agent_type: "inside", depends_on: ["prepare"] }),
  ]);
  await stack.client.configurePipeline("outer", [
    stage("pages", {
      agent_type: "reader",
      map: { over: "context.pages", max_items: 50, concurrency: 4, on_error: "collect" },
    }),
    stage("draft", { agent_type: "critic", repeat: { until: "result.score >= 3", max: 5 } }),
    { name: "sub", pipeline: "inner", parallel: true, depends_on: [] },
    stage("last", { agent_type: "fast", depends_on: ["pages", "draft", "sub"] }),
  ]);
  await stack.client.configurePipeline("many", [
    { name: "each", pipeline: "innermost", map: { over: "context.pages" } },
  ]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  for (const each of Object.values(gates)) each.shut();
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(async () => {
  for (const each of Object.values(gates)) each.open();
  await context.close();
});

async function run(pipeline = "outer"): Promise<string> {
  const pages = Array.from({ length: 20 }, (_, at) => `page ${at}`);
  const { execution_id } = await stack.client.startExecution({
    query: "What do the pages say?",
    conversation_id: "pages",
    pipeline,
    context: { pages },
  });
  await page.goto(`${stack.url}/#/run/${execution_id}`);
  return execution_id;
}

const node = (name: string): Locator =>
  page
    .getByRole("list", { name: "Stages of the pipeline" })
    .getByRole("button", { name: new RegExp(`^${name}, `) });
const becomes = (name: string, words: RegExp): Promise<string> =>
  eventually(
    async () => (await node(name).getAttribute("aria-label")) ?? "",
    (label) => words.test(label),
  );
const inside = (pipeline: string, stage: string): Locator =>
  page.getByRole("list", { name: `Stages of ${pipeline} in ${stage}` });
const opener = (pipeline: string, stage: string): Locator =>
  page.getByRole("button", { name: `The pipeline ${pipeline} in ${stage}` });

/** How far the frame of a stage is from the left border of the window. */
async function leftOf(pipeline: string, stage: string): Promise<number> {
  const frame = page.locator(".frame", { has: inside(pipeline, stage) }).last();
  return (await frame.boundingBox())?.x ?? -1;
}

async function picture(name: string): Promise<void> {
  if (pictures === undefined) return;
  for (const [width, height] of [
    [1280, 900],
    [360, 740],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.waitForFunction("document.getAnimations().length >= 0");
    await page.screenshot({ path: `${pictures}/${name}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 720 });
}

test("a map shows how many items are done, a loop its iteration; a pipeline opens in place and goes on there", async () => {
  const id = await run();
  await becomes("pages", /^pages, 10\/20 done, 1 failed/);
  await becomes("draft", /^draft, iteration 2\/5, /);
  expect(await page.locator(".node-stack").count()).toBe(2);
  expect(await page.locator(".node-loop").count()).toBe(1);
  await opener("inner", "sub").click();
  const inner = inside("inner", "sub");
  await inner.getByText("work").waitFor();
  await eventually(
    async () => (await inner.locator(".node.is-running").allTextContents()).join(),
    (text) => /^work\s*running/.test(text),
  );
  expect(await inner.locator(".node.is-completed").count()).toBe(2);
  await opener("innermost", "deeper").click();
  await inside("innermost", "deeper").locator(".node.is-completed").waitFor();
  // Each frame holds what is in it.
  for (const frame of await page.locator(".frame").all()) {
    const [outer, plane] = await Promise.all([
      frame.boundingBox(),
      frame.locator(".graph-plane").first().boundingBox(),
    ]);
    expect((plane?.x ?? 0) + (plane?.width ?? 0)).toBeLessThanOrEqual(
      (outer?.x ?? 0) + (outer?.width ?? 0) + 1,
    );
    expect((plane?.y ?? 0) + (plane?.height ?? 0)).toBeLessThanOrEqual(
      (outer?.y ?? 0) + (outer?.height ?? 0),
    );
  }
  await picture("run");
  gates.inside.open();
  await inner.locator(".node.is-completed", { hasText: "work" }).waitFor();
  await becomes("sub", /completed/);
  await opener("inner", "sub").click();
  expect(await inner.count()).toBe(0);

  await node("pages").click();
  const table = page.getByRole("table", { name: "Items of pages" });
  await table.waitFor();
  expect(await table.getByRole("row").nth(4).innerText()).toMatch(/3\s+failed\s+1\s+.*no such page/);
  expect(await page.locator(".items").textContent()).toMatch(/6 items not begun/);
  await picture("items");
  gates.items.open();
  gates.critic.open();
  await becomes("pages", /completed .*, 20 items, 1 failed/);
  await becomes("draft", /completed .*, 3 iterations/);
  await becomes("last", /completed/);
  expect(await table.getByRole("row").count()).toBe(21);

  await opener("inner", "sub").click();
  await page.getByRole("link", { name: /^Open the execution ex_/ }).click();
  await page.getByText("Run by the stage sub of").waitFor();
  expect(await page.getByRole("link", { name: id }).getAttribute("href")).toBe(`#/run/${id}`);
  await becomes("work", /completed/);
  await picture("child");
  expect(complaints.list).toEqual([]);
});

test("on a phone what opens comes into view", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await run();
  await opener("inner", "sub").click();
  await inside("inner", "sub").getByText("work").waitFor();
  await eventually(
    () => leftOf("inner", "sub"),
    (left) => left >= 0 && left < 100,
  );
  if (pictures !== undefined) await page.screenshot({ path: `${pictures}/phone.png`, fullPage: true });
  expect(complaints.list).toEqual([]);
});

test("items that run a pipeline are listed with their executions", async () => {
  const id = await run("many");
  await becomes("each", /completed .*, 20 items/);
  expect(await opener("innermost", "each").count()).toBe(0);
  await node("each").click();
  const links = page.getByRole("table", { name: "Items of each" }).getByRole("link");
  expect(
    await eventually(
      () => links.count(),
      (count) => count > 0,
    ),
  ).toBe(20);
  const child = (await links.nth(7).textContent()) ?? "";
  await links.nth(7).click();
  await page.getByText("Run by the stage each of").waitFor();
  expect(await stack.client.getExecution(child)).toMatchObject({
    parent: { execution_id: id, stage: "each" },
  });
  expect(complaints.list).toEqual([]);
});

test("a definition says how often its stages may be called, and its pipelines open in place", async () => {
  await page.goto(`${stack.url}/#/pipelines/outer`);
  expect(await becomes("pages", /items/)).toBe("pages, reader, up to 50 items, 4 at a time");
  expect(await becomes("draft", /iterations/)).toBe("draft, critic, up to 5 iterations");
  expect(await becomes("sub", /runs/)).toBe("sub, runs inner");
  // As it is loaded it may be saved, and has no more than was written.
  expect(await page.getByRole("list", { name: "Errors" }).getByRole("listitem").count()).toBe(0);
  expect(await page.getByRole("textbox", { name: "Definition as JSON" }).inputValue()).not.toMatch(
    /timeout_seconds|retry_attempts/,
  );
  await opener("inner", "sub").click();
  await opener("innermost", "deeper").click();
  await inside("innermost", "deeper").getByText("core").waitFor();
  await picture("definition");
  await page.getByRole("link", { name: "Pipeline innermost" }).click();
  await becomes("core", /fast/);
  expect(complaints.list).toEqual([]);
});
