// The console's lists in a real browser: executions that come by themselves, with filters; a definition that is marked
// while it is typed and saved only over what was read; the health of it all.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../support/agents/agent-server.ts";
import { openPage, startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { type ConsoleStack, startConsole } from "../support/servers/console.ts";
import { type Gate, gate, register } from "../support/agents/console-agents.ts";
import { eventually } from "../support/eventually.ts";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const held: Gate = gate();

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  await register(stack, agents, {
    fine: answers({ answer: "yes", deep: { list: [1, 2, { leaf: "found" }] } }),
    slow: held.behind(answers({ done: true })),
    broken: failsWith(500, { detail: "out of ink", retryable: false }),
  });
  await stack.client.configurePipeline("good", [
    { name: "one", agent_type: "fine" },
    { name: "two", agent_type: "fine", depends_on: ["one"] },
  ]);
  await stack.client.configurePipeline("bad", [
    { name: "one", agent_type: "fine" },
    { name: "two", agent_type: "broken", depends_on: ["one"] },
  ]);
  await stack.client.configurePipeline("held", [{ name: "one", agent_type: "slow" }]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  ({ context, page } = await openPage(browser));
});
afterEach(() => context.close());

const run = (pipeline: string, query: string) =>
  stack.client.executePipeline({ pipeline, query, conversation_id: "pages" });

test("executions appear automatically with their stages; filters are in the URL; one click leads to everything", async () => {
  await page.goto(`${stack.url}/#/executions`);
  await page.getByText("No executions yet").waitFor();
  const started = await stack.client.startExecution({
    pipeline: "held",
    query: "a held one",
    conversation_id: "other",
  });
  const row = page.getByRole("link", { name: /a held one/ });
  await row.waitFor();
  expect(await row.textContent()).toContain("running");
  held.open();
  await eventually(
    async () => (await row.textContent()) ?? "",
    (text) => text.includes("completed"),
  );
  await run("good", "a good one");
  await run("bad", "a bad one");
  const bad = page.getByRole("link", { name: /a bad one/ });
  await bad.waitFor();
  await eventually(
    () =>
      bad
        .locator(".stage-bar i")
        .evaluateAll((bars) => bars.map((bar) => (bar as unknown as { className: string }).className)),
    (bars) => bars.join() === "is-completed,is-failed",
  );
  expect(await bad.textContent()).toContain("an agent answered with an error in two");
  const queries = () => page.locator(".row-query").allTextContents();
  expect(await queries()).toEqual(["a bad one", "a good one", "a held one"]);
  await page.getByLabel("Status").selectOption("completed");
  await eventually(queries, (shown) => shown.join() === "a good one,a held one");
  await page.getByLabel("Conversation").fill("other");
  await eventually(queries, (shown) => shown.join() === "a held one");
  expect(page.url()).toContain("status=completed&conversation=other");
  await page.reload();
  await eventually(queries, (shown) => shown.join() === "a held one");
  await page.getByLabel("Pipeline").fill("good");
  await page.getByText("No matching executions").waitFor();
  await page.getByRole("link", { name: "Show all executions" }).click();
  await page.getByRole("link", { name: /a held one/ }).click();
  expect(page.url()).toContain(`#/run/${started.execution_id}`);
});

test("a run's results fold, its events open, its error has a readable text", async () => {
  const good = await run("good", "what is in it");
  await page.goto(`${stack.url}/#/run/${good.execution_id}`);
  const panel = page.getByRole("tabpanel");
  await panel.getByRole("button", { name: /^two/ }).click();
  await panel.getByRole("button", { name: /^deep/ }).waitFor();
  expect(await panel.getByText("leaf").count()).toBe(0);
  for (const name of ["list 3 items", "2 1 field"]) {
    const branch = panel.getByRole("button", { name, exact: true });
    if ((await branch.getAttribute("aria-expanded")) === "false") await branch.click();
  }
  expect(await panel.getByText('"found"').count()).toBe(1);
  await panel.getByRole("button", { name: /^deep/ }).click();
  expect(await panel.getByText('"found"').count()).toBe(0);
  await page.getByRole("tab", { name: /^Events/ }).click();
  expect(page.url()).toContain("/events");
  const { events } = await stack.client.getExecutionTrace(good.execution_id);
  expect(await page.locator(".event-type").allTextContents()).toEqual(
    events.map((event) => event.event_type),
  );
  await page.getByRole("tab", { name: "Execution" }).click();
  await page.getByRole("tabpanel").getByText(`"${good.execution_id}"`).waitFor();
  const bad = await run("bad", "why not");
  await page.goto(`${stack.url}/#/run/${bad.execution_id}`);
  const alert = page.getByRole("alert");
  await alert.waitFor();
  expect(await alert.textContent()).toMatch(/An agent answered with an error in two.*out of ink/);
});

