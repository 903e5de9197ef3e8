// The editor's reader of JSON says what JSON.parse says of every text, and where the text stops being JSON.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { pathAt, readJson, writeJson } from "../../../src/console/pipelines/json-text.ts";

/** Keys that stand twice are a fault here and none to JSON.parse; minus zero is written as zero. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);

test("written JSON is read back, for any value", () => {
  fc.assert(
    fc.property(json, (value) => {
      const read = readJson(writeJson(value));
      expect(read.fault).toBeNull();
      expect(read.value).toEqual(value);
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("a text that was cut or changed is a fault exactly where JSON.parse refuses it", () => {
  let faults = 0;
  fc.assert(
    fc.property(json, fc.nat(), fc.constantFrom("", ",", '"', "}", "x", "1"), (value, at, put) => {
      const text = writeJson(value);
      const place = at % (text.length + 1);
      const spoilt = text.slice(0, place) + put + text.slice(place + 1);
      let parsed: { value: unknown } | null = null;
      try {
        parsed = { value: JSON.parse(spoilt) as unknown };
      } catch {
        faults += 1;
      }
      const read = readJson(spoilt);
      // This reader is stricter on keys that stand twice, and on integers that a browser would change.
      if (/^Duplicate name|would lose digits/.test(read.fault?.message ?? "")) return;
      expect(read.fault === null, spoilt).toBe(parsed !== null);
      if (parsed !== null) expect(read.value).toEqual(parsed.value);
    }),
    { seed: 8, numRuns: 1_000 },
  );
  expect(faults).toBeGreaterThan(100);
});

test("so is a text of any characters that JSON uses", () => {
  const text = fc.string({
    unit: fc.constantFrom(...Array.from("[]{}:,\"\\ \n\t0123.-+eEtrufalsn/*'\u00a0\ufeff")),
    maxLength: 30,
  });
  const isJson = (source: string) => {
    try {
      JSON.parse(source);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(text, (source) => {
      const { fault } = readJson(source);
      if (/would lose digits/.test(fault?.message ?? "")) return;
      expect(fault === null, source).toBe(isJson(source));
    }),
    { seed: 9, numRuns: 5_000 },
  );
});

test("nesting that would overflow the stack is a fault", () => {
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  expect(readJson(deep(200)).fault).toBeNull();
  for (const levels of [201, 100_000]) {
    expect(readJson(deep(levels)).fault).toEqual({ from: 200, to: 201, message: "More than 200 levels" });
  }
});

test("what follows a fault has its colours and places too", () => {
  const text = '{"a": nope, "b": {"c": 1}, "d": "x"}';
  const { tokens, ranges, value } = readJson(text);
  expect(tokens.map(({ kind, from, to }) => `${kind} ${text.slice(from, to)}`)).toEqual([
    "mark {",
    'key "a"',
    "mark :",
    "wrong nope",
    "mark ,",
    'key "b"',
    "mark :",
    "mark {",
    'key "c"',
    "mark :",
    "number 1",
    "mark }",
    "mark ,",
    'key "d"',
    "mark :",
    'string "x"',
    "mark }",
  ]);
  const range = ranges.get("/b/c");
  expect(text.slice(range?.from, range?.to)).toBe("1");
  expect(value).toBeUndefined();
});

test.each([
  ['{"a": 1 "b": 2}', '"b"', "A comma or } is expected here"],
  ["[1, nope]", "nope", "Text must be in double quotes"],
  ['{"a": 1, "a": 2}', '"a"', 'Duplicate name "a"'],
  ['{"a": [1, 2}', "}", "A comma or ] is expected here"],
  ['["open]', '"open]', "Unterminated text"],
  ['{"a": 1} {', "{", "Unexpected text after the definition"],
  ["[1, // one", "// one", "JSON has no comments"],
  ['["a\\x"]', '"a\\x"', "Invalid escape: a backslash is written as \\\\"],
  ["{a: 1}", "a", "A name in double quotes is expected here"],
  ['{"a" 1}', "1", "A colon is expected here"],
  ["[1,]", "]", "A value is expected here"],
  ["[1.]", "1.", "Invalid number"],
  [
    "[9007199254740992, -9007199254740993]",
    "-9007199254740993",
    "This integer would lose digits: put it in double quotes",
  ],
])("%s: the fault lies at %s", (text, at, message) => {
  const { fault } = readJson(text);
  expect(fault?.message).toBe(message);
  expect(text.slice(fault?.from, fault?.to)).toBe(at);
  expect(fault?.from).toBe(text.lastIndexOf(at));
});

test("a position in the text has a path, in the indentation too", () => {
  const text = '{\n  "stages": [\n    {"name": "a"}\n  ]\n}';
  const read = readJson(text);
  expect(pathAt(read, text, text.indexOf('"a"') + 1)).toBe("/stages/0/name");
  expect(pathAt(read, text, text.indexOf('"name"') + 2)).toBe("/stages/0/name");
  expect(pathAt(read, text, text.indexOf('  "stages"'))).toBe("/stages");
});
