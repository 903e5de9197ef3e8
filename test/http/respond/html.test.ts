// Texts of others as HTML: what is escaped, and which addresses become links.
import { describe, expect, test } from "vitest";
import { escapeHtml, isolated, linkedText, timeHtml } from "../../../src/http/respond/html.ts";
import { PAYLOADS } from "../../support/values/payloads.ts";

test("what means something in content or in an attribute is escaped", () => {
  expect(escapeHtml(`<a href="x" title='y'>&amp;`)).toBe(
    "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;",
  );
  expect(isolated("\u202Ea<b")).toBe("<bdi>\u202Ea&lt;b</bdi>");
});

test("no payload of cross-site scripting leaves a mark, but those of links to http(s)", () => {
  for (const payload of PAYLOADS) {
    expect(escapeHtml(payload)).not.toMatch(/[<>"']/);
    const links =
      /<a href="https?:\/\/[^<>"']*" target="_blank" rel="noopener noreferrer nofollow">[^<>"']*<\/a>/gi;
    expect(linkedText(payload).replaceAll(links, "")).not.toMatch(/[<>"']/);
  }
});

describe("a text", () => {
  test.each([
    ["see https://example.com/a?b=1&c=2.", ["https://example.com/a?b=1&amp;c=2"]],
    ["(http://example.com/), HTTPS://EXAMPLE.com!", ["http://example.com/", "HTTPS://EXAMPLE.com"]],
    ['<a href="https://example.com/x">x</a>', ["https://example.com/x"]],
    ["https://example.com/'onmouseover=strike()", ["https://example.com/&#39;onmouseover=strike("]],
    // Read as the host that it is not.
    ["https://bank.example@evil.example/", []],
    ["https://:secret@evil.example/", []],
    // Turned round, or look-alikes of other letters.
    ["https://\u202Eevil.example", []],
    ["https://bаnk.example", []],
    ["https://example.com/日本", []],
    ["https://", []],
    ["https://%", []],
    ["javascript:alert(1) data:text/html,x ftp://example.com //example.com", []],
    [`https://example.com/${"x".repeat(3_000)}`, []],
    // Each end of a regular expression that ends in marks would try from each of these.
    [`https://example.com/${".".repeat(65_536)}x`, []],
  ])("%.60s has the links %j", (text, links) => {
    const html = linkedText(text);
    expect([...html.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => href)).toEqual(links);
    expect(html.replaceAll(/<a [^>]*>|<\/a>/g, "")).toBe(escapeHtml(text));
  });
});

test("a time is in UTC to the minute, and to the millisecond for programs", () => {
  expect(timeHtml("2026-11-28T12:56:07.123Z")).toBe(
    '<time datetime="2026-11-28T12:56:07.123Z">Sat, 28 Nov 2026 12:56 UTC</time>',
  );
});