test("an agent's own words are shown whole, with where it was called; nothing of them is more than text", async () => {
  const words = `${"long".repeat(60)} <img src=x onerror="window.struck = 1"> the end`;
  await register(stack, agents, {
    wordy: (_call, response) => {
      response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: words }));
    },
  });
  await stack.client.configurePipeline("wordy", [{ name: "only", agent_type: "wordy" }]);
  const { execution_id } = await run("wordy", "say it");
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto(`${stack.url}/#/run/${execution_id}`);
  await page.getByRole("alert").waitFor();
  await page.locator(".result-head").click();
  const body = page.locator(".result-body");
  expect(await body.textContent()).toContain(`the agent answered 400: ${words}`);
  expect(await body.textContent()).toContain(`It was called at ${agents.url("/wordy")} and answered 400.`);
  expect(await page.getByRole("alert").textContent()).toContain(words);
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  expect(await page.evaluate("window.struck")).toBeUndefined();
  expect(await page.locator(".run img").count()).toBe(0);
});

test("a definition is marked while it is typed, drawn beside the text, and saved over nothing but what was read", async () => {
  await page.goto(`${stack.url}/#/pipelines/good`);
  const text = page.getByRole("textbox", { name: "Definition as JSON" });
  await eventually(
    () => text.inputValue(),
    (value) => value.includes('"two"'),
  );
  const definition = JSON.parse(await text.inputValue()) as { stages: Record<string, unknown>[] };
  expect(definition.stages).toEqual([
    { name: "one", agent_type: "fine" },
    { name: "two", agent_type: "fine", depends_on: ["one"] },
  ]);
  const faults = page.getByRole("list", { name: "Errors" });
  const nodes = () => page.locator(".graph .node-name").allTextContents();
  const save = page.getByRole("button", { name: "Save", exact: true });

  await text.fill('{\n  "stages": [\n    {"name": "one" "agent_type": "fine"}\n  ]\n}');
  await faults.getByText("A comma or } is expected here").waitFor();
  expect(await faults.textContent()).toContain("line 3");
  expect(await nodes()).toEqual(["one", "two"]);
  expect(await save.isDisabled()).toBe(true);

  await text.fill(
    '{"stages": [\n{"name": "one", "agent_type": "fine", "retry_attempts": 0},\n{"name": "two", "agent_type": "fine", "depends_on": ["one", "gone"]}]}',
  );
  await faults.getByText(/gone, which is not a stage/).waitFor();
  const { errors } = await stack.client.validatePipelineConfig(
    (JSON.parse(await text.inputValue()) as { stages: unknown[] }).stages,
  );
  expect(errors).toHaveLength(2);
  expect(await faults.getByRole("button").count()).toBe(2);
  expect(await page.locator(".editor pre .is-wrong").allTextContents()).toEqual(["0", '"gone"']);
  expect(await page.locator(".node.is-faulty .node-name").allTextContents()).toEqual(["one", "two"]);

  await text.fill(
    '{"stages": [{"name": "one", "agent_type": "fine"},\n{"name": "two", "agent_type": "fine", "depends_on": ["one"]},\n{"name": "three", "agent_type": "fine", "depends_on": ["two"]}]}',
  );
  await eventually(nodes, (names) => names.length === 3);
  await eventually(
    () => faults.getByRole("button").count(),
    (count) => count === 0,
  );
  // A hint is no error: it is named with its place, and the definition is saved all the same.
  await text.fill(
    '{"stages": [{"name": "one", "agent_type": "fine"},\n{"name": "two", "agent_type": "fine", "depends_on": ["one"]},\n{"name": "three",\n"agent_type": "nobody"}]}',
  );
  const hints = page.getByRole("list", { name: "Hints" });
  await hints.getByText("three the agent nobody is not registered", { exact: false }).waitFor();
  expect(await hints.getByRole("button").count()).toBe(4);
  expect(await hints.textContent()).toContain("three runs alone, although it could overlap one, two");
  expect(await hints.getByRole("button").last().textContent()).toContain("line 4");
  expect(await faults.getByRole("button").count()).toBe(0);
  expect(await page.locator(".node.is-faulty").count()).toBe(0);
  expect(await save.isDisabled()).toBe(false);

  await text.fill(
    '{"stages": [{"name": "one", "agent_type": "fine"},\n{"name": "two", "agent_type": "fine", "depends_on": ["one"]},\n{"name": "three", "agent_type": "fine", "depends_on": ["two"]}]}',
  );
  await eventually(
    () => hints.getByRole("button").count(),
    (count) => count === 0,
  );
  await save.click();
  await page.getByText("Saved as version 2.").waitFor();
  expect((await stack.client.getPipelineConfig("good")).stages.map(({ name }) => name)).toEqual([
    "one",
    "two",
    "three",
  ]);

  // Somebody else writes in the meantime.
  await stack.client.configurePipeline("good", [{ name: "theirs", agent_type: "fine" }]);
  await text.fill('{"stages": [{"name": "mine", "agent_type": "fine"}]}');
  await eventually(nodes, (names) => names.join() === "mine");
  await save.click();
  await page.getByText("This pipeline has changed since it was loaded").waitFor();
  expect((await stack.client.getPipelineConfig("good")).stages[0]?.name).toBe("theirs");
  await page.getByRole("button", { name: "Overwrite" }).click();
  await page.getByText("Saved as version 4.").waitFor();
  expect((await stack.client.getPipelineConfig("good")).stages[0]?.name).toBe("mine");
});

