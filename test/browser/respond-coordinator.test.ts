// The page of a question as a coordinator without keys serves it, in a real browser: a form of a page without referrer
// says `Origin: null`, and is taken all the same.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPage, startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { type Coordinator, startCoordinator } from "../support/servers/coordinator.ts";

let browser: Browser;
let coordinator: Coordinator;

beforeAll(async () => {
  coordinator = await startCoordinator();
  browser = await startBrowser();
});
afterAll(() => closeAll(browser, coordinator));

const SCHEMA = {
  type: "object",
  required: ["approved", "note"],
  properties: { approved: { type: "boolean" }, note: { type: "string", minLength: 3 } },
};

test("a person opens the link, is corrected, answers, and finds it answered on the way back", async () => {
  const wait = { prompt: "{'question': 'Publish this?'}", schema: SCHEMA };
  const asked = await coordinator.api("POST", "/v1/stages/execute", {
    stage: { name: "ask", wait },
    query: "q",
  });
  const path = asked.headers.get("location") ?? "";
  const { respond_url } = (await coordinator.api("POST", `${path}/stages/ask/token`)).body;
  const { context, page } = await openPage(browser);
  await page.goto(respond_url);
  expect(await page.textContent("h1")).toBe("Publish this?");
  const send = async () => {
    await page.getByRole("button", { name: "Send answer" }).click();
    await page.waitForLoadState();
  };
  await page.getByLabel("Yes").check();
  await page.getByLabel("note").fill("ok");
  await send();
  expect(await page.textContent("main")).toContain("Your answer was not taken");
  expect((await coordinator.api("GET", path)).body.status).toBe("waiting");
  await page.getByLabel("note").fill("fine");
  await send();
  expect(await page.textContent("h1")).toBe("Thank you");
  expect((await coordinator.api("GET", path)).body).toMatchObject({
    status: "completed",
    final_result: { approved: true, note: "fine" },
  });
  await page.goto(respond_url);
  expect(await page.textContent("h1")).toContain("already been answered");
  await context.close();
});
