// A call that waits for its agent, in the console of a real browser: its stage and the timeline say why and for how long.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
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

const HOLD_SECONDS = 4;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  const busy = failsWith(429, { detail: "slow down" }, { "retry-after": String(HOLD_SECONDS) });
  await register(stack, agents, {
    model: (call, response, count) => (count === 1 ? busy : answers({ said: "yes" }))(call, response, count),
  });
  await stack.client.configurePipeline("asks", [{ name: "model", agent_type: "model", cache: false }]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(() => context.close());

const start = (query: string) =>
  stack.client.startExecution({ query, conversation_id: query, pipeline: "asks" });

test("an agent that asks for time holds back another run, whose stage and timeline say so", async () => {
  await start("first");
  await eventually(
    async () => agents.callsOf("/model").length,
    (calls) => calls === 1,
  );
  const { execution_id } = await start("second");
  await page.goto(`${stack.url}/#/run/${execution_id}`);
  const node = page
    .getByRole("list", { name: "Stages of the pipeline" })
    .getByRole("button", { name: /^model, / });
  await eventually(
    async () => (await node.getAttribute("aria-label")) ?? "",
    (label) => /agent busy, [\d.]+ s left/.test(label),
  );
  const bar = page.locator(".timeline-track .bar-queued");
  expect(await bar.getAttribute("title")).toMatch(
    /^waits since .* for the time its agent asked for \(Retry-After\)/,
  );
  expect(await page.locator(".timeline-name").textContent()).toMatch(/pending, waits .* for its agent/);
  expect(await page.locator(".legend").textContent()).toContain("wait for the agent");
  expect(agents.callsOf("/model")).toHaveLength(1);
  await eventually(
    async () => (await node.getAttribute("aria-label")) ?? "",
    (label) => /completed/.test(label),
  );
  expect(await bar.getAttribute("title")).toMatch(/^waited .*, before try 1$/);
  // It is no try, and none of the stage's time.
  expect(await page.locator(".timeline-name").textContent()).toMatch(
    / completed, [\d.]+ m?s, waited .* for its agent, 1 try/,
  );
  expect(complaints.list).toEqual([]);
});
