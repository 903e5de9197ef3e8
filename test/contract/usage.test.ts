// What is kept of a reported usage, and how usages add up.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/contract/limits.ts";
import { addUsage, keptUsage } from "../../src/contract/usage.ts";

describe("kept", () => {
  test.each([
    [
      { input_tokens: 1, cost_usd: 0.5, own: -2 },
      { input_tokens: 1, cost_usd: 0.5, own: -2 },
    ],
    [
      { provider: "p", model: "m", note: "n" },
      { provider: "p", model: "m" },
    ],
    [{ a: null, b: true, c: [], d: {}, e: Number.NaN, f: Number.POSITIVE_INFINITY, g: 0 }, { g: 0 }],
    [{ model: 4, provider: null }, { model: 4 }],
    [
      { toString: 1, hasOwnProperty: 2 },
      { toString: 1, hasOwnProperty: 2 },
    ],
    [{}, {}],
  ])("of %j", (reported, kept) => expect(keptUsage(reported)).toEqual(kept));

  test.each([null, undefined, "lots", 5, true, [], [1]])("nothing of %j", (reported) =>
    expect(keptUsage(reported)).toBeUndefined(),
  );

  test("an integer that a double would change", () => {
    expect(keptUsage({ input_tokens: 9007199254740993n })).toEqual({ input_tokens: 9007199254740993n });
  });

  test("as it came where it has few members", () => {
    expect(Object.keys(keptUsage({ z: 1, model: "m", input_tokens: 2, a: 3 }) ?? {})).toEqual([
      "z",
      "model",
      "input_tokens",
      "a",
    ]);
  });

  test("of many members those with a meaning, and of the others the first ones", () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`k${at}`, at]));
    const kept = keptUsage({ ...many, output_tokens: 7, provider: "p" }) ?? {};
    expect(Object.keys(kept)).toHaveLength(LIMITS.USAGE_KEYS);
    expect(kept).toMatchObject({ output_tokens: 7, provider: "p", k0: 0, k61: 61 });
    expect(kept).not.toHaveProperty("k62");
  });
});

describe("added", () => {
  test("by name, numbers alone", () => {
    const total = addUsage({ tokens: 3 }, { tokens: 4, cost: 0.5, model: "m" });
    expect(total).toEqual({ tokens: 7, cost: 0.5 });
    expect(addUsage(total, { toString: 1 })).toEqual({ tokens: 7, cost: 0.5, toString: 1 });
  });

  test("integers beyond 2^53 exactly, with decimals as doubles", () => {
    expect(addUsage({}, { a: 9007199254740993n })).toEqual({ a: 9007199254740993n });
    expect(addUsage({ a: 9007199254740993n }, { a: 1 })).toEqual({ a: 9007199254740994 });
    expect(addUsage({ a: 2 }, { a: 9007199254740993n })).toEqual({ a: 9007199254740995n });
    expect(addUsage({ a: 9007199254740993n }, { a: -9007199254740993n })).toEqual({ a: 0 });
    expect(addUsage({ a: 9007199254740993n }, { a: 0.5 })).toEqual({ a: 9007199254740992 });
    expect(addUsage({ a: 10n ** 308n }, { a: 10n ** 308n })).toEqual({ a: Number.MAX_VALUE });
  });

  test("they stay finite", () => {
    expect(addUsage({ a: 1.5e308, b: -1.5e308 }, { a: 1.5e308, b: -1.5e308 })).toEqual({
      a: Number.MAX_VALUE,
      b: -Number.MAX_VALUE,
    });
    expect(addUsage({ a: Number.MAX_VALUE }, { a: -1 })).toEqual({ a: Number.MAX_VALUE });
  });
});
