// A draft of the reference agents is approved by a person without a key, on a phone, and published: the coordinator and
// the agents as they are deployed, the link from the API, the page in a real browser.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REVIEWED } from "../../fixtures/pipelines/reviewed.ts";
import type { Stage } from "../../src/client/index.ts";
import { type AgentServer, answers, startAgentServer } from "../support/agents/agent-server.ts";
import { register } from "../support/agents/console-agents.ts";
import { startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { eventually } from "../support/eventually.ts";
import { type ConsoleStack, startConsole } from "../support/servers/console.ts";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, { publish: answers({ published: true }) });
  await stack.client.configurePipeline("reviewed", REVIEWED.stages as Stage[]);
});
afterAll(() => closeAll(browser, stack, agents));

test("the draft is seen and approved on a phone, and is what is published", async () => {
  const request = { query: "How does a heat pump work?", conversation_id: "c1", pipeline: "reviewed" };
  const { execution_id } = await stack.client.startExecution(request);
  const execution = () => stack.client.getExecution(execution_id);
  const { stage_results } = await eventually(execution, ({ status }) => status === "waiting");
  const draft = stage_results["answer_generation"]?.data?.["answer"] as string;
  expect(draft.length).toBeGreaterThan(20);
  expect(agents.callsOf("/publish")).toEqual([]);

  const { respond_url } = await stack.client.stageToken(execution_id, "approval");
  const context = await browser.newContext({
    viewport: { width: 360, height: 640 },
    javaScriptEnabled: false,
  });
  const page = await context.newPage();
  await page.goto(respond_url);
  expect(await page.textContent("h1")).toBe("Publish this answer?");
  expect(await page.textContent("dl .text")).toBe(draft);
  expect((await execution()).status).toBe("waiting");
  await page.getByRole("radiogroup", { name: "Approved" }).getByLabel("Yes").check();
  await page.getByLabel("Remark").fill("fine");
  await page.getByRole("button", { name: "Send answer" }).click();
  await page.getByRole("heading", { name: "Thank you" }).waitFor();
  await context.close();

  const ended = await eventually(execution, ({ status }) => status === "completed");
  expect(ended.final_result).toEqual({ published: true });
  const [call, ...others] = agents.callsOf("/publish");
  expect(others).toEqual([]);
  expect(call?.body).toMatchObject({
    inputs: { approval: { approved: true, remark: "fine" }, answer_generation: { answer: draft } },
  });
});
