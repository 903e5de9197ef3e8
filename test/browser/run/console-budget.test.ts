// A run whose budget is spent, in the console of a real browser: what was spent, what the rest will cost, and the form that
// raises the budget, after which the run completes.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { register } from "../../support/agents/console-agents.ts";
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

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  // At 10 dollars for a million tokens $0.012 and $0.03.
  await stack.client.updateConfig({ prices: { tiny: { input_per_million: 10, output_per_million: 10 } } });
  const used = (output_tokens: number) => ({ usage: { model: "tiny", input_tokens: 0, output_tokens } });
  await register(stack, agents, {
    plan: answers({ steps: 2 }, used(1_200)),
    write: answers({ answer: "It opens after five." }, used(3_000)),
  });
  await stack.client.configurePipeline("priced", [
    { name: "plan", agent_type: "plan", cache: false },
    { name: "write", agent_type: "write", depends_on: ["plan"], cache: false },
  ]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(() => context.close());

/** A run that has spent its budget. */
async function overspent(budget: { cost_usd?: number; tokens?: number }): Promise<string> {
  const { execution_id } = await stack.client.startExecution({
    query: "How does it open?",
    conversation_id: crypto.randomUUID(),
    pipeline: "priced",
    budget,
  });
  await eventually(
    () => stack.client.getExecution(execution_id),
    ({ status }) => status === "paused",
  );
  return execution_id;
}

const panel = () => page.getByRole("region", { name: "The budget of this run is spent" });
const field = (unit: string) => panel().getByRole("textbox", { name: `New budget in ${unit}` });

async function becomesCompleted(execution_id: string): Promise<void> {
  await eventually(
    () => stack.client.getExecution(execution_id),
    ({ status }) => status === "completed",
  );
  await panel().waitFor({ state: "detached" });
  await page.getByText("It opens after five.").waitFor();
}

test("the panel says what was spent; its button raises the budget, and the run completes", async () => {
  const id = await overspent({ cost_usd: 0.01 });
  await page.goto(`${stack.url}/#/run/${id}`);
  await panel().getByText("What the rest will cost is not known", { exact: false }).waitFor();
  expect(await panel().locator(".figure").textContent()).toBe("$0.012 of $0.01");
  expect(await panel().getByRole("list", { name: "Spent by stage" }).textContent()).toContain("plan$0.012");
  expect(await page.locator(".run-meta").textContent()).toContain("cost $0.012");
  // A plain resume would pause at once.
  expect(await page.getByRole("button", { name: "Resume", exact: true }).count()).toBe(0);
  expect(await field("US dollars").inputValue()).toBe("0.02");
  await field("US dollars").fill("nothing");
  await panel().getByRole("button", { name: "Raise and resume" }).click();
  await panel().getByText("Enter a number above 0.").waitFor();
  expect(await page.locator(":focus").getAttribute("id")).toBe("budget-cost_usd");
  expect((await stack.client.getExecution(id)).status).toBe("paused");
  await field("US dollars").fill("0.05");
  await panel().getByRole("button", { name: "Raise and resume" }).click();
  await becomesCompleted(id);
  const { budget, usage } = await stack.client.getExecution(id);
  expect(budget).toEqual({ cost_usd: 0.05, on_exceeded: "pause" });
  expect(usage["cost_usd"]).toBeCloseTo(0.042);
  expect(await page.locator(".run-meta").textContent()).toContain("cost $0.042");
  expect(await page.locator(":focus").getAttribute("id")).toBe("main");
  expect(complaints.list).toEqual([]);
});

test("recorded runs predict the rest, and the suggestion has room for it", async () => {
  await stack.client.executePipeline({ query: "Once", conversation_id: "once", pipeline: "priced" });
  await eventually(
    () => stack.client.getPerformanceMetrics({ pipeline: "priced" }),
    ({ cost }) => cost.recent_runs.length > 0,
  );
  const id = await overspent({ cost_usd: 0.011 });
  await page.goto(`${stack.url}/#/run/${id}`);
  const quantiles = panel().getByRole("definition");
  await quantiles.first().waitFor();
  expect(await quantiles.allTextContents()).toEqual(["$0.03", "$0.03"]);
  expect(await field("US dollars").inputValue()).toBe("0.042");
  await field("US dollars").press("Enter");
  await becomesCompleted(id);
});

test("a budget of tokens is raised in tokens", async () => {
  const id = await overspent({ tokens: 1_000 });
  await page.goto(`${stack.url}/#/run/${id}`);
  await panel().waitFor();
  expect(await panel().locator(".figure").textContent()).toBe("1,200 of 1,000 tokens");
  expect(await field("US dollars").count()).toBe(0);
  expect(await field("tokens").inputValue()).toBe("2000");
  await field("tokens").fill("4200.5");
  await panel().getByText("Enter a whole number of tokens.").waitFor();
  await field("tokens").fill("4200");
  await panel().getByRole("button", { name: "Raise and resume" }).click();
  await becomesCompleted(id);
});

test("a budget of the configuration is named, and the run is resumed once there is room in it", async () => {
  await stack.client.updateConfig({
    budgets: [{ scope: "pipeline:shared", cost_usd: 0.011, window_seconds: 4 }],
  });
  const { stages } = await stack.client.getPipelineConfig("priced");
  await stack.client.configurePipeline("shared", stages);
  const { execution_id: id } = await stack.client.startExecution({
    query: "Shared",
    conversation_id: "shared",
    pipeline: "shared",
  });
  await page.goto(`${stack.url}/#/run/${id}`);
  const shared = page.getByRole("region", { name: "The budget of pipeline:shared is spent" });
  await shared.waitFor();
  expect(await shared.locator(".figure").textContent()).toBe("$0.012 of $0.011");
  expect(await shared.getByRole("list", { name: "Spent by stage" }).textContent()).toContain("plan$0.012");
  expect(await shared.getByRole("textbox").count()).toBe(0);
  const resume = shared.getByRole("button", { name: "Resume" });
  await eventually(
    async () => {
      // Before there is room, the run pauses again.
      await resume.click({ timeout: 500 }).catch(() => {});
      return stack.client.getExecution(id);
    },
    ({ status }) => status === "completed",
    20_000,
  );
  await shared.waitFor({ state: "detached" });
});

test("the list of executions and the health page show what runs cost", async () => {
  await stack.client.executePipeline({ query: "Listed", conversation_id: "listed", pipeline: "priced" });
  await page.goto(`${stack.url}/#/executions`);
  const row = page.getByRole("listitem").filter({ hasText: "Listed" });
  await row.getByText("$0.042").waitFor();
  await page.goto(`${stack.url}/#/health`);
  const cost = page.getByRole("region", { name: "Cost" });
  await cost.getByRole("list", { name: "Cost by model" }).getByText("tiny").waitFor();
  expect(await cost.getByRole("list", { name: "Cost by pipeline" }).textContent()).toContain("priced$0.");
  expect(await cost.getByRole("list", { name: "Cost by stage" }).textContent()).toMatch(/write.*plan/);
  expect(await cost.getByRole("img").getAttribute("aria-label")).toMatch(/^Cost over the window/);
  expect(complaints.list).toEqual([]);
});
