// The page for a person without a key, in a real browser as on a phone: it is filled in and corrected by keyboard alone
// and without script, every control has a name and is large enough for a finger, its policy stops nothing of its own.
import { createServer, type IncomingMessage } from "node:http";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { dataFaults } from "../../src/core/schemas/data-faults.ts";
import { formFields } from "../../src/core/schemas/form-fields.ts";
import { readForm } from "../../src/core/schemas/read-form.ts";
import { fieldName } from "../../src/http/respond/form.ts";
import { pageHeaders, respondPage, type RespondView } from "../../src/http/respond/page.ts";
import { startBrowser } from "../support/clients/browser.ts";
import { closeAll } from "../support/close.ts";
import { onLoopback } from "../support/servers/loopback.ts";
import { field } from "../support/values/form-field.ts";
import { PAYLOADS } from "../support/values/payloads.ts";

const PHONE: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  isMobile: true,
  hasTouch: true,
};
/** A finger's, in CSS pixels. */
const LEAST_TARGET = 44;
/** Below it a phone zooms in at each field. */
const LEAST_FONT = 16;

const DECISION = {
  type: "object",
  required: ["approved"],
  properties: { approved: { type: "boolean", title: "Approved" } },
};
const FORM = {
  type: "object",
  required: ["approved", "country", "name", "score"],
  properties: {
    ...DECISION.properties,
    tone: { title: "Tone", enum: ["plain", "warm"] },
    country: { title: "Country", enum: ["A", "B", "C", "D", "E", "F"] },
    name: { title: "Name", description: "As in your passport.", type: "string", maxLength: 80 },
    // The page says nothing of multiples, and so no browser knows.
    score: { title: "Score", type: "integer", minimum: 1, maximum: 10, multipleOf: 5 },
    tags: { title: "Tags", type: "array", items: { type: "string" } },
    address: { title: "Address", type: "object", properties: { city: { title: "City", type: "string" } } },
    extra: { title: "Extra", type: "object" },
  },
};
const BASE = {
  state: "open",
  pipeline: "publish",
  stage: "approval",
  expires_at: "2026-11-28T12:56:00.000Z",
} as const;
const VIEWS: Record<string, RespondView> = {
  form: {
    ...BASE,
    fields: formFields(FORM),
    prompt: {
      question: "Publish this?",
      draft: "word ".repeat(600),
      unbroken: "x".repeat(500),
      facts: { of: { it: { all: { deep: ["x".repeat(200)] } } } },
    },
  },
  decision: {
    ...BASE,
    fields: formFields(DECISION),
    prompt: { title: "Release", question: "May it go out?" },
  },
  hostile: {
    ...BASE,
    fields: PAYLOADS.slice(0, 40).map((text, at) =>
      field("text", `/${at}${text}`, { label: text, description: text, initial: text, required: false }),
    ),
    prompt: { question: PAYLOADS.join("\n"), ...Object.fromEntries(PAYLOADS.map((text) => [text, text])) },
  },
  answered: { state: "answered", at: "2026-11-27T12:00:00.000Z" },
  expired: { state: "expired" },
  cancelled: { state: "cancelled" },
  thanks: { state: "thanks", data: { approved: true } },
  unknown: { state: "unknown" },
};

let site: { url: string; close(): Promise<void> };
let browser: Browser;
/** What was posted, as name and value. */
let posted: [string, string][][] = [];
/** `Origin` and `Referer` of what was posted. */
let senders: (string | undefined)[][] = [];

beforeAll(async () => {
  const server = createServer((request, response) => {
    void (async () => {
      const view = VIEWS[(request.url ?? "").slice(1)] ?? { state: "unknown" };
      const page = respondPage(request.method === "POST" ? judged(view, await formOf(request)) : view);
      response.writeHead(page.status, pageHeaders(page.csp)).end(page.html);
    })();
  });
  [site, browser] = await Promise.all([onLoopback(server), startBrowser()]);
});

afterAll(() => closeAll(browser, site));

beforeEach(() => {
  posted = [];
  senders = [];
});

