// The console's Run view in a real browser: the graph lives with the run's events, the timeline grows, the answer
// streams; the run is paused, resumed and cancelled; a reload, a second window and a cut network change nothing.
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../../support/agents/agent-server.ts";
import { openPage, startBrowser } from "../../support/clients/browser.ts";
import { closeAll } from "../../support/close.ts";
import {
  type Complaints,
  complaintsOf,
  type ConsoleStack,
  startConsole,
} from "../../support/servers/console.ts";
import {
  ANSWER,
  CITATIONS,
  failsOnce,
  type Gate,
  gate,
  register,
  writes,
} from "../../support/agents/console-agents.ts";
import { eventually } from "../../support/eventually.ts";

const QUESTION = "How does the breaker decide to open?";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: Complaints;
const gates = { plan: gate(), search: gate(), write: gate() } satisfies Record<string, Gate>;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, {
    plan: gates.plan.behind(answers({ steps: 2 })),
    search: gates.search.behind(answers({ found: 7 })),
    flaky: failsOnce(2),
    broken: failsWith(503, { detail: "the index is being rebuilt", retryable: false }),
    write: writes(gates.write),
    echo: answers({ said: "once" }),
  });
  const stage = (name: string, depends_on: string[], more: Record<string, unknown> = {}) => ({
    name,
    agent_type: name,
    depends_on,
    parallel: true,
    cache: false,
    ...more,
  });
  await stack.client.configurePipeline("research", [
    stage("plan", []),
    stage("search", ["plan"]),
    stage("flaky", ["plan"], { retry_attempts: 2 }),
    stage("extra", ["plan"], { agent_type: "search", when: "false" }),
    stage("rescue", ["plan"], {
      agent_type: "broken",
      fallback: { strategy: "use_default", data: { found: 0 } },
    }),
    stage("write", ["search", "flaky", "extra", "rescue"]),
  ]);
  await stack.client.configurePipeline("doomed", [
    stage("echo", []),
    stage("broken", ["echo"]),
    stage("write", ["broken"]),
  ]);
  await stack.client.configurePipeline("again", [{ name: "echo", agent_type: "echo", cache: true }]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  for (const each of Object.values(gates)) each.shut();
  agents.on("/flaky", failsOnce(2));
  agents.calls.length = 0;
  ({ context, page } = await openPage(browser));
  complaints = complaintsOf(page);
});
afterEach(async () => {
  stack.mend();
  for (const each of Object.values(gates)) each.open();
  await context.close();
});

async function ask(pipeline: string): Promise<string> {
  await page.goto(`${stack.url}/`);
  await page.getByRole("combobox", { name: "Pipeline" }).selectOption(pipeline);
  // What was asked before is handed to the agents, so the same question in the same conversation is another input.
  const fresh = page.getByRole("button", { name: "New conversation" });
  if (await fresh.isVisible()) await fresh.click();
  await page.getByRole("textbox", { name: "Question" }).fill(QUESTION);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.waitForURL(/#\/run\/ex_\w+$/);
  return new URL(page.url()).hash.split("/").at(-1) ?? "";
}

const node = (name: string, on = page): Locator =>
  on
    .getByRole("list", { name: "Stages of the pipeline" })
    .getByRole("button", { name: new RegExp(`^${name}, `) });
const state = async (name: string, on = page): Promise<string> =>
  (await node(name, on).getAttribute("aria-label")) ?? "";

/** Waits until a stage says something like this. */
function becomes(name: string, words: RegExp, on = page): Promise<string> {
  return eventually(
    () => state(name, on),
    (label) => words.test(label),
  );
}

/** All that a reader sees of a run and that time alone does not change. */
async function seen(on: Page) {
  await on.locator(".run").waitFor();
  const labels = await on
    .locator(".graph .node")
    .evaluateAll((nodes) =>
      nodes.map((each) => (each as unknown as { ariaLabel: string }).ariaLabel.replace(/[\d.]+ m?s/g, "T")),
    );
  return {
    heading: await on.locator(".run h1").textContent(),
    labels,
    answer: (await on.locator(".answer").allTextContents()).join(),
    bars: await on.locator(".timeline-track .bar").count(),
    events: await on.getByRole("tab", { name: /^Events/ }).textContent(),
  };
}

test("the graph comes from the definition and lives with the events; the timeline grows; the answer streams", async () => {
  await ask("research");
  await becomes("plan", /running/);
  expect(await state("search")).toBe("search, pending");
  expect(await page.locator(".graph .line").count()).toBe(8);
  gates.plan.open();
  await becomes("flaky", /retrying in/);
  const first = Number(/retrying in ([\d.]+) s/.exec(await state("flaky"))?.[1]);
  await eventually(
    async () => Number(/retrying in ([\d.]+) s/.exec(await state("flaky"))?.[1] ?? 0),
    (left) => left < first,
  );
  await becomes("search", /running/);
  await becomes("extra", /skipped/);
  await becomes("rescue", /completed by fallback/);
  const running = page.locator(".bar-try.is-running").first();
  const share = async () => {
    const [bar, track] = await Promise.all([
      running.boundingBox(),
      page.locator(".timeline-track").first().boundingBox(),
    ]);
    return (bar?.width ?? 0) / (track?.width ?? 1);
  };
  const early = await share();
  await eventually(share, (late) => late > early * 1.1);
  expect(await page.locator(".timeline-track .bar-wait").count()).toBe(1);
  expect(await page.locator(".timeline-track .bar-try.is-failed").count()).toBeGreaterThanOrEqual(1);
  gates.search.open();
  await becomes("flaky", /completed .*, 2 tries/);
  await page.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  expect(await state("write")).toMatch(/running/);
  expect(await page.locator(".answer").textContent()).not.toContain("At five");
  expect(await page.locator(".answer").getAttribute("aria-busy")).toBe("true");
  gates.write.open();
  await becomes("write", /completed/);
  expect((await page.locator(".answer").textContent())?.replaceAll("\u00a0", " ")).toBe(ANSWER);
  await page.getByRole("link", { name: "Source 2" }).click();
  expect(await page.locator(".citations li:focus").textContent()).toBe(`2${CITATIONS[1]?.reference}`);
  expect(await page.getByRole("link", { name: CITATIONS[1]?.reference ?? "" }).getAttribute("href")).toBe(
    "https://example.com/retries",
  );
  // The path that the run's length hangs on is the coordinator's own.
  const id = new URL(page.url()).hash.split("/").at(-1) ?? "";
  const { performance_metrics } = await stack.client.getExecution(id);
  const critical = await page
    .locator(".timeline-rows .is-critical .timeline-name > :first-child")
    .allTextContents();
  expect(critical).toEqual(performance_metrics.critical_path);
  expect(await page.locator(".run").getAttribute("data-status")).toBe("completed");
  expect(complaints.list).toEqual([]);
});

test("a cached stage says so, and a failed run says why in words", async () => {
  await ask("again");
  await becomes("echo", /completed/);
  await ask("again");
  await becomes("echo", /completed, from the cache/);
  const row = page.locator(".timeline-rows li").first();
  expect(await row.locator(".timeline-name").textContent()).toMatch(/completed.*, from the cache/);
  expect(await row.locator(".bar.is-cached").getAttribute("title")).toBe("from the cache");
  expect(await page.locator(".legend").textContent()).toContain("from the cache");
  await page.locator(".result-head").first().click();
  expect(await page.locator(".result-body").textContent()).toContain("from the cache");
  await ask("doomed");
  await becomes("broken", /failed/);
  const alert = page.getByRole("alert");
  await alert.waitFor();
  expect(await alert.textContent()).toContain("An agent could not be reached in broken");
  expect(await alert.textContent()).toContain("the index is being rebuilt");
  expect(await state("write")).toBe("write, pending");
  expect(await page.getByText("The run failed before it produced an answer.").isVisible()).toBe(true);
});

test("a run with event types that the page does not know is shown like one without them", async () => {
  const id = await ask("again");
  await becomes("echo", /completed/);
  const plain = await seen(page);
  // As a later version of the coordinator may write it, to a tab that was open across its deploy.
  let later = 0;
  await context.route(`**/v1/executions/${id}/events*`, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replaceAll("event: stage.completed\n", (known) => {
      later += 1;
      const data = {
        execution_id: id,
        seq: 2.5,
        type: "stage.mused",
        stage: "echo",
        data: { reason: "x" },
      };
      return `event: stage.mused\ndata: ${JSON.stringify(data)}\nid: 2.5\n\n${known}`;
    });
    await route.fulfill({ response, body });
  });
  await page.reload();
  await becomes("echo", /completed/);
  expect(later).toBe(1);
  expect(await seen(page)).toEqual(plain);
  expect(complaints.list).toEqual([]);
});

