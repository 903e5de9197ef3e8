// The console for people: by keyboard alone, by a screen reader's names, dark and light with enough contrast, on a
// phone without scrolling sideways, and with words of advice where there is nothing or something is wrong.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, failsWith, startAgentServer } from "../support/agents/agent-server.ts";
import { startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { type ConsoleStack, startConsole } from "../support/servers/console.ts";
import { gate, register, writes } from "../support/agents/console-agents.ts";
import { eventually } from "../support/eventually.ts";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let done: string;
let failed: string;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  const open = gate();
  open.open();
  await register(stack, agents, {
    write: writes(open),
    broken: failsWith(500, { detail: "no ink", retryable: false }),
  });
  const stages = ["plan", "a_rather_long_name_of_a_stage_that_searches", "check"].map((name) => ({
    name,
    agent_type: "write",
    parallel: true,
  }));
  await stack.client.configurePipeline("rag", [
    ...stages,
    { name: "write", agent_type: "write", depends_on: stages.map(({ name }) => name) },
  ]);
  await stack.client.configurePipeline("bad", [{ name: "broken", agent_type: "broken" }]);
  const run = (pipeline: string) =>
    stack.client.executePipeline({
      pipeline,
      query: `what of ${"averylongword".repeat(9)}`,
      conversation_id: "c",
    });
  done = (await run("rag")).execution_id;
  failed = (await run("bad")).execution_id;
});

afterAll(() => closeAll(browser, stack, agents));

const views = () => [
  "#/run",
  `#/run/${done}`,
  `#/run/${done}/events`,
  `#/run/${failed}`,
  `#/compare/${done}/${failed}`,
  "#/executions",
  "#/waits",
  "#/pipelines/rag",
  "#/health",
];

async function visit(page: Page, view: string): Promise<void> {
  await page.goto(`${stack.url}/${view}`);
  await page.locator(".node, .row, .agents, .trouble, .compare, .page-head + .empty").first().waitFor();
}

test("by keyboard alone: ask, read the run, look into a stage, go through the tabs", async () => {
  const page = await browser.newPage();
  await visit(page, "#/run");
  await eventually(
    () => page.evaluate<string>("document.activeElement.id"),
    (id) => id === "question",
  );
  await page.keyboard.type("What runs?");
  await page.keyboard.press("Enter");
  await page.locator('.run[data-status="completed"]').waitFor();
  const focused = () =>
    page.evaluate<string>(
      "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent",
    );
  const tabTo = async (name: RegExp) => {
    for (let steps = 0; steps < 40; steps += 1) {
      if (name.test(await focused())) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard never reaches ${name}`);
  };
  await tabTo(/^plan, completed/);
  const outline = await page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
  expect(outline).toBe("solid");
  await page.keyboard.press("Enter");
  expect(await page.locator('.result-head[aria-expanded="true"] .result-name').textContent()).toBe("plan");
  await tabTo(/^Results/);
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => page.getByRole("tab", { selected: true }).textContent()).toMatch(/^Events/);
  await page.locator(".event-head").first().waitFor();
  await page.close();
});

test("everything that can be used has a name, and each view its landmarks", async () => {
  const page = await browser.newPage();
  for (const view of views()) {
    await visit(page, view);
    const nameless = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll("button, a, input, select, textarea, [role=img]")]
      .filter((element) => !(element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length || element.title))
      .map((element) => element.outerHTML)`);
    expect(nameless, view).toEqual([]);
    expect(await page.getByRole("main").count(), view).toBe(1);
    expect(await page.getByRole("navigation", { name: "Views" }).count(), view).toBe(1);
    const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map(({ id }) => id)");
    expect(new Set(ids).size, view).toBe(ids.length);
  }
  await page.goto(`${stack.url}/#/run/${done}`);
  await page.getByRole("status", { name: "The run is completed" }).waitFor();
  await page.close();
});

/** The least contrast of any text with what lies behind it, and where it is. */
const CONTRAST = `(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const [r, g, b, a] = rgba(getComputedStyle(each).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
  };
  const light = (color) => color.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
    if (!own || element.closest(":disabled, .sr-only, noscript, textarea") || element.getClientRects().length === 0) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.className + ": " + element.textContent.slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
})()`;

test("dark and light both have their colours, and text that can be read on them", async () => {
  const grounds = new Set<string>();
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    for (const view of views()) {
      await visit(page, view);
      const [contrast, where] = await page.evaluate<[number, string]>(CONTRAST);
      expect(contrast, `${colorScheme} ${view} ${where}`).toBeGreaterThanOrEqual(4.5);
    }
    grounds.add(await page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor"));
    await context.close();
  }
  expect(grounds.size).toBe(2);
});

test("on a phone nothing is wider than the screen, and everything can be reached", async () => {
  const context = await browser.newContext({
    viewport: { width: 360, height: 740 },
    isMobile: true,
    hasTouch: true,
  });
  const page = await context.newPage();
  for (const view of views()) {
    await visit(page, view);
    expect(await page.evaluate<number>("document.documentElement.scrollWidth"), view).toBeLessThanOrEqual(
      360,
    );
  }
  await page.getByRole("link", { name: "Run", exact: true }).tap();
  await page.getByRole("textbox", { name: "Question" }).fill("From a phone?");
  await page.getByRole("button", { name: "Ask", exact: true }).tap();
  await page.locator('.run[data-status="completed"]').waitFor();
  await context.close();
});

test("where there is nothing, or something is wrong, the page says what to do", async () => {
  const page = await browser.newPage();
  await page.goto(`${stack.url}/#/run`);
  await page.getByText("Ask a question above.", { exact: false }).waitFor();
  await page.goto(`${stack.url}/#/run/ex_gone`);
  await page.getByText("Run not found").waitFor();
  await page.getByRole("link", { name: "See all executions" }).waitFor();
  await page.goto(`${stack.url}/#/pipelines/gone`);
  await page.getByText("Pipeline not found").waitFor();
  await page.goto(`${stack.url}/#/nowhere`);
  await page.getByText("Page not found").waitFor();
  await page.goto(`${stack.url}/#/executions?status=paused`);
  await page.getByText("No matching executions").waitFor();
  // A coordinator that is older than the page has no figures.
  await page.route(/\/v1\/(metrics|alerts)/, (route) =>
    route.fulfill({
      status: 404,
      contentType: "application/problem+json",
      body: '{"code":"NOT_FOUND","detail":"no"}',
    }),
  );
  await page.goto(`${stack.url}/#/health`);
  await page.getByText("This coordinator does not provide", { exact: false }).waitFor();
  await page.close();
});
