// The two readers of JSON held against RFC 8259 as text: what callers send and what agents answer.
import { describe, expect, test } from "vitest";
import { parseAnswer } from "../../../src/adapters/agents/native.ts";
import { readJson } from "../../../src/core/json/json.ts";
import { inAnswer, JSON_CASES } from "../../support/values/json-cases.ts";

test("there are cases enough, and no two are the same", () => {
  expect(new Set(JSON_CASES.map(({ text }) => text)).size).toBeGreaterThanOrEqual(150);
});

describe("as text", () => {
  test.each(JSON_CASES)("$text: $valid", ({ text, valid }) => {
    const read = readJson(text);
    expect(read.ok).toBe(valid);
    if (read.ok) {
      // An integer that a double would change is a BigInt: its digits have tests of their own.
      const value = typeof read.value === "bigint" ? Number(read.value) : read.value;
      expect(value).toEqual(JSON.parse(text));
    }
    const answer = parseAnswer(inAnswer(text), 200);
    expect(answer.ok).toBe(valid);
    if (!answer.ok) expect(["contract", "truncated"]).toContain(answer.error.kind);
  });

  test("truncated JSON is distinguished from invalid JSON", () => {
    for (const text of ["", "[", '{"a":', '"a', "[1,", "tru", '{"a":1', "-", '"\\u00', "1e"]) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "truncated" } });
    }
    for (const text of ["[1,]", "tru ", "01", "}", "1 2", '"\\x"']) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "syntax" } });
    }
  });

  test("what JSON allows and this house does not", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(readJson(nested(32)).ok).toBe(true);
    expect(readJson(nested(33))).toMatchObject({ ok: false, error: { reason: "depth" } });
    expect(readJson(nested(1_000_000))).toMatchObject({ ok: false });
    for (const text of ["1e999", "-1e999", "[1e400]", '{"a":{"b":1e309}}']) {
      expect(readJson(text), text).toMatchObject({ ok: false, error: { reason: "not_finite" } });
    }
    for (const key of ["__proto__", "constructor", "prototype", "\\u005f_proto__"]) {
      expect(readJson(`{"a":[{"${key}":1}]}`), key).toMatchObject({
        ok: false,
        error: { reason: "reserved_key" },
      });
    }
  });
});

test.each<readonly [string, unknown]>([
  ["9007199254740993", 9007199254740993n],
  ["-9007199254740993", -9007199254740993n],
  ["[0,123456789012345678901234567890]", [0, 123456789012345678901234567890n]],
  ['{"a":{"b/c":[{"~":1234567890123456789}]}}', { a: { "b/c": [{ "~": 1234567890123456789n }] } }],
  ["[18446744073709551616]", [18446744073709551616n]],
  // A double holds it, and JavaScript writes it as 1e+23.
  ["[100000000000000000000000]", [10n ** 23n]],
  ['{"a":"\\\\","b":9007199254740993}', { a: "\\", b: 9007199254740993n }],
  [
    '{"a":"\\"","b": 9007199254740993 ,"c":"9007199254740993"}',
    { a: '"', b: 9007199254740993n, c: "9007199254740993" },
  ],
  ['{"9007199254740993":[1.5,9007199254740993]}', { "9007199254740993": [1.5, 9007199254740993n] }],
])("an integer that a double would change keeps its digits: %s", (text, value) => {
  expect(readJson(text)).toEqual({ ok: true, value });
  expect(JSON.stringify(value)).toBe(text.replaceAll(" ", ""));
});

test("integers that a double holds, decimals, strings and what a later member replaces are as JSON.parse gives them", () => {
  for (const text of [
    "9007199254740992",
    "[1700000000000000,-1700000000000000]",
    "100000000000000000000",
    // As JavaScript writes 2^64, and so as it goes out again.
    "18446744073709552000",
    "[9007199254740993.5,0.9007199254740993,1.9007199254740993e3,9007199254740993e2,1E-9007199254740993]",
    '{"9007199254740993":"9007199254740993\\"9007199254740993"}',
    '{"a":9007199254740993,"a":1}',
    '": 9007199254740993,"',
  ]) {
    expect(readJson(text), text).toEqual({ ok: true, value: JSON.parse(text) });
  }
});

test("an integer beyond the largest double is refused, as any number there is", () => {
  expect(readJson(`{"a":[${"9".repeat(309)}]}`)).toMatchObject({
    ok: false,
    error: { reason: "not_finite", pointer: "/a/0" },
  });
  expect(readJson("9".repeat(308))).toEqual({ ok: true, value: BigInt("9".repeat(308)) });
});

test.each(Array.from({ length: 200 }, (_, at) => at))(
  "an integer is a number where it is written with the same digits again, else a BigInt (%i)",
  (at) => {
    // 2^53 and the powers of ten up to 10^40, each with its neighbours.
    const base = at < 40 ? 2n ** 53n : 10n ** BigInt(Math.floor(at / 4));
    const source = String(base + BigInt((at % 40) - 20));
    const read = readJson(`{"n":${source}}`);
    const n = JSON.stringify(Number(source)) === source ? Number(source) : BigInt(source);
    expect(read).toEqual({ ok: true, value: { n } });
    expect(JSON.stringify(read.ok && read.value)).toBe(`{"n":${source}}`);
  },
);
