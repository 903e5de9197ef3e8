// What something costs, in words: the console and the terminal say it in the same way.
import type { Spent } from "./budget.ts";
import type { Usage } from "./stage.ts";
import { isAmount } from "./usage.ts";

interface Amounts {
  cost_usd?: number | undefined;
  tokens?: number | undefined;
}

/** An amount of US dollars: `$1.24`, `$0.0042`, `$0`. Null is `unknown`, which is not `$0`. */
export function costText(usd: number | null): string {
  if (usd === null) return "unknown";
  if (usd === 0) return "$0";
  if (usd < 0.00005) return "below $0.0001";
  return `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: usd < 1 ? 4 : 2 })}`;
}

/** `$0.0042, 1,204 tokens`. */
export function spentText({ cost_usd, tokens }: Spent): string {
  return `${costText(cost_usd)}, ${tokensText(tokens)}`;
}

export function tokensText(tokens: number): string {
  return `${tokens.toLocaleString("en-US")} ${tokens === 1 ? "token" : "tokens"}`;
}

/** What a budget allows: `$0.50`, `10,000 tokens`, or both. */
export function limitText({ cost_usd, tokens }: Amounts): string {
  return [cost_usd === undefined ? [] : costText(cost_usd), tokens === undefined ? [] : tokensText(tokens)]
    .flat()
    .join(", ");
}

/** The cost in a usage: null where it is unknown, undefined where nothing was counted that costs. */
export function costOf(usage: Usage): number | null | undefined {
  const cost_usd = usage["cost_usd"];
  if (isAmount(cost_usd)) return Number(cost_usd);
  return cost_usd === null ? null : undefined;
}

/** The cost of a usage; `at least $0.0042` where calls of models without a price are not in it. */
export function usageCostText(usage: Usage): string {
  const cost = costOf(usage);
  if (cost === undefined) return "–";
  const isPart = cost !== null && isAmount(usage["unpriced_tokens"]) && Number(usage["unpriced_tokens"]) > 0;
  return `${isPart ? "at least " : ""}${costText(cost)}`;
}

/**
 * A budget with which a run that has spent its own can go on: what is spent and what the rest is expected to take, and at
 * least twice the limit. It has the amounts that are spent, or all of the limit where that is not seen.
 *
 * @param rest what the rest of the run is expected to take, where that is known
 */
export function raisedBudget(spent: Spent, limit: Amounts, rest: Amounts = {}): Amounts {
  const known = { cost_usd: spent.cost_usd ?? 0, tokens: spent.tokens };
  const names = (["cost_usd", "tokens"] as const).filter((name) => limit[name] !== undefined);
  const over = names.filter((name) => known[name] > (limit[name] ?? 0));
  const raised = (over.length === 0 ? names : over).map((name) => {
    const most = Math.max(2 * (limit[name] ?? 0), known[name] + (rest[name] ?? 0));
    return [name, name === "tokens" ? Math.ceil(roundedUp(most)) : roundedUp(most)];
  });
  return Object.fromEntries(raised) as Amounts;
}

/** To two significant digits. */
function roundedUp(value: number): number {
  if (value <= 0) return 0;
  const power = Math.floor(Math.log10(value)) - 1;
  // Only integer powers of ten: 3 * 0.001 is not 0.003, and 3 / 1000 is.
  const digits = (factor: number) => Number(factor.toPrecision(12));
  const scaled = Math.ceil(digits(power < 0 ? value * 10 ** -power : value / 10 ** power));
  return power < 0 ? scaled / 10 ** -power : scaled * 10 ** power;
}
