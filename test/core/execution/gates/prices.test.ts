// What a call costs, by what its agent says and the price book.
import { expect, test } from "vitest";
import { amountOf, pricedUsage } from "../../../../src/core/execution/gates/prices.ts";

const PRICES = {
  small: { input_per_million: 0.5, output_per_million: 2 },
  free: { input_per_million: 0, output_per_million: 0 },
};
const MILLION = { input_tokens: 1_000_000, output_tokens: 1_000_000 };

test.each([
  ["a cost that is said", { model: "small", cost_usd: 7, ...MILLION }, { cost_usd: 7 }],
  ["a cost of zero that is said", { model: "small", cost_usd: 0, ...MILLION }, { cost_usd: 0 }],
  ["the price of the model", { model: "small", ...MILLION }, { cost_usd: 2.5 }],
  ["of input alone", { model: "small", input_tokens: 2_000 }, { cost_usd: 0.001 }],
  ["as exact integers", { model: "small", output_tokens: 10n ** 6n }, { cost_usd: 2 }],
  ["a price of zero", { model: "free", ...MILLION }, { cost_usd: 0 }],
  ["a model without a price", { model: "other", ...MILLION }, { cost_usd: null, unpriced_tokens: 2_000_000 }],
  // By own keys only.
  ["a model of any name", { model: "toString", input_tokens: 1 }, { cost_usd: null, unpriced_tokens: 1 }],
  ["a negative cost is none", { model: "small", cost_usd: -5, ...MILLION }, { cost_usd: 2.5 }],
])("%s", (_, usage, cost) => {
  const { cost_usd: _said, ...rest } = usage as { cost_usd?: number };
  expect(pricedUsage(usage, PRICES)).toEqual({ ...rest, ...cost });
});

test.each([
  ["without a model", { input_tokens: 5 }],
  ["of a model that is no text", { model: 5, input_tokens: 5 }],
  ["of a model without a price that has used no tokens", { model: "other", images: 2 }],
  ["of nothing", {}],
])("a usage %s stays as it is", (_, usage) => {
  expect(pricedUsage(usage, PRICES)).toBe(usage);
});

test("negative numbers with a meaning are left out; of others they are kept", () => {
  const usage = { input_tokens: -3, output_tokens: 4, reasoning_tokens: -1, credits: -2 };
  expect(pricedUsage(usage, {})).toEqual({ output_tokens: 4, credits: -2 });
});

test("a number that is none, or is not there, is 0", () => {
  expect(amountOf({ n: "5" }, "n")).toBe(0);
  expect(amountOf({}, "toString")).toBe(0);
  expect(amountOf({ n: 5n }, "n")).toBe(5);
});
