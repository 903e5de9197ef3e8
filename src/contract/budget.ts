// Budgets (src/contract/README.md section 12): what one run may cost, what all runs of a scope may cost together, and the
// prices of models.
import * as z from "./zod.ts";
import { LIMITS } from "./limits.ts";

const Dollars = z.number().check(z.gt(0), z.lte(1e9));
const Tokens = z.number().check(z.int(), z.gt(0), z.lte(Number.MAX_SAFE_INTEGER));
const OnExceeded = z.enum(["pause", "fail"]);

const HAS_AMOUNT = "needs cost_usd or tokens";

function hasAmount({ cost_usd, tokens }: { cost_usd?: number | undefined; tokens?: number | undefined }) {
  return cost_usd !== undefined || tokens !== undefined;
}

/** What a run may spend: of a request, and a pipeline's default. */
export const Budget = z.lazy(() =>
  z
    .strictObject({
      cost_usd: z.optional(Dollars),
      tokens: z.optional(Tokens),
      on_exceeded: z._default(OnExceeded, "pause"),
    })
    .check(z.refine(hasAmount, HAS_AMOUNT)),
);
export type Budget = z.infer<typeof Budget>;

/** What a resume replaces of a run's budget. */
export const RaisedBudget = z.lazy(() =>
  z
    .strictObject({
      cost_usd: z.optional(Dollars),
      tokens: z.optional(Tokens),
      on_exceeded: z.optional(OnExceeded),
    })
    .check(z.refine(hasAmount, HAS_AMOUNT)),
);
export type RaisedBudget = z.infer<typeof RaisedBudget>;

/** What has been spent. `cost_usd` is null where no call had a known price. */
export const Spent = z.object({ cost_usd: z.nullable(z.number()), tokens: z.number() });
export type Spent = z.infer<typeof Spent>;

const Price = z.number().check(z.gte(0), z.lte(1e6));

/** In US dollars for a million tokens. */
const ModelPrice = z.strictObject({
  input_per_million: Price,
  output_per_million: Price,
  /** When it was looked up. */
  as_of: z.optional(z.iso.date()),
});

/** The price book, by model. */
export const Prices = z
  .record(z.string().check(z.minLength(1), z.maxLength(LIMITS.MODEL_CHARS)), ModelPrice)
  .check(
    z.refine(
      (prices) => Object.keys(prices).length <= LIMITS.PRICES,
      `has more than ${LIMITS.PRICES} models`,
    ),
  );
export type Prices = z.infer<typeof Prices>;

/** What all runs of a scope may cost together, in any period of `window_seconds`. */
export const ScopeBudget = z.strictObject({
  scope: z
    .string()
    .check(
      z.regex(
        /^(tenant|pipeline:(?!\.\.?$)[A-Za-z0-9_.-]{1,64}|tag:[a-z0-9_]{1,32})$/,
        "must be tenant, pipeline:NAME or tag:KEY",
      ),
    ),
  cost_usd: Dollars,
  window_seconds: z.number().check(z.int(), z.gte(1), z.lte(LIMITS.BUDGET_WINDOW_SECONDS)),
});
export type ScopeBudget = z.infer<typeof ScopeBudget>;

/** Where a budget of the tenant or of a pipeline is: null where that is not known now. */
export const BudgetState = z.object({
  scope: z.string(),
  cost_usd: z.number(),
  window_seconds: z.number(),
  /** In the last `window_seconds`. */
  spent_usd: z.nullable(z.number()),
  /** In the hands of running executions: part of it may be spent. */
  lent_usd: z.nullable(z.number()),
  /** When all that is spent now has left the period; null also where nothing is spent. */
  resets_at: z.nullable(z.iso.datetime()),
});
export type BudgetState = z.infer<typeof BudgetState>;

export const BudgetList = z.object({ data: z.array(BudgetState) });

/** Labels of an execution: `{"user": "u1"}`. */
export const Tags = z
  .record(
    z.string().check(z.regex(/^[a-z0-9_]{1,32}$/, "must match [a-z0-9_]{1,32}")),
    z.string().check(z.maxLength(LIMITS.TAG_CHARS)),
  )
  .check(z.refine((tags) => Object.keys(tags).length <= LIMITS.TAGS, `has more than ${LIMITS.TAGS} tags`));
export type Tags = z.infer<typeof Tags>;
