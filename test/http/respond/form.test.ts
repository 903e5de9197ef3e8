// The form as a whole: names of controls, what was entered, which control a fault belongs to, its summary.
import { describe, expect, test } from "vitest";
import type { FormField } from "../../../src/core/schemas/form-fields.ts";
import { fieldName, formHtml } from "../../../src/http/respond/form.ts";
import { isolated } from "../../../src/http/respond/html.ts";
import { field } from "../../support/values/form-field.ts";

const address = field("group", "/address", {
  required: false,
  fields: [field("text", "/address/city"), field("text", "/address/zip", { required: false })],
});
const fields = [field("boolean", "/approved"), field("text", "/note", { initial: "as it was" }), address];

const NONE: readonly FormField[] = [];

describe("the name of a control", () => {
  test.each(["/address/city", ""])("leads back to the field %j", (name) => {
    const [, sent = ""] = / name="([^"]*)"/.exec(formHtml([field("json", name)], {})) ?? [];
    expect(sent).not.toBe("");
    expect(fieldName(sent)).toBe(name);
  });

  test("is escaped", () => {
    expect(formHtml([field("text", '/"><script>')], {})).toContain(' name="/&quot;&gt;&lt;script&gt;" ');
  });
});

test("the text of the whole is kept", () => {
  expect(formHtml([field("json", "")], { values: { "": "[1" } })).toContain(">\n[1</textarea>");
});

test("a list may be empty, and a value that may be null left out", () => {
  expect(formHtml([field("lines", "/a"), field("text", "/b", { nullable: true })], {})).not.toContain(
    " required",
  );
});

describe("what a control shows", () => {
  test("is the schema's at first", () => {
    expect(formHtml(fields, {})).toContain('value="as it was"');
  });

  test("is what was entered afterwards, nothing too", () => {
    expect(formHtml(fields, { values: { "/note": "<new>" } })).toContain('value="&lt;new&gt;"');
    expect(formHtml(fields, { values: {} })).toMatch(/name="\/note"[^>]* value=""/);
    expect(formHtml(fields, { values: { "/approved": "false" } })).toContain('value="false" checked');
  });
});

test("no decision is made beforehand", () => {
  expect(formHtml(fields, {})).not.toMatch(/ (?:checked|selected)/);
});

describe("a fault", () => {
  test.each([
    ["/note", "f1", "is <wrong>"],
    ["/note/of/it", "f1", "of/it is <wrong>"],
    ["/address", "f2", "is <wrong>"],
    ["/address/city", "f2-0", "is <wrong>"],
    ["/address/street", "f2", "street is <wrong>"],
    ["/tags/2", "f3", "line 3 is <wrong>"],
  ])("at %s is beside the control %s, to which the summary leads", (pointer, id, words) => {
    const all = [...fields, field("lines", "/tags")];
    const html = formHtml(all, { values: {}, faults: [{ pointer, detail: "is <wrong>" }] });
    const detail = isolated(words);
    expect(html).toContain(`<span class="fault" id="${id}e">Error: ${detail}</span>`);
    expect(html).toMatch(new RegExp(`<li><a href="#${id}"><bdi>\\w+</bdi> ${detail}</a></li>`));
    expect(html).toMatch(new RegExp(`aria-describedby="[^"]*${id}e"`));
    expect(html.split(` id="${id}"`)).toHaveLength(2);
  });

  test.each([
    ["", "The answer"],
    ["/notes", "/notes"],
    ["/other", "/other"],
  ])("at %j, where there is no control, is in the summary alone", (pointer, place) => {
    const html = formHtml(fields, { faults: [{ pointer, detail: "is wrong" }] });
    expect(html).toContain(`<li><bdi>${place} is wrong</bdi></li>`);
    expect(html).not.toContain('class="fault"');
  });

  test("beside another of the same control is named after it", () => {
    const faults = ["is one", "is two"].map((detail) => ({ pointer: "/note", detail }));
    expect(formHtml(fields, { faults })).toContain("Error: <bdi>is one</bdi>; <bdi>is two</bdi></span>");
  });

  test("of the whole answer is at its only field", () => {
    const html = formHtml([field("json", "")], { faults: [{ pointer: "/any/where", detail: "is wrong" }] });
    expect(html).toContain('<li><a href="#f0">');
  });
});

test("the summary has the focus; without faults there is none", () => {
  expect(formHtml(fields, { faults: [{ pointer: "", detail: "d" }] })).toContain(
    'role="alert" tabindex="-1" autofocus',
  );
  expect(formHtml(fields, { faults: [] })).not.toContain("alert");
});

describe("the buttons", () => {
  const names = (all: readonly FormField[]) =>
    [...formHtml(all, {}).matchAll(/<button[^>]*>([^<]*)/g)].map(([, name]) => name);

  test.each<[string, readonly FormField[], string[]]>([
    ["of a form", fields, ["Send answer"]],
    ["of a form without fields", NONE, ["Confirm"]],
    ["of one decision are its two answers", [field("boolean", "/approved")], ["Yes", "No"]],
    // Enter in the text would press the first button.
    ["of a decision with a comment", [field("boolean", "/approved"), field("text", "/why")], ["Send answer"]],
    ["of one answer that may be left out", [field("boolean", "/a", { required: false })], ["Send answer"]],
    ["of one text", [field("text", "/a")], ["Send answer"]],
  ])("%s", (_, all, expected) => {
    expect(names(all)).toEqual(expected);
  });
});

test("what an optional group requires is not required of the form, what a required one does is", () => {
  expect(formHtml([address], {})).not.toContain(" required");
  expect(formHtml([{ ...address, required: true }], {}).match(/ required/g)).toHaveLength(1);
});
