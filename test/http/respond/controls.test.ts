// Each kind of control: its element, its hints, what it helps the browser to ask for, and what it leaves to the server.
import { describe, expect, test } from "vitest";
import type { FormField } from "../../../src/core/schemas/form-fields.ts";
import { type Control, controlHtml, isDecision } from "../../../src/http/respond/controls.ts";
import { field, options } from "../../support/values/form-field.ts";

function control(of: FormField, more: Partial<Control> = {}): Control {
  return {
    field: of,
    name: of.name,
    id: "f0",
    value: "",
    isNeeded: of.required,
    faults: [],
    parts: [],
    ...more,
  };
}

const html = (of: FormField, more: Partial<Control> = {}) => controlHtml(control(of, more));

describe("the element", () => {
  test.each<[string, FormField, Partial<Control>, string]>([
    ["a text", field("text", "/a"), {}, '<input id="f0" name="/a" required type="text" value="">'],
    [
      "a text that may be left out",
      field("text", "/a", { required: false }),
      { value: 'a"b' },
      '<input id="f0" name="/a" type="text" value="a&quot;b">',
    ],
    ["a mail address", field("text", "/a", { limits: { format: "email" } }), {}, ' type="email" value="">'],
    ["an address", field("text", "/a", { limits: { format: "uri" } }), {}, ' type="url" value="">'],
    ["a day", field("text", "/a", { limits: { format: "date" } }), { value: "2026-11-28" }, ' type="date"'],
    ["no day", field("text", "/a", { limits: { format: "date" } }), { value: "soon" }, ' type="text"'],
    [
      "a long text",
      field("multiline", "/a"),
      { value: "\na</textarea>" },
      '<textarea id="f0" name="/a" required rows="5">\n\na&lt;/textarea&gt;</textarea>',
    ],
    ["a number", field("number", "/a"), {}, ' type="number" step="any" value="">'],
    ["a number that is none", field("number", "/a"), { value: "1,5" }, ' type="text" value="1,5">'],
    [
      "a number of bounds",
      field("number", "/a", { limits: { minimum: 0.5, maximum: 2 } }),
      {},
      ' type="number" step="any" inputmode="decimal" min="0.5" max="2" value="">',
    ],
    [
      "a whole number of bounds that are none",
      field("integer", "/a", { limits: { minimum: 0.5, maximum: 2.5 } }),
      { value: "1" },
      ' type="number" step="1" inputmode="numeric" min="1" max="2.5" value="1">',
    ],
    [
      // A keyboard of digits may have no minus.
      "a whole number below zero",
      field("integer", "/a", { limits: { minimum: -5 } }),
      { value: "-12345678901234567890" },
      ' type="number" step="1" min="-5" value="-12345678901234567890">',
    ],
    ["JSON", field("json", "/a"), { value: "{}" }, ' class="code" spellcheck="false" autocapitalize="none"'],
  ])("of %s", (_, of, more, expected) => {
    expect(html(of, more)).toContain(expected);
  });

  test.each<[string, FormField]>([
    ["a length", field("text", "/a", { limits: { minLength: 2, maxLength: 5 } })],
    ["a pattern", field("text", "/a", { limits: { pattern: "^a+$" } })],
    ["the length of a long text", field("multiline", "/a", { limits: { maxLength: 5 } })],
  ])("leaves %s to the server", (_, of) => {
    expect(html(of)).not.toMatch(/maxlength|minlength|pattern/);
  });
});

