// Costs in words: an unknown one is never a zero, and one that lacks calls without a price says so.
import { describe, expect, test } from "vitest";
import {
  costOf,
  costText,
  limitText,
  raisedBudget,
  spentText,
  usageCostText,
} from "../../src/contract/cost.ts";

test.each([
  [null, "unknown"],
  [0, "$0"],
  [0.00001, "below $0.0001"],
  [0.0001, "$0.0001"],
  [0.0042, "$0.0042"],
  [0.12, "$0.12"],
  [0.99999, "$1.00"],
  [1, "$1.00"],
  [1.239, "$1.24"],
  [12_345.6, "$12,345.60"],
])("%s USD is %s", (usd, text) => {
  expect(costText(usd)).toBe(text);
});

test("what was spent, and what may be, in words", () => {
  expect(spentText({ cost_usd: 0.0042, tokens: 1_204 })).toBe("$0.0042, 1,204 tokens");
  expect(spentText({ cost_usd: null, tokens: 1 })).toBe("unknown, 1 token");
  expect(limitText({ cost_usd: 0.5 })).toBe("$0.50");
  expect(limitText({ tokens: 10_000 })).toBe("10,000 tokens");
  expect(limitText({ cost_usd: 2, tokens: 10 })).toBe("$2.00, 10 tokens");
});

describe("the cost of a usage", () => {
  test.each([
    [{}, undefined, "–"],
    [{ output_tokens: 5 }, undefined, "–"],
    [{ cost_usd: null, unpriced_tokens: 5 }, null, "unknown"],
    [{ cost_usd: 0 }, 0, "$0"],
    [{ cost_usd: 0.25 }, 0.25, "$0.25"],
    [{ cost_usd: 3n }, 3, "$3.00"],
    [{ cost_usd: 0.25, unpriced_tokens: 0 }, 0.25, "$0.25"],
    [{ cost_usd: 0.25, unpriced_tokens: 12 }, 0.25, "at least $0.25"],
  ])("%o", (usage, cost, text) => {
    expect(costOf(usage)).toBe(cost);
    expect(usageCostText(usage)).toBe(text);
  });
});

describe("a budget with which a run can go on", () => {
  test.each([
    ["twice the limit at least", 0.011, {}, { cost_usd: 0.02 }],
    ["what is spent and the rest, where that is more", 0.011, { cost_usd: 0.0305 }, { cost_usd: 0.042 }],
    ["no rest that is less", 0.011, { cost_usd: 0.001 }, { cost_usd: 0.02 }],
    ["what one call has spent, far beyond the limit", 12.31, { cost_usd: 1 }, { cost_usd: 14 }],
  ])("is %s", (_what, cost_usd, rest, raised) => {
    expect(raisedBudget({ cost_usd, tokens: 5 }, { cost_usd: 0.01 }, rest)).toEqual(raised);
  });

  test("raises what is spent and leaves the rest of it", () => {
    const limit = { cost_usd: 1, tokens: 1_000 };
    expect(raisedBudget({ cost_usd: 0.2, tokens: 1_001 }, limit)).toEqual({ tokens: 2_000 });
    expect(raisedBudget({ cost_usd: 1.5, tokens: 10 }, limit)).toEqual({ cost_usd: 2 });
    expect(raisedBudget({ cost_usd: 1.5, tokens: 4_321 }, limit)).toEqual({ cost_usd: 2, tokens: 4_400 });
    expect(raisedBudget({ cost_usd: null, tokens: 10 }, limit)).toEqual({ cost_usd: 2, tokens: 2_000 });
  });
});
