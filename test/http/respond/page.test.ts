// The page of each view: its status, its words, its policy, and that every page is well-formed and says its language.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type OpenView, pageHeaders, respondPage, type RespondView } from "../../../src/http/respond/page.ts";
import { PAYLOADS } from "../../support/values/payloads.ts";
import { field, options } from "../../support/values/form-field.ts";

const AT = "2026-11-28T12:56:00.000Z";
const TIME = '<time datetime="2026-11-28T12:56:00.000Z">Sat, 28 Nov 2026 12:56 UTC</time>';

function open(more: Partial<OpenView> = {}): OpenView {
  return {
    state: "open",
    pipeline: "publish",
    stage: "legal_approval",
    prompt: { question: "Publish this?" },
    fields: [field("boolean", "/approved")],
    expires_at: AT,
    ...more,
  };
}

const faults = [{ pointer: "/approved", detail: "is required" }];

const VIEWS: [string, RespondView, number, string, string][] = [
  ["open", open(), 200, "Publish this?", TIME],
  ["open again", open({ values: {}, faults }), 422, "Publish this?", "Error: <bdi>is required"],
  ["open without a heading", open({ prompt: {} }), 200, "Your answer is needed", TIME],
  [
    "answered",
    { state: "answered", by: "token:a1", at: AT },
    409,
    "This question has already been answered",
    TIME,
  ],
  [
    "answered, nothing known",
    { state: "answered" },
    409,
    "This question has already been answered",
    "Somebody",
  ],
  [
    "answered by time",
    { state: "answered", by: "timeout" },
    409,
    "This question has already been answered",
    "The time was over",
  ],
  ["expired", { state: "expired", at: AT }, 409, "The time for an answer is over", TIME],
  ["expired some time", { state: "expired" }, 409, "The time for an answer is over", "can no longer"],
  ["cancelled", { state: "cancelled" }, 409, "An answer is no longer needed", "has ended"],
  [
    "thanks",
    { state: "thanks", data: { approved: true } },
    200,
    "Thank you",
    "<dt><bdi>Approved</bdi></dt><dd>Yes</dd>",
  ],
  ["thanks for nothing", { state: "thanks", data: {} }, 200, "Thank you", "You can close this page"],
  ["unknown", { state: "unknown" }, 404, "This link does not work", "ask the person who sent it"],
];

describe.each(VIEWS)("the page that is %s", (_, view, status, heading, words) => {
  const page = respondPage(view);

  test("has its status, its one heading and its words", () => {
    expect(page.status).toBe(status);
    expect([...page.html.matchAll(/<h1[^>]*>([^<]*)/g)].map(([, text]) => text)).toEqual([heading]);
    expect(page.html).toContain(words);
  });

  test("says its language, fits a phone, has a title, and runs nothing", () => {
    expect(page.html).toMatch(/^<!doctype html><html lang="en"><head><meta charset="utf-8">/);
    expect(page.html).toContain('content="width=device-width,initial-scale=1"');
    expect(page.html).toMatch(/<title>[^<]+<\/title>/);
    expect(page.html).not.toMatch(/<script|<img|<link| style=| on\w+=/);
  });

  test("closes what it opens", () => {
    const open: string[] = [];
    for (const [, slash, name = ""] of page.html.matchAll(/<(\/?)([a-z][a-z0-9]*)/g)) {
      if (["meta", "input"].includes(name)) continue;
      if (slash === "") open.push(name);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
  });

  test("has no id twice, and no reference to one that is not there", () => {
    const ids = [...page.html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...page.html.matchAll(/ (?:for|aria-describedby|aria-labelledby|href)="#?([^"]*)"/g)];
    for (const id of references.flatMap(([, all = ""]) => all.split(" "))) expect(ids).toContain(id);
  });

  test("has a form only where an answer can be given", () => {
    expect(page.html.includes("<form")).toBe(view.state === "open");
  });
});

test("the policy allows the style that the page has, and forms to where it came from; nothing else", () => {
  const { html, csp } = respondPage(open());
  const [, style = ""] = /<style>([^]*)<\/style>/.exec(html) ?? [];
  const hash = createHash("sha256").update(style).digest("base64");
  expect(csp).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  );
});

test("the headers keep the address to the reader", () => {
  expect(pageHeaders("policy")).toEqual({
    "content-type": "text/html; charset=UTF-8",
    "content-security-policy": "policy",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
  });
});

test("the form posts to the page's own address, which it does not repeat", () => {
  expect(respondPage(open()).html).toContain('<form method="post" aria-label="Your answer">');
});

test("the title says first that something is wrong, and nothing of the prompt", () => {
  const title = (view: RespondView) => /<title>([^<]*)/.exec(respondPage(view).html)?.[1];
  expect(title(open())).toBe("Your answer is needed: Legal approval");
  expect(title(open({ values: {}, faults }))).toBe("Error: Your answer is needed: Legal approval");
});

test("no payload in any place that others write becomes an element", () => {
  const pages = (text: string) => {
    const choice = field("choice", `/c${text}`, { options: options(text), initial: text });
    const all = ["text", "multiline", "json", "lines", "number", "boolean"] as const;
    const fields = [
      choice,
      ...all.map((kind) => field(kind, `/${kind}${text}`, { label: text, description: text, initial: text })),
      field("group", `/g${text}`, { label: text, fields: [field("text", `/g${text}/t`)] }),
    ];
    const faults = [
      { pointer: `/text${text}`, detail: text },
      { pointer: "", detail: text },
    ];
    return respondPage(open({ prompt: { title: text, question: text, [text]: [text] }, fields, faults }))
      .html;
  };
  const elements = (html: string) =>
    [...html.replaceAll(/<a [^>]*>|<\/a>/g, "").matchAll(/<\/?[a-z!]/g)].length;
  // Of one line, short, and so shown in the same places as the plain word.
  const comparable = PAYLOADS.filter(
    (each) => each.length < 140 && !/[\n\r]/.test(each) && each.trim() !== "",
  );
  expect(comparable.length).toBeGreaterThan(150);
  const plain = elements(pages("plain"));
  for (const payload of comparable) expect(elements(pages(payload)), payload).toBe(plain);
});