describe("a choice", () => {
  const five = options("a", "b", 3, null, '<"');
  const choose = (more: Partial<FormField>) => field("choice", "/a", { options: five, ...more });
  const radio = /<input type="radio"/g;

  test("of up to five is of radios, the first of which is where links lead", () => {
    const made = html(choose({}), { value: "3" });
    expect(made.match(radio)).toHaveLength(5);
    expect(made).toContain('<fieldset class="field radios" role="radiogroup"><legend><bdi>a</bdi></legend>');
    expect(made).toContain('<input type="radio" id="f0" name="/a" value="&quot;a&quot;" required>');
    expect(made).toContain('value="3" checked required>');
    expect(made).toContain("<bdi>&lt;&quot;</bdi>");
    expect(made.match(/ checked/g)).toHaveLength(1);
  });

  test("that may be left out has a radio for none", () => {
    const made = html(choose({ required: false }));
    expect(made.match(radio)).toHaveLength(6);
    expect(made).toContain('value="" checked><bdi>No answer</bdi>');
    expect(made).not.toContain(" required");
  });

  test.each([
    [true, "Choose one"],
    [false, "No answer"],
  ])("of more is a list (required: %s) that begins with %j", (required, none) => {
    const made = html(choose({ options: [...five, ...options("z")], required }), { value: '"z"' });
    expect(made).toContain(`<option value="">${none}</option>`);
    expect(made.match(/<option/g)).toHaveLength(7);
    expect(made).toContain('<option value="&quot;z&quot;" selected>z</option>');
    expect(made.match(/ selected/g)).toHaveLength(1);
  });
});

describe("a question of yes or no", () => {
  const decision = field("boolean", "/a");
  const optional = field("boolean", "/a", { required: false });

  test("that must be answered has two radios, neither chosen", () => {
    const made = html(decision);
    expect(made.match(/<input type="radio"[^>]* required>/g)).toHaveLength(2);
    expect(made).not.toContain("checked");
  });

  test("that may be left out is a list", () => {
    const made = html(optional, { value: "false" });
    expect(made).toContain('<option value="">No answer</option><option value="true">Yes</option>');
    expect(made).toContain('<option value="false" selected>No</option>');
  });

  test("that is decided at once has two buttons, which send it", () => {
    const made = controlHtml(control(decision, { faults: ["is wrong"] }), true);
    expect(made).toContain('<button id="f0" name="/a" value="true">Yes</button>');
    expect(made).toContain('<button name="/a" value="false">No</button>');
    expect(made).toContain('<fieldset class="field buttons" aria-describedby="f0e">');
  });

  test("is a decision where it must be answered", () => {
    expect(isDecision(control(decision))).toBe(true);
    expect(isDecision(control(optional))).toBe(false);
    expect(isDecision(control(field("text", "/a")))).toBe(false);
  });
});

describe("the hint", () => {
  test.each<[FormField, string | null]>([
    [field("text", "/a"), null],
    [field("text", "/a", { limits: { minLength: 1 } }), null],
    [
      field("text", "/a", { description: "Of <it>.", limits: { maxLength: 9 } }),
      "Of &lt;it&gt;. At most 9 characters.",
    ],
    [field("multiline", "/a", { limits: { minLength: 2, maxLength: 9 } }), "From 2 to 9 characters."],
    [field("text", "/a", { limits: { format: "date-time" } }), "For example 2026-01-31T09:30:00Z."],
    [field("integer", "/a", { limits: { minimum: 1, maximum: 10 } }), "A whole number. From 1 to 10."],
    [field("number", "/a", { limits: { minimum: 0 } }), "At least 0."],
    [field("lines", "/a"), "One per line."],
    [field("json", "/a"), "Written as JSON, for example {&quot;key&quot;: &quot;value&quot;}."],
  ])("of %j is %j, and belongs to the element", (of, hint) => {
    const made = html(of);
    if (hint === null) expect(made).not.toMatch(/hint|described/);
    else {
      expect(made).toContain(`<span class="hint" id="f0h" dir="auto">${hint}</span>`);
      expect(made).toContain(' aria-describedby="f0h"');
    }
  });
});

test("a faulty control says so to those who see and to those who do not", () => {
  const made = html(field("text", "/a", { description: "Hint." }), { faults: ["is wrong"] });
  expect(made).toContain(' required aria-invalid="true" aria-describedby="f0h f0e" type="text"');
  expect(made).toContain('<span class="fault" id="f0e">Error: <bdi>is wrong</bdi></span>');
});

test("a group has a name, its own hint, and its controls", () => {
  const city = control(field("text", "/a/city"), { id: "f0-0" });
  const made = html(field("group", "/a", { required: false, description: "Where." }), { parts: [city] });
  expect(made).toContain(
    '<fieldset class="field group" id="f0" tabindex="-1" aria-describedby="f0h"><legend><bdi>a</bdi> (optional)</legend>',
  );
  expect(made).toContain('<label for="f0-0"><bdi>city</bdi></label><input id="f0-0" name="/a/city"');
});
