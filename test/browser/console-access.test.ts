// Signing in: where keys are set the page asks for one, tells a wrong one, keeps the right one for its tab alone, and
// follows runs with their stream tokens.
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../support/agents/agent-server.ts";
import { openPage, startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { type ConsoleStack, startConsole } from "../support/servers/console.ts";
import { type Gate, gate, register, writes } from "../support/agents/console-agents.ts";
import { KEYED, KEYS } from "../support/clients/keys.ts";

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const half: Gate = gate();

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents], KEYED, KEYS.acme), startBrowser()]);
  await register(stack, agents, { write: writes(half) });
  await stack.client.configurePipeline("rag", [{ name: "write", agent_type: "write" }]);
});

afterAll(() => closeAll(browser, stack, agents));

beforeEach(async () => {
  ({ context, page } = await openPage(browser));
});
afterEach(() => context.close());

async function signIn(on: Page, key: string): Promise<void> {
  await on.getByLabel("Key").fill(key);
  await on.getByRole("button", { name: "Sign in" }).click();
}

test("a wrong key is reported, the right one signs in, for this tab only; a run is streamed with its token", async () => {
  const streams: { url: string; key: string | undefined }[] = [];
  page.on("request", (request) => {
    if (!request.url().includes("/events")) return;
    streams.push({ url: request.url(), key: request.headers()["authorization"] });
  });
  await page.goto(`${stack.url}/`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await signIn(page, "not-a-key");
  await page.getByText("The coordinator does not know this key.").waitFor();
  expect(await page.getByLabel("Key").getAttribute("aria-invalid")).toBe("true");
  await signIn(page, KEYS.acme);
  await page.getByRole("textbox", { name: "Question" }).fill("May I?");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("The breaker counts failures in a row", { exact: false }).waitFor();
  half.open();
  await page.getByText("refuses calls for a minute", { exact: false }).waitFor();
  expect(streams.length).toBeGreaterThan(0);
  for (const { url, key } of streams) {
    expect(url).toMatch(/\?token=.+/);
    expect(key).toBeUndefined();
  }
  expect(page.url()).not.toContain("token");
  expect(page.url()).not.toContain(KEYS.acme);

  // A reload keeps the key; another tab does not have it, and nothing outlives the tab.
  await page.reload();
  await page.getByText("refuses calls for a minute", { exact: false }).waitFor();
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  const { cookies, origins } = await context.storageState();
  expect(cookies).toEqual([]);
  expect(origins).toEqual([]);

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("another tenant's run is not there, and a key without the scope says so", async () => {
  half.open();
  const { execution_id } = await stack.client.executePipeline({ query: "mine", conversation_id: "c" });
  await page.goto(`${stack.url}/#/run/${execution_id}`);
  await signIn(page, KEYS.globex);
  await page.getByText("Run not found").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, KEYS.runner);
  await page.goto(`${stack.url}/#/pipelines/rag`);
  const text = page.getByRole("textbox", { name: "Definition as JSON" });
  await text.fill('{"stages": [{"name": "other", "agent_type": "write"}]}');
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("This key lacks permission").waitFor();
});

test("where no keys are set the page says how to set them", async () => {
  const closed = await startConsole([], { AGENT_COORDINATOR_AUTH: "keys" });
  try {
    await page.goto(`${closed.url}/`);
    await page.getByText("AGENT_COORDINATOR_API_KEYS", { exact: false }).waitFor();
  } finally {
    await closed.close();
  }
});
