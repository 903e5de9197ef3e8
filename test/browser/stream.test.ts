// Streams in a real browser, from pages of other origins: one runs a pipeline by POST with the house's client, one
// follows by EventSource with a token. Both are cut in mid-answer and come back whole; a third origin gets nothing.
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { CoordinatorClient } from "../../src/client/index.ts";
import { LIFECYCLE_TYPES } from "../../src/contract/lifecycle.ts";
import { type AgentServer, startAgentServer } from "../support/agents/agent-server.ts";
import { type Site, startBrowser, startSite } from "../support/clients/browser.ts";
import { callsTo } from "../support/clients/calls.ts";
import { seeded } from "../support/values/chance.ts";
import { closeAll } from "../support/close.ts";
import { type Coordinator, startCoordinator } from "../support/servers/coordinator.ts";
import { type Cutter, startCutter } from "../support/clients/cutter.ts";
import { KEYED, KEYS } from "../support/clients/keys.ts";
import { expectWhole, spoken } from "../support/agents/speaker.ts";
import type { Received } from "../support/clients/sse.ts";

const KEY = KEYS.acme;
const CUTS = 3;
const STAGES = ["first", "second"] as const;
const speakers = spoken(STAGES, 120);
const { whole } = speakers;
const run = { query: "q", conversation_id: "c", pipeline: "spoken" };

let agents: AgentServer;
let coordinator: Coordinator;
let client: CoordinatorClient;
let browser: Browser;
let allowed: Site;
let third: Site;
let cutter: Cutter;

beforeAll(async () => {
  const entry = join(import.meta.dirname, "..", "..", "src", "client", "index.ts");
  const bundle = await build({
    entryPoints: [entry],
    bundle: true,
    format: "iife",
    globalName: "house",
    write: false,
  });
  const script = bundle.outputFiles[0]?.text ?? "";
  allowed = await startSite({ "/client.js": script });
  third = await startSite({ "/client.js": script });
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    ...KEYED,
    AGENT_COORDINATOR_CORS_ORIGINS: allowed.origin,
  });
  client = new CoordinatorClient({ baseUrl: coordinator.url, apiKey: KEY });
  await speakers.setUp(agents, callsTo(coordinator.url, KEY), 8);
  browser = await startBrowser();
});

afterAll(() => closeAll(browser, coordinator, agents, allowed, third));

beforeEach(async () => {
  cutter = await startCutter(coordinator.url, seeded(5), 3_000, 6_000);
});
afterEach(() => cutter.close());

async function pageOf(site: Site): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.addScriptTag({ url: "/client.js" });
  return page;
}

/** What the page got, as the other tests look at it. */
function received(all: readonly string[]): Received[] {
  return all.map((raw) => {
    const data = JSON.parse(raw) as { type: string; seq?: number };
    return { id: data.seq ?? null, event: data.type, data, raw };
  });
}

interface InPage {
  baseUrl: string;
  key: string;
  run: typeof run;
}

/** Runs in the page. */
async function executeInPage({ baseUrl, key, run: request }: InPage): Promise<string[]> {
  const { house } = globalThis as unknown as { house: { CoordinatorClient: typeof CoordinatorClient } };
  const inPage = new house.CoordinatorClient({ baseUrl, apiKey: key });
  const seen: string[] = [];
  await inPage.executePipeline(request, { onUpdate: (event) => void seen.push(JSON.stringify(event)) });
  return seen;
}

/** Runs in the page. */
async function followInPage({ url, types }: { url: string; types: string[] }): Promise<string[]> {
  const source = new EventSource(url);
  const seen: string[] = [];
  await new Promise<void>((resolve, reject) => {
    for (const type of types) {
      source.addEventListener(type, (event) => {
        seen.push((event as MessageEvent).data as string);
        if (type === "execution.completed") resolve();
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) reject(new Error("closed for good"));
    });
  });
  source.close();
  return seen;
}

const types = [...LIFECYCLE_TYPES, "stage.delta", "stage.progress"];

test("a page of another origin streams a run by POST, is cut, and has it whole", async () => {
  const before = agents.callsOf("/first").length;
  const page = await pageOf(allowed);
  const seen = await page.evaluate(executeInPage, { baseUrl: cutter.url, key: KEY, run });
  expectWhole(received(seen), whole);
  expect(cutter.cuts()).toBeGreaterThanOrEqual(CUTS);
  expect(agents.callsOf("/first").length - before).toBe(1);
  await page.close();
});

test("another follows by EventSource with a token, is cut, and has it whole", async () => {
  const page = await pageOf(allowed);
  const { stream_url } = await client.startExecution(run);
  const seen = await page.evaluate(followInPage, { url: `${cutter.url}${stream_url}`, types });
  expectWhole(received(seen), whole);
  expect(cutter.cuts()).toBeGreaterThan(0);
  await page.close();
});

test("a third origin is refused, by fetch and by EventSource, and starts nothing", async () => {
  const before = agents.calls.length;
  const page = await pageOf(third);
  const refused = page.evaluate(
    ({ baseUrl, key, body }) =>
      fetch(`${baseUrl}/v1/executions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body,
      }).then(
        () => "answered",
        (cause: Error) => cause.name,
      ),
    { baseUrl: coordinator.url, key: KEY, body: JSON.stringify(run) },
  );
  expect(await refused).toBe("TypeError");
  expect(agents.calls).toHaveLength(before);
  const { stream_url } = await client.startExecution(run);
  await expect(
    page.evaluate(followInPage, { url: `${coordinator.url}${stream_url}`, types }),
  ).rejects.toThrow("closed for good");
  await page.close();
});
