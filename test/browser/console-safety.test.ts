// What an agent says is text. Two hundred and more payloads come as answers, with the page's policy switched off so
// that nothing but the page itself stands between them and the browser; none executes, each is read as it was sent.
// And the page's own promises: its policy, and how little is loaded.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, startAgentServer } from "../support/agents/agent-server.ts";
import { startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { complaintsOf, type ConsoleStack, startConsole } from "../support/servers/console.ts";
import { register } from "../support/agents/console-agents.ts";
import { PAYLOADS } from "../support/values/payloads.ts";

/** So many payloads are the paragraphs of one answer: a view for each alone would take minutes. */
const AT_ONCE = 7;
const payloadsOf = (query: string) => PAYLOADS.slice(Number(query), Number(query) + AT_ONCE);

const FIRST_LOAD_BYTES = 60_000;
const DIST = join(import.meta.dirname, "../../dist/console");

let agents: AgentServer;
let stack: ConsoleStack;
let browser: Browser;

beforeAll(async () => {
  agents = await startAgentServer();
  [stack, browser] = await Promise.all([startConsole([agents]), startBrowser()]);
  // Says the payload that the question numbers: as text that streams, as the answer, in citations and in the data.
  await register(stack, agents, {
    evil: (call, response) => {
      const payloads = payloadsOf(call.body.query);
      const answer = payloads.join("\n\n");
      const citations = payloads.map((payload, at) => ({ index: at + 1, reference: payload, url: payload }));
      const data = { answer, citations, ...Object.fromEntries(payloads.map((each) => [each, [each]])) };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`event: delta\ndata: ${JSON.stringify({ text: answer })}\n\n`);
      response.write(`event: progress\ndata: ${JSON.stringify({ message: answer })}\n\n`);
      response.end(`event: result\ndata: ${JSON.stringify({ data })}\n\n`);
    },
    cruel: (call, response) => {
      response
        .writeHead(400, { "content-type": "application/problem+json" })
        .end(JSON.stringify({ status: 400, detail: payloadsOf(call.body.query)[0] }));
    },
  });
  await stack.client.configurePipeline("evil", [{ name: "evil", agent_type: "evil" }]);
  await stack.client.configurePipeline("cruel", [{ name: "cruel", agent_type: "cruel" }]);
});

afterAll(() => closeAll(browser, stack, agents));

/** Every payload calls this where it can. */
const TRAP =
  "window.struck = 0; window.strike = () => { window.struck += 1; }; window.alert = window.strike;";

test("two hundred payloads and more as answers: none executes, each is read as it was sent", async () => {
  expect(new Set(PAYLOADS).size).toBeGreaterThanOrEqual(200);
  const context = await browser.newContext({ bypassCSP: true });
  await context.addInitScript(TRAP);
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  const strangers: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(stack.url) && !request.url().startsWith("data:"))
      strangers.push(request.url());
  });
  await page.goto(`${stack.url}/`);
  const starts = Array.from({ length: Math.ceil(PAYLOADS.length / AT_ONCE) }, (_, at) => at * AT_ONCE);
  const run = async (pipeline: string, from: number) => {
    const request = { pipeline, query: String(from), conversation_id: `${pipeline}${from}` };
    return (await stack.client.executePipeline(request)).execution_id;
  };
  // As answers all of them, and the first of each seven as an agent's error too.
  const runs = await Promise.all(starts.flatMap((from) => [run("evil", from), run("cruel", from)]));
  const told = (await page.evaluate(`(${READ_ALL})(${JSON.stringify(runs)})`)) as Seen[];
  // A blank line parts paragraphs, a mark has a hard space before it, and an error of the coordinator has spaces for
  // control characters; every other character stays.
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  const plain = (text: string) => text.replaceAll(/[\u00a0\u0000-\u001f]/g, " ");
  for (const [at, from] of starts.entries()) {
    const [answer, error] = [told[2 * at] as Seen, told[2 * at + 1] as Seen];
    for (const payload of payloadsOf(String(from))) {
      const shown = plain(payload.replaceAll(/\n{2,}/g, ""));
      expect(plain(answer.text)).toContain(shown);
      expect(plain(answer.sources)).toContain(plain(payload));
    }
    expect(plain(error.text)).toContain(plain(PAYLOADS[from] ?? "").trim());
    expect([...answer.strange, ...error.strange]).toEqual([]);
  }
  expect(await page.evaluate("window.struck")).toBe(0);
  expect(complaints.list).toEqual([]);
  expect(strangers).toEqual([]);

  // The trap would have sprung: the same payloads as HTML do execute here.
  const struck = await page.evaluate(`(${STRIKE})(${JSON.stringify(PAYLOADS)})`);
  expect(struck).toBeGreaterThan(40);
  await context.close();
}, 120_000);