async function formOf(request: IncomingMessage): Promise<[string, string][]> {
  let body = "";
  for await (const part of request) body += String(part);
  const form = [...new URLSearchParams(body)];
  posted.push(form);
  senders.push([request.headers.origin, request.headers.referer]);
  return form;
}

/** As the route judges: what cannot be read and what the schema refuses is asked for again. */
function judged(view: RespondView, form: [string, string][]): RespondView {
  if (view.state !== "open") return view;
  const named = form.map(([name, text]): [string, string] => [fieldName(name), text]);
  const { data, faults: unread } = readForm(view.fields, named);
  const schema = view === VIEWS["form"] ? FORM : DECISION;
  const faults = unread.length > 0 ? unread : dataFaults(schema, data);
  if (faults.length > 0) return { ...view, values: Object.fromEntries(named), faults };
  return { state: "thanks", data: data as Record<string, unknown> };
}

/** A page of a context of its own, and what the browser complained of. */
async function opened(
  name: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ ...PHONE, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Of a status that is an error the browser complains as well.
    if (!message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.isNavigationRequest()) complaints.push(`loads ${request.url()}`);
  });
  await page.goto(`${site.url}/${name}`);
  return { page, complaints };
}

/** The name of what has the focus, as a screen reader says it. */
async function focused(page: Page): Promise<string> {
  const nodes = await accessibilityOf(page);
  const node = nodes.filter((each) => each.isFocused).at(-1);
  return `${node?.role} ${node?.name}`;
}

interface AccessibleNode {
  role: string;
  name: string;
  description: string;
  isFocused: boolean;
  isInvalid: boolean;
}

async function accessibilityOf(page: Page): Promise<AccessibleNode[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name, description, properties = [] }) => {
      const property = (of: string) => properties.find((each) => each.name === of)?.value.value as unknown;
      return {
        role: String(role?.value),
        name: String(name?.value ?? ""),
        description: String(description?.value ?? ""),
        isFocused: property("focused") === true,
        isInvalid: property("invalid") === "true",
      };
    });
}

