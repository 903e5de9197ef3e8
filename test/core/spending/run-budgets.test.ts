// Which of the config's budgets a run is in, and by which account of each.
import { expect, test } from "vitest";
import type { ScopeBudget } from "../../../src/contract/budget.ts";
import { budgetsWithin, runBudgets, type SpendingRun } from "../../../src/core/spending/run-budgets.ts";

const of = (scope: string, cost_usd = 1, window_seconds = 60): ScopeBudget => ({
  scope,
  cost_usd,
  window_seconds,
});

function accounts(scopes: readonly (string | ScopeBudget)[], run: Partial<SpendingRun> = {}): string[] {
  const budgets = scopes.map((scope) => (typeof scope === "string" ? of(scope) : scope));
  const whole = { tenant: "acme", execution_id: "ex_1", pipeline: "rag", pipeline_version: 3 };
  return runBudgets({ ...whole, ...run, config: { budgets } }).map(({ account }) => account);
}

test("a run is in those of its tenant, its pipeline, the pipelines around it, and its tags", () => {
  const scopes = ["tenant", "pipeline:rag", "pipeline:outer", "pipeline:other", "tag:user", "tag:team"];
  expect(accounts(scopes)).toEqual(["acme/tenant/60", "acme/pipeline:rag/60"]);
  expect(accounts(scopes, { outer_pipelines: ["outer"], tags: { user: "u/1" } })).toEqual([
    "acme/tenant/60",
    "acme/pipeline:rag/60",
    "acme/pipeline:outer/60",
    "acme/tag:user/60/u/1",
  ]);
});

test("each value of a tag has an account of its own", () => {
  const [one, other] = ["u1", "u2"].map((user) => accounts(["tag:user"], { tags: { user } }));
  expect(one).not.toEqual(other);
  // An inherited property is no tag.
  expect(accounts(["tag:constructor"])).toEqual([]);
});

test("a stage on its own is of no pipeline, also where its name is one's", () => {
  expect(accounts(["pipeline:rag"], { pipeline_version: 0 })).toEqual([]);
});

test("of two budgets of one scope the lower one counts, unless their windows differ", () => {
  expect(accounts([of("tenant", 5), of("tenant", 2), of("tenant", 9, 3_600)])).toEqual([
    "acme/tenant/60",
    "acme/tenant/3600",
  ]);
  const budgets = [of("tenant", 5), of("tenant", 2)];
  const run = { tenant: "a", execution_id: "e", pipeline: "p", pipeline_version: 1, config: { budgets } };
  expect(runBudgets(run).map(({ cost_usd }) => cost_usd)).toEqual([2]);
});

test("a run pins those that it or an execution of its stages may be in", () => {
  const all = ["tenant", "pipeline:rag", "pipeline:inner", "pipeline:other", "tag:user", "tag:team"].map(
    (scope) => of(scope),
  );
  const kept = budgetsWithin(all, ["rag", "inner"], { team: "t" });
  expect(kept.map(({ scope }) => scope)).toEqual(["tenant", "pipeline:rag", "pipeline:inner", "tag:team"]);
});
