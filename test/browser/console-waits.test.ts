// The console's inbox and the form of a question, in a real browser: what is open is listed and counted, a question is
// answered, rejected, or handed on by a link, what does not satisfy its schema is said beside the field, and the editor
// knows stages that wait.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Stage } from "../../src/client/index.ts";
import { type AgentServer, answers, startAgentServer } from "../support/agents/agent-server.ts";
import { register } from "../support/agents/console-agents.ts";
import { openPage, startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Complaints,
  complaintsOf,
  type ConsoleStack,
  startConsole,
} from "../support/servers/console.ts";

const SCHEMA = {
  type: "object",
  required: ["approved", "copies"],
  properties: {
    approved: { type: "boolean", title: "Approved" },
    copies: { type: "integer", maximum: 9 },
    reply_to: {
      type: "object",
      title: "Reply to",
      properties: { mail: { type: "string", minLength: 3, description: "Of a person." } },
    },
  },
};

const asks = (name: string, timeout_seconds: number, more: object): Stage => ({
  name,
  required: false,
  wait: {
    prompt: "{'question': 'Publish <b>this</b>?', 'draft': 'Dear readers', 'figures': {'readers': 12}}",
    timeout_seconds,
    ...more,
  },
});

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: Complaints;
let id: string;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, { send: answers({ sent: 12 }) });
  await stack.client.configurePipeline("news", [
    asks("later", 86_400, { prompt: "{'figures': 3}" }),
    asks("approval", 600, { schema: SCHEMA }),
    { name: "send", agent_type: "send", depends_on: ["approval"] },
  ]);
});
afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  const request = { query: "What is new?", conversation_id: "c1", pipeline: "news" };
  ({ execution_id: id } = await stack.client.startExecution(request));
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(async () => {
  await context.close();
  await stack.client.cancelExecution(id);
});

const open = async () => {
  await page.goto(`${stack.url}/#/run/${id}`);
  await page.getByRole("heading", { name: "approval asks" }).waitFor();
};
const resultOf = async (name: string) => (await stack.client.getExecution(id)).stage_results[name];
const form = () => page.getByRole("form", { name: "approval asks" });
const node = (name: string) => page.locator(".graph").getByRole("button", { name: new RegExp(`^${name}, `) });
const state = async (name: string) => (await node(name).getAttribute("aria-label")) ?? "";
const answer = () => form().getByRole("button", { name: "Answer" }).click();

test("the inbox lists what is open, the soonest expiry first, and leads to the run", async () => {
  await page.goto(`${stack.url}/#/waits`);
  const rows = page.getByRole("list", { name: "Open questions" }).getByRole("link");
  // The list follows within a second, the end of an earlier test's questions as well.
  await eventually(
    () => rows.count(),
    (count) => count === 2,
  );
  expect(await rows.first().textContent()).toMatch(
    /^Publish <b>this<\/b>\?conversation .*approvalin (9|10) min/,
  );
  expect(await rows.last().textContent()).toMatch(/^\{"figures":3\}.*laterin (23 h|1 d)/);
  const nav = page.getByRole("navigation", { name: "Views" });
  await nav.getByRole("link", { name: "Inbox 2 open questions" }).waitFor();
  await stack.client.completeStage(id, "later", {});
  await nav.getByRole("link", { name: "Inbox 1 open question", exact: true }).waitFor();
  await rows.first().click();
  await page.waitForURL(new RegExp(`#/run/${id}$`));
  await page.getByRole("heading", { name: "approval asks" }).waitFor();
  expect(complaints.list).toEqual([]);
});

test("a question is answered with its form, and the view follows the run", async () => {
  await open();
  expect(await page.locator(".run").getAttribute("data-status")).toBe("waiting");
  expect(await state("approval")).toMatch(/^approval, asks, (9|10) min left$/);
  const prompt = page.locator(".card", { has: form() }).locator(".prompt");
  expect(await prompt.textContent()).toMatch(/^Publish <b>this<\/b>\?draftDear readersfigures.*readers: 12$/);
  expect(await page.locator(".bar.bar-outside").count()).toBe(2);

  // What is left open is no answer; what the schema refuses is said at its field, and the keyboard is there.
  await form().getByLabel("copies").fill("twelve");
  await answer();
  await form().getByText("must be an integer").waitFor();
  await form().getByLabel("copies").fill("12");
  await form().getByLabel("mail").fill("x");
  await form().getByRole("radiogroup", { name: "Approved" }).getByLabel("Yes").check();
  await answer();
  await form().getByText(/9/).first().waitFor();
  const wrong = form().locator('[aria-invalid="true"]');
  await eventually(
    () => wrong.count(),
    (count) => count === 2,
  );
  expect(await wrong.first().getAttribute("id")).toBe("answer-approval-field/copies");
  await eventually(
    () => page.evaluate("document.activeElement.id"),
    (id) => id === "answer-approval-field/copies",
  );
  expect(await resultOf("approval")).toMatchObject({ status: "waiting", data: null });

  await form().getByLabel("copies").fill("3");
  await form().getByLabel("mail").fill("");
  await answer();
  await eventually(
    () => state("approval"),
    (label) => label.startsWith("approval, answered"),
  );
  expect(await form().count()).toBe(0);
  await eventually(
    () => state("send"),
    (label) => label.startsWith("send, completed"),
  );
  const { data, answered_by } = (await resultOf("approval")) ?? {};
  expect(data).toEqual({ approved: true, copies: 3 });
  await page
    .getByRole("tabpanel")
    .getByRole("button", { name: /^approval/ })
    .click();
  await page.getByText(`answered by ${answered_by}`).waitFor();
  // The other question is still there.
  expect(await page.getByRole("heading", { name: "later asks" }).count()).toBe(1);
  expect(complaints.list).toEqual([]);
});