test("a definition keeps its budget when it is edited", async () => {
  const stages = [{ name: "one", agent_type: "fine" }];
  await stack.client.configurePipeline("bounded", stages, { budget: { cost_usd: 0.5 } });
  await page.goto(`${stack.url}/#/pipelines/bounded`);
  const text = page.getByRole("textbox", { name: "Definition as JSON" });
  const written = await eventually(
    () => text.inputValue(),
    (value) => value.includes('"one"'),
  );
  await text.fill(written.replace('"one"', '"first"'));
  const save = page.getByRole("button", { name: "Save", exact: true });
  await eventually(
    () => save.isDisabled(),
    (isDisabled) => !isDisabled,
  );
  await save.click();
  await page.getByText("Saved as version 2.").waitFor();
  expect(await stack.client.getPipelineConfig("bounded")).toMatchObject({
    budget: { cost_usd: 0.5, on_exceeded: "pause" },
    stages: [{ name: "first" }],
  });
});

test("help says what a field means and may hold, adds fields and stages; a new pipeline is begun and saved", async () => {
  await page.goto(`${stack.url}/#/pipelines`);
  await page.getByLabel("New pipeline").last().fill("good");
  await page.getByText("This name is already in use.").waitFor();
  await page.getByLabel("New pipeline").last().fill("fresh");
  await page.getByRole("button", { name: "Create" }).click();
  const text = page.getByRole("textbox", { name: "Definition as JSON" });
  await eventually(
    () => text.inputValue(),
    (value) => value.includes('"first"'),
  );
  await text.press("Control+Home");
  for (let line = 0; line < 4; line += 1) await text.press("ArrowDown");
  await page.getByRole("heading", { name: "agent_type" }).waitFor();
  await page.getByRole("button", { name: "retry_attempts" }).click();
  expect(JSON.parse(await text.inputValue())).toEqual({
    stages: [{ name: "first", agent_type: "query_rewriter", retry_attempts: 3 }],
  });
  await page.getByRole("button", { name: "Add a stage" }).click();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved as version 1.").waitFor();
  const { stages } = await stack.client.getPipelineConfig("fresh");
  expect(stages.map(({ name, depends_on }) => [name, depends_on])).toEqual([
    ["first", []],
    ["stage_2", ["first"]],
  ]);
  expect(page.url()).toMatch(/#\/pipelines\/fresh$/);
  await page
    .getByRole("navigation", { name: "Pipelines" })
    .getByRole("link", { name: /^fresh/ })
    .waitFor();
});

test("health shows the metrics that the API gives, the agents with their breakers, and what fires", async () => {
  await run("good", "one more");
  const metrics = await eventually(
    () => stack.client.getPerformanceMetrics({ window_seconds: 3_600 }),
    ({ execution_metrics }) => execution_metrics.total_executions >= 4,
  );
  await page.goto(`${stack.url}/#/health`);
  const { execution_metrics: all, stage_metrics } = metrics;
  await eventually(
    async () => (await page.locator(".figure").first().textContent()) ?? "",
    (text) => text === `${all.total_executions} executions`,
  );
  const chart = page.getByRole("img", {
    name: new RegExp(`^${all.total_executions} executions over the window`),
  });
  await chart.waitFor();
  expect(await page.locator(".figure").nth(1).textContent()).toBe(
    `${Number((all.success_rate * 100).toFixed(1))} %`,
  );
  expect(
    await page.getByRole("list", { name: "Quantiles of the duration" }).getByRole("listitem").count(),
  ).toBe(4);
  expect(await page.locator("tbody th").allTextContents()).toEqual(Object.keys(stage_metrics));
  const firing = (await stack.client.getAlerts()).filter(({ firing }) => firing);
  expect(await page.getByRole("list", { name: "Alerts" }).getByRole("listitem").count()).toBe(firing.length);
  const known = await stack.client.listAgents();
  const shown = page.locator(".agents li");
  expect(await shown.count()).toBe(known.length);
  expect(await shown.filter({ hasText: "broken" }).textContent()).toContain("breaker closed");
  // One that has failed since says why, in the agent's own words and as text.
  await register(stack, agents, { inkless: failsWith(500, { detail: "<b>no ink</b>" }) });
  await stack.client.configurePipeline("inkless", [
    { name: "only", agent_type: "inkless", retry_attempts: 1 },
  ]);
  await run("inkless", "write");
  await page.reload();
  await shown.filter({ hasText: "last failure: <b>no ink</b>" }).waitFor();
});
