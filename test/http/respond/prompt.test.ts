// What is shown of a prompt: which text is the heading, how values are laid out, and that hostile ones stay text.
import { describe, expect, test } from "vitest";
import { promptParts, valuesHtml, wordsOf } from "../../../src/http/respond/prompt.ts";
import { PAYLOADS } from "../../support/values/payloads.ts";

const LONG_QUESTION = `Is ${"very ".repeat(60)}long?`;

describe("the heading", () => {
  test.each([
    [{ question: "Publish?" }, "Publish?"],
    [{ title: "Release", question: "Publish?" }, "Release"],
    [{ title: "", question: "Publish?" }, "Publish?"],
    [{ title: { a: 1 }, question: "Publish?" }, "Publish?"],
    [{ title: "Two\nlines", question: "Publish?" }, "Publish?"],
    [{ question: LONG_QUESTION }, null],
    [{ question: ["a"] }, null],
    [{}, null],
  ])("of %.80j is %j", (prompt, heading) => {
    expect(promptParts(prompt).heading).toBe(heading);
  });

  test("what is no heading is shown all the same, each value once", () => {
    expect(promptParts({ title: "Release", question: "Publish?" }).html).toBe(
      '<div class="text" dir="auto">Publish?</div>',
    );
    expect(promptParts({ question: LONG_QUESTION }).html).toContain(LONG_QUESTION);
    expect(promptParts({ title: "Two\nlines", question: "Publish?" }).html).toContain("Two\nlines</div>");
    expect(promptParts({ question: ["a", "b"] }).html).toContain("<dt><bdi>Question</bdi></dt>");
    expect(promptParts({ question: "Publish?" }).html).toBe("");
    expect(promptParts({}).html).toBe("");
  });
});

describe("a value", () => {
  test.each<[string, unknown, string]>([
    ["a text", "a\nb", '<div class="text" dir="auto">a\nb</div>'],
    ["a blank text", "  ", "<i>none</i>"],
    ["null", null, "<i>none</i>"],
    ["an empty list", [], "<i>none</i>"],
    ["a number", 1.5, "1.5"],
    ["an integer beyond a double", 12345678901234567890n, "12345678901234567890"],
    ["true", true, "Yes"],
    ["false", false, "No"],
    ["a list", [1, true], "<ul><li>1</li><li>Yes</li></ul>"],
    ["an object", { in_it: 1 }, "<dl><dt><bdi>In it</bdi></dt><dd>1</dd></dl>"],
  ])("that is %s", (_, value, html) => {
    expect(valuesHtml({ key: value })).toBe(`<dl><dt><bdi>Key</bdi></dt><dd>${html}</dd></dl>`);
  });

  test("that is long scrolls in a box with a name, which the keyboard reaches", () => {
    const box = ' role="region" aria-label="The draft" tabindex="0"';
    expect(valuesHtml({ the_draft: "x".repeat(1_501) })).toContain(`<div class="text" dir="auto"${box}>`);
    expect(valuesHtml({ the_draft: "x\n".repeat(26) })).toContain(box);
    expect(valuesHtml({ the_draft: "x".repeat(1_500) })).not.toContain("region");
  });

  test("that is nested deeper than a phone is wide is JSON from there on, integers of any size too", () => {
    let value: unknown = { exact: 12345678901234567890n, text: "</pre><script>" };
    for (let depth = 0; depth < 60; depth += 1) value = { in: value };
    const html = valuesHtml({ value });
    expect(html.split("<dl>")).toHaveLength(4 + 1);
    expect(html).toContain("&quot;exact&quot;: 12345678901234567890");
    expect(html).toContain("&lt;/pre&gt;&lt;script&gt;");
  });

  test("of more values than are laid out is JSON", () => {
    expect(valuesHtml({ all: Array.from({ length: 100 }, () => 1) })).toContain("<ul>");
    expect(valuesHtml({ all: Array.from({ length: 1_000 }, () => 1) })).not.toContain("<ul>");
    const wide = Array.from({ length: 30 }, () => Array.from({ length: 30 }, () => "x"));
    expect(valuesHtml({ wide }).split("<li>").length).toBeLessThan(450);
  });
});

test("a prompt of payloads only, as keys and as values, brings no element and no attribute", () => {
  for (const payload of PAYLOADS) {
    const { html } = promptParts({
      question: [payload],
      [payload]: { [payload]: [payload, { a: { b: payload } }] },
    });
    const elements = [...html.matchAll(/<([a-z]+)((?: [a-z-]+="[^"]*")*)>/g)];
    expect(
      new Set(elements.map(([, name]) => name)).isSubsetOf(
        new Set(["dl", "dt", "dd", "ul", "li", "div", "bdi", "pre", "a", "i"]),
      ),
    ).toBe(true);
    const attributes = elements.flatMap(([, , all = ""]) =>
      [...all.matchAll(/([a-z-]+)="/g)].map(([, name]) => name),
    );
    expect(
      new Set(attributes).isSubsetOf(
        new Set(["class", "dir", "role", "aria-label", "tabindex", "href", "target", "rel"]),
      ),
    ).toBe(true);
    // Nothing else is an element.
    expect(html.match(/</g)).toHaveLength(elements.length + (html.match(/<\/[a-z]+>/g)?.length ?? 0));
  }
});

test("64 KiB of numbers in lists within lists are not indented to many times their size", () => {
  let value: unknown = Array.from({ length: 32_768 }, () => 0);
  for (let depth = 0; depth < 28; depth += 1) value = [value];
  expect(valuesHtml({ value }).length).toBeLessThan(65_536 + 1_000);
});

test("64 KiB of marks grow to no more than an entity each", () => {
  const html = valuesHtml({ marks: "<".repeat(65_536) });
  expect(html.length).toBeLessThan(65_536 * 4 + 200);
});

test.each([
  ["draft_text", "Draft text"],
  ["approval", "Approval"],
  ["__", ""],
  ["", ""],
])("the name %j is %j", (name, words) => {
  expect(wordsOf(name)).toBe(words);
});