interface Seen {
  text: string;
  sources: string;
  strange: string[];
}

/** Goes from run to run as a link does, opens its data, and gives back the text and every element or address that no
 * part of this page makes. In the page, so that two hundred views cost no two hundred trips. */
const READ_ALL = `async (ids) => {
  const told = [];
  const until = async (ask) => {
    for (let tries = 0; tries < 400; tries += 1) {
      const found = ask();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error("never: " + location.hash + " " + ask);
  };
  for (const id of ids) {
    location.hash = "#/run/" + id;
    const run = await until(() => {
      const article = document.querySelector(".run");
      return article?.querySelector(".run-id")?.textContent === id && /completed|failed/.test(article.dataset.status) && article;
    });
    run.querySelector(".result-head").click();
    await until(() => run.querySelector(".result-body"));
    const strange = [...document.body.querySelectorAll("script, iframe, object, embed, img, video, audio, style, link, base, meta, marquee, math, details, form:not(.ask), a")]
      .filter((element) => element.tagName !== "A" || /^(javascript|data|vbscript|blob|file):/i.test(element.protocol))
      .map((element) => element.outerHTML);
    const handlers = [...document.body.querySelectorAll("*")].flatMap((element) => element.getAttributeNames().filter((name) => name.startsWith("on") || name === "srcdoc"));
    const text = (run.querySelector(".answer") ?? run.querySelector('[role="alert"]') ?? document.querySelector('[role="alert"]')).textContent;
    const sources = run.querySelector(".citations")?.textContent ?? "";
    told.push({ text, sources, strange: [...strange, ...handlers] });
  }
  return told;
}`;

const STRIKE = `async (payloads) => {
  for (const payload of payloads) {
    const place = document.createElement("div");
    document.body.append(place);
    place.innerHTML = payload;
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  return window.struck;
}`;

test("the page is served under a policy that allows its own files alone, and runs under it without a complaint", async () => {
  const response = await fetch(`${stack.url}/`);
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).not.toMatch(/unsafe|\*|data:/);
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  const html = await response.text();
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|<style|\sstyle=/);
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  for (const view of ["", "#/executions", "#/pipelines", "#/health"]) {
    await page.goto(`${stack.url}/${view}`);
    await page.locator("h1, .ask").first().waitFor();
  }
  await page.goto(`${stack.url}/#/pipelines/evil`);
  await page.locator(".node").first().waitFor();
  expect(complaints.list).toEqual([]);
  // The policy stands: a script of somebody else's making is refused.
  await page.evaluate(
    "try { const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s); } catch {}",
  );
  expect(await page.evaluate("window.bad")).toBeUndefined();
  await page.close();
});

test("the API's paths are the Worker's, the page's are files, and what is neither is a problem", async () => {
  const at = async (path: string) => {
    const response = await fetch(`${stack.url}${path}`);
    return [response.status, (response.headers.get("content-type") ?? "").split(";")[0]];
  };
  expect(await at("/")).toEqual([200, "text/html"]);
  expect(await at("/healthz")).toEqual([200, "application/json"]);
  expect(await at("/openapi.json")).toEqual([200, "application/json"]);
  expect(await at("/v1/nothing")).toEqual([404, "application/problem+json"]);
  expect(await at("/nothing")).toEqual([404, "application/problem+json"]);
});

test("the first load is under 60 kB compressed", () => {
  const page = readFileSync(join(DIST, "index.html"), "utf8");
  const named = [...page.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css|svg))"/g)].map(
    ([, path]) => path as string,
  );
  expect(named.length).toBeGreaterThanOrEqual(3);
  const size = (path: string) => gzipSync(readFileSync(join(DIST, path))).byteLength;
  const bytes = ["index.html", ...named].reduce((sum, path) => sum + size(path), 0);
  expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
  // And all that views load later is not as large again.
  const all = readdirSync(DIST, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.(js|css)$/.test(path),
  );
  const later = all.filter((path) => !named.includes(path)).reduce((sum, path) => sum + size(path), 0);
  expect(later).toBeLessThan((FIRST_LOAD_BYTES * 2) / 3);
});
