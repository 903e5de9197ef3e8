// A draft of the reference agents is approved by a person without a key, on a phone, and published, or rejected with a
// remark: the coordinator and the agents as they are deployed, the link from the API, the page in a real browser with and
// without script, a reader of the run's stream.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REVIEWED } from "../../fixtures/pipelines/reviewed.ts";
import type { Stage, StreamUpdate } from "../../src/client/index.ts";
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

/** A run up to its question, a reader of its stream, and the question's page. */
async function drafted(
  javaScriptEnabled: boolean,
): Promise<{ id: string; draft: string; seen: StreamUpdate[]; reading: Promise<void>; page: Page }> {
  const request = { query: "How does a heat pump work?", conversation_id: "c1", pipeline: "reviewed" };
  const { execution_id: id } = await stack.client.startExecution(request);
  const seen: StreamUpdate[] = [];
  const reading = (async () => {
    for await (const update of stack.client.stream(id)) seen.push(update);
  })();
  const { stage_results } = await eventually(
    () => stack.client.getExecution(id),
    ({ status }) => status === "waiting",
  );
  const draft = stage_results["answer_generation"]?.data?.["answer"] as string;
  expect(draft.length).toBeGreaterThan(20);
  const { respond_url } = await stack.client.stageToken(id, "approval");
  const context = await browser.newContext({
    viewport: { width: 360, height: 640 },
    isMobile: true,
    hasTouch: true,
    javaScriptEnabled,
  });
  const page = await context.newPage();
  await page.goto(respond_url);
  expect(await page.textContent("h1")).toBe("Publish this answer?");
  expect(await page.textContent("dl .text")).toBe(draft);
  expect((await stack.client.getExecution(id)).status).toBe("waiting");
  return { id, draft, seen, reading, page };
}

async function answer(page: Page, approved: "Yes" | "No", remark: string): Promise<void> {
  await page.getByRole("radiogroup", { name: "Approved" }).getByLabel(approved).tap();
  await page.getByLabel("Remark").fill(remark);
  await page.getByRole("button", { name: "Send answer" }).tap();
  await page.getByRole("heading", { name: "Thank you" }).waitFor();
}

/** The stream from the question on, as `type stage`. */
function since(seen: readonly StreamUpdate[]): string[] {
  const types = seen.map((update) => [update.type, "stage" in update ? update.stage : ""].join(" ").trim());
  return types.slice(types.indexOf("stage.waiting approval"));
}

const callsOf = (id: string) => agents.callsOf("/publish").filter(({ body }) => body.execution_id === id);

test.each([false, true])("a draft approved on a phone is published (script: %s)", async (hasScript) => {
  const { id, draft, seen, reading, page } = await drafted(hasScript);
  expect(callsOf(id)).toEqual([]);
  await answer(page, "Yes", "fine");
  await page.context().close();
  await reading;
  expect(since(seen)).toEqual([
    "stage.waiting approval",
    "stage.completed approval",
    "stage.started publish",
    "stage.completed publish",
    "execution.completed",
  ]);
  expect((await stack.client.getExecution(id)).final_result).toEqual({ published: true });
  const [call, ...others] = callsOf(id);
  expect(others).toEqual([]);
  expect(call?.body).toMatchObject({
    inputs: { approval: { approved: true, remark: "fine" }, answer_generation: { answer: draft } },
  });
});

test.each([false, true])("one rejected with a remark is not published (script: %s)", async (hasScript) => {
  const { id, seen, reading, page } = await drafted(hasScript);
  await answer(page, "No", "Say where\nthe heat comes from.");
  await page.context().close();
  await reading;
  expect(since(seen)).toEqual([
    "stage.waiting approval",
    "stage.completed approval",
    "stage.skipped publish",
    "execution.completed",
  ]);
  const { stage_results } = await stack.client.getExecution(id);
  expect(stage_results["approval"]).toMatchObject({
    data: { approved: false, remark: "Say where\nthe heat comes from." },
    answered_by: expect.stringMatching(/^token:/),
  });
  expect(stage_results["publish"]).toMatchObject({ status: "skipped", data: null });
  expect(callsOf(id)).toEqual([]);
});