test("a reload and a second window in mid-run show what the first one shows", async () => {
  gates.plan.open();
  gates.search.open();
  await ask("research");
  await page.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  await becomes("write", /running/);
  const before = await seen(page);
  expect(before.answer).toContain("The breaker counts");
  await page.reload();
  await page.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  expect(await seen(page)).toEqual(before);
  const second = await context.newPage();
  await second.goto(page.url());
  await second.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  expect(await seen(second)).toEqual(before);
  gates.write.open();
  await becomes("write", /completed/);
  await becomes("write", /completed/, second);
  await page.getByLabel("Sources").waitFor();
  expect(await seen(second)).toEqual(await seen(page));
  await page.reload();
  await page.getByLabel("Sources").waitFor();
  expect(await seen(page)).toEqual(await seen(second));
});

test("a lost network is shown, and the run is complete after reconnecting", async () => {
  gates.plan.open();
  gates.search.open();
  const id = await ask("research");
  await page.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  stack.cut();
  await page.getByText("No connection.").waitFor();
  expect(await page.locator(".answer").textContent()).toContain("The breaker counts");
  gates.write.open();
  await eventually(
    () => stack.client.getExecution(id),
    ({ status }) => status === "completed",
  );
  expect(await page.locator(".run").getAttribute("data-status")).toBe("running");
  stack.mend();
  await becomes("write", /completed/);
  await page.getByText("No connection.").waitFor({ state: "detached" });
  const { events } = await stack.client.getExecutionTrace(id);
  expect((await seen(page)).events).toBe(`Events${events.length}`);
  expect((await page.locator(".answer").textContent())?.replaceAll("\u00a0", " ")).toBe(ANSWER);
  expect(complaints.list).toEqual([]);
});

test("pause holds the run, resume lets it go on, cancel ends it", async () => {
  const id = await ask("research");
  await becomes("plan", /running/);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  expect((await stack.client.getExecution(id)).status).toBe("paused");
  gates.plan.open();
  await becomes("plan", /completed/);
  expect(await state("search")).toBe("search, pending");
  expect(agents.callsOf("/search")).toHaveLength(0);
  await page.reload();
  await page.getByRole("button", { name: "Resume" }).click();
  await becomes("search", /running/);
  await page.getByRole("button", { name: "Cancel" }).click();
  await becomes("search", /cancelled/);
  expect((await stack.client.getExecution(id)).status).toBe("cancelled");
  expect(await page.getByRole("group", { name: "Control the run" }).count()).toBe(0);
  await page.getByText("The run was cancelled before it produced an answer.").waitFor();
});
