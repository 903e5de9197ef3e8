// What a call has cost: as its agent says, else by the price of its model. Where neither is known, its tokens are counted
// as `unpriced_tokens`, and its cost is null: unknown, which is not zero.
import type { Prices } from "../../../contract/budget.ts";
import type { Usage } from "../../../contract/stage.ts";
import { isAmount } from "../../../contract/usage.ts";

const AMOUNTS = ["input_tokens", "output_tokens", "reasoning_tokens", "cached_input_tokens", "cost_usd"];

/** The usage of one call with its cost. */
export function pricedUsage(reported: Usage, prices: Prices): Usage {
  const usage = withoutNegative(reported);
  const { model } = usage;
  if (isAmount(usage["cost_usd"]) || typeof model !== "string") return usage;
  const input = amountOf(usage, "input_tokens");
  const output = amountOf(usage, "output_tokens");
  const price = Object.hasOwn(prices, model) ? prices[model] : undefined;
  if (price === undefined) {
    return input + output === 0 ? usage : { ...usage, cost_usd: null, unpriced_tokens: input + output };
  }
  const cost_usd = (input * price.input_per_million + output * price.output_per_million) / 1e6;
  return { ...usage, cost_usd };
}

/** A number of a usage; 0 where there is none. */
export function amountOf(usage: Usage, name: string): number {
  const value = Object.hasOwn(usage, name) ? usage[name] : 0;
  return isAmount(value) ? Math.max(0, Number(value)) : 0;
}

/** Nothing that is given back lowers what was spent. */
function withoutNegative(usage: Usage): Usage {
  const isWrong = ([name, value]: [string, unknown]) =>
    AMOUNTS.includes(name) && isAmount(value) && value < 0;
  const members = Object.entries(usage);
  return members.some(isWrong) ? Object.fromEntries(members.filter((member) => !isWrong(member))) : usage;
}