test("a question without a schema takes any object", async () => {
  await open();
  const other = page.getByRole("form", { name: "later asks" });
  await other.getByLabel("Data").fill('{"n": 9007199254740993}');
  await other.getByRole("button", { name: "Answer" }).click();
  await eventually(
    () => state("later"),
    (label) => label.startsWith("later, answered"),
  );
  // The digits are those that were typed.
  const response = await fetch(`${stack.url}/v1/executions/${id}`);
  expect(await response.text()).toContain('"data":{"n":9007199254740993}');
});

test("a rejection needs its reason, which the run then shows", async () => {
  await open();
  const card = page.locator(".card", { has: form() });
  await card.getByText("Reject").first().click();
  const button = card.getByRole("button", { name: "Reject" });
  expect(await button.isDisabled()).toBe(true);
  await card.getByLabel("Reason").fill("the figures are old");
  await button.click();
  await eventually(
    () => state("approval"),
    (label) => label === "approval, failed",
  );
  await page
    .getByRole("tabpanel")
    .getByRole("button", { name: /^approval/ })
    .click();
  await page.getByRole("tabpanel").getByText("the figures are old").waitFor();
});

test("somebody who was slower is told, and what they had typed stays", async () => {
  await open();
  const json = { code: "EXECUTION_CONFLICT", detail: "it has another answer" };
  await page.route("**/complete", (route) => route.fulfill({ status: 409, json }));
  await form().getByLabel("copies").fill("3");
  await answer();
  await page.getByRole("alert").getByText("That cannot be done any more").waitFor();
  expect(await form().getByLabel("copies").inputValue()).toBe("3");
});

test("a link for somebody without a key is made and shown", async () => {
  await open();
  const card = page.locator(".card", { has: form() });
  await card.getByRole("button", { name: /Copy a link/ }).click();
  const link = card.getByLabel("Link");
  await link.waitFor();
  const url = await link.inputValue();
  expect(new URL(url).origin).toBe(stack.url);
  const { status } = await fetch(url);
  expect(status).toBe(200);
  expect(await card.getByText(/answers this question alone, until/).count()).toBe(1);
});

test("nothing is wider than a phone", async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of [`run/${id}`, "waits"]) {
    await page.goto(`${stack.url}/#/${path}`);
    await page.getByText("Publish <b>this</b>?").first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  }
});

test("the editor draws a stage that waits, says what a wait has, and makes one of a stage", async () => {
  await stack.client.configurePipeline("asking", [
    { name: "approval", wait: { prompt: "{'question': query}" } },
    { name: "send", agent_type: "sender", depends_on: ["approval"], retry_attempts: 2 },
  ]);
  await page.goto(`${stack.url}/#/pipelines/asking`);
  const text = page.getByRole("textbox", { name: "Definition as JSON" });
  await eventually(
    () => text.inputValue(),
    (value) => value.includes('"send"'),
  );
  const stages = async () => (JSON.parse(await text.inputValue()) as { stages: unknown[] }).stages;
  expect((await stages())[0]).toEqual({ name: "approval", wait: { prompt: "{'question': query}" } });
  expect(await page.locator(".graph .node-state").first().textContent()).toBe("waits for an answer");
  await text.press("Control+Home");
  for (let line = 0; line < 5; line += 1) await text.press("ArrowDown");
  await text.press("End");
  await page.getByRole("heading", { name: "wait.prompt" }).waitFor();
  expect(await page.getByRole("button", { name: "hedge_after_ms" }).count()).toBe(0);
  await page
    .getByRole("list", { name: "Stages of the pipeline" })
    .getByRole("button", { name: /^send/ })
    .click();
  await page.getByRole("button", { name: "wait", exact: true }).click();
  expect((await stages())[1]).toMatchObject({
    name: "send",
    depends_on: ["approval"],
    wait: { on_timeout: "fail" },
  });
  expect((await stages())[1]).not.toHaveProperty("agent_type");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved as version 2.").waitFor();
  await text.fill('{"stages": [{"name": "a", "agent_type": "x",\n"wait": {}}]}');
  const faults = page.getByRole("list", { name: "Errors" });
  await faults.getByText(/exactly one of them/).waitFor();
});