test.each([true, false])(
  "by keyboard alone it is filled in, refused, corrected and taken (script: %s)",
  async (javaScriptEnabled) => {
    const { page, complaints } = await opened("form", { javaScriptEnabled });
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await press("Tab");
    expect(await focused(page)).toBe("region Draft");
    // The JSON is reached as well.
    await press("Tab", "Tab");
    expect(await focused(page)).toBe("radio Yes");
    await press("Space", "ArrowDown");
    expect(await focused(page)).toBe("radio No");
    await press("Tab", "Tab", "E", "Tab");
    expect(await focused(page)).toBe("textbox Name");
    await page.keyboard.type("Zoë <b>&");
    await press("Tab", "7", "Tab");
    await page.keyboard.type("\none\ntwo");
    await press("Tab", "Tab");
    expect(await focused(page)).toBe("textbox Extra (optional)");
    await page.keyboard.type('{"a":"</textarea>"}');
    await press("Tab");
    expect(await focused(page)).toBe("button Send answer");
    await Promise.all([page.waitForURL("**/form"), page.waitForEvent("load"), press("Enter")]);

    const entered = [
      ["/approved", "false"],
      ["/tone", ""],
      ["/country", '"E"'],
      ["/name", "Zoë <b>&"],
      ["/score", "7"],
      ["/tags", "\r\none\r\ntwo"],
      ["/address/city", ""],
      ["/extra", '{"a":"</textarea>"}'],
    ];
    expect(posted).toEqual([entered]);
    expect(await page.title()).toMatch(/^Error: /);
    expect(await focused(page)).toBe("alert Your answer was not taken");
    const faulty = (await accessibilityOf(page)).filter(({ isInvalid }) => isInvalid);
    expect(faulty).toMatchObject([
      {
        role: "spinbutton",
        name: "Score",
        description: expect.stringMatching(/^A whole number. From 1 to 10. Error: .*5/),
      },
    ]);
    await press("Tab");
    expect(await focused(page)).toMatch(/^link Score .*5/);
    await press("Enter", "Tab", "Shift+Tab");
    expect(await focused(page)).toBe("spinbutton Score");
    await press("Control+A", "5");
    await Promise.all([page.waitForEvent("load"), press("Enter")]);
    // What was entered the first time was kept.
    expect(posted[1]).toEqual(entered.map(([name, value]) => [name, name === "/score" ? "5" : value]));
    expect(await page.locator("h1").textContent()).toBe("Thank you");
    const answer = await page.getByRole("region", { name: "Your answer" }).innerText();
    expect(answer.split(/\n+/)).toEqual(
      ["Your answer", "Approved", "No", "Country", "E", "Name", "Zoë <b>&", "Score", "5"].concat([
        "Tags",
        "one",
        "two",
        "Extra",
        "A",
        "</textarea>",
      ]),
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  },
);

test.each([
  ["Yes", "true"],
  ["No", "false"],
])("a decision is one key: %s", async (name, value) => {
  const { page, complaints } = await opened("decision");
  const button = page.getByRole("group", { name: "Approved" }).getByRole("button", { name });
  await button.focus();
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  expect(posted).toEqual([[["/approved", value]]]);
  // Without referrer a browser keeps the origin to itself too: a route that compared it would refuse every answer.
  expect(senders).toEqual([["null", undefined]]);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("opening it answers nothing, and an answer that lacks a decision is not sent", async () => {
  const { page } = await opened("form");
  await page.getByRole("button").click();
  expect(await focused(page)).toBe("radio Yes");
  expect(posted).toEqual([]);
  await page.context().close();
});

const NAMED = [
  "textbox",
  "radio",
  "radiogroup",
  "combobox",
  "spinbutton",
  "button",
  "link",
  "group",
  "region",
  "form",
  "alert",
];

test.each(
  Object.keys(VIEWS).flatMap((name) => (["light", "dark"] as const).map((scheme) => [name, scheme] as const)),
)(
  "the page of %s in %s: all has names, fits a phone and a finger, and shows in its colours",
  async (name, scheme) => {
    const { page, complaints } = await opened(name, { colorScheme: scheme });
    const nameless = (await accessibilityOf(page)).filter(
      (node) => NAMED.includes(node.role) && node.name === "",
    );
    expect(nameless).toEqual([]);
    const { wide, small, background, headings } = (await page.evaluate(`(${MEASURE})()`)) as {
      wide: number;
      small: string[];
      background: string;
      headings: number;
    };
    expect(wide).toBeLessThanOrEqual(360);
    expect(small).toEqual([]);
    expect(headings).toBe(1);
    expect(background).toBe(scheme === "light" ? "rgb(248, 248, 246)" : "rgb(16, 17, 19)");
    expect(complaints).toEqual([]);
    await page.context().close();
  },
);

const MEASURE = `() => {
  const small = [...document.querySelectorAll("input:not([type=radio]), select, textarea, button, label.choice")]
    .filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      const font = Number.parseFloat(getComputedStyle(element).fontSize);
      return Math.min(width, height) < ${LEAST_TARGET} || font < ${LEAST_FONT};
    })
    .map((element) => element.outerHTML);
  return {
    small,
    wide: document.documentElement.scrollWidth,
    background: getComputedStyle(document.documentElement).backgroundColor,
    headings: document.querySelectorAll("h1").length,
  };
}`;

test("hostile texts run nothing, and are what the page shows, even without its policy", async () => {
  const context = await browser.newContext({ bypassCSP: true });
  await context.addInitScript("window.struck = 0; window.strike = () => { window.struck += 1; };");
  const page = await context.newPage();
  await page.goto(`${site.url}/hostile`);
  expect(await page.evaluate("window.struck")).toBe(0);
  const shown = String(await page.evaluate("document.querySelector('.text').textContent"));
  // oxlint-disable-next-line no-control-regex -- HTML has no NUL.
  expect(shown).toBe(PAYLOADS.join("\n").replaceAll(/\r\n?/g, "\n").replaceAll(/\x00/g, ""));
  await context.close();
});
