// /v1/budgets: where the config's budgets of the tenant and of pipelines are now. Each is asked of its own object.
import { effectiveConfig } from "../../core/config/config.ts";
import { accountName, isOfTag } from "../../core/spending/run-budgets.ts";
import { isoTime } from "../../core/time.ts";
import { endpoint } from "../endpoint.ts";

export const budgets = [
  endpoint({
    id: "get_budgets",
    method: "get",
    path: "/v1/budgets",
    permission: "read",
    answers: { 200: "BudgetList" },
    describe: () => ({
      summary: "List the config's budgets with what is spent of them",
      answers: { 200: "The budgets of the tenant and of pipelines; those of tags have one for each value" },
    }),
    handle: async ({ services, tenant }) => {
      const catalog = await services.catalogs.read(tenant, 0);
      const config = effectiveConfig(services.settings.config, catalog.config);
      const asked = config.budgets
        .filter(({ scope }) => !isOfTag(scope))
        .map(async (budget) => {
          const account = accountName(tenant, budget.scope, budget.window_seconds);
          const found = await services.spending.standing(account, budget);
          const { spent_usd = null, lent_usd = null, resets_at = null } = found ?? {};
          return {
            ...budget,
            spent_usd,
            lent_usd,
            resets_at: resets_at === null ? null : isoTime(resets_at),
          };
        });
      return { status: 200, json: { data: await Promise.all(asked) } };
    },
  }),
];
