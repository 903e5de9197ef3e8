// The budgets of the config that a run is in: those of its tenant, of its pipeline, of the pipelines whose stages it is
// run by, and of its tags, each value of which has one of its own. An execution counts the calls of its own, and none
// that the executions of its stages make: these count for the same scopes by themselves, so that a cost is counted once.
import type { ScopeBudget, Tags } from "../../contract/budget.ts";
import type { SpendingTerms } from "./account.ts";

export interface RunBudget extends SpendingTerms {
  scope: string;
  /** Of its account: tenant, scope, window and the tag's value. Another window is another account. */
  account: string;
}

/** What of a run says which budgets it is in. */
export interface SpendingRun {
  tenant: string;
  execution_id: string;
  pipeline: string;
  pipeline_version: number;
  tags?: Tags;
  outer_pipelines?: readonly string[];
  config: { budgets: readonly ScopeBudget[] };
}

const NONE: readonly RunBudget[] = [];
const known = new WeakMap<SpendingRun, readonly RunBudget[]>();

/** Of two budgets of one scope and window the lower one. */
export function runBudgets(run: SpendingRun): readonly RunBudget[] {
  if (run.config.budgets.length === 0) return NONE;
  const found = known.get(run);
  if (found !== undefined) return found;
  const byAccount = new Map<string, RunBudget>();
  for (const { scope, cost_usd, window_seconds } of run.config.budgets) {
    const value = valueIn(run, scope);
    if (value === null) continue;
    const account = accountName(run.tenant, scope, window_seconds, value);
    const other = byAccount.get(account);
    if (other === undefined || cost_usd < other.cost_usd) {
      byAccount.set(account, { scope, account, cost_usd, window_seconds });
    }
  }
  const budgets = [...byAccount.values()];
  known.set(run, budgets);
  return budgets;
}

/** @param value of a tag's scope; else empty */
export function accountName(tenant: string, scope: string, window_seconds: number, value = ""): string {
  return `${tenant}/${scope}/${window_seconds}${value === "" ? "" : `/${value}`}`;
}

const PIPELINE = "pipeline:";
const TAG = "tag:";

/** True of a budget that each value of a tag has. */
export function isOfTag(scope: string): boolean {
  return scope.startsWith(TAG);
}

/** The value of the scope in this run, empty where it has none; null where the run is not in it. */
function valueIn(run: SpendingRun, scope: string): string | null {
  const { pipeline, pipeline_version, outer_pipelines = [], tags = {} } = run;
  if (scope.startsWith(PIPELINE)) {
    const name = scope.slice(PIPELINE.length);
    // A stage on its own has a name that may be a pipeline's.
    const isOwn = pipeline_version > 0 && pipeline === name;
    return isOwn || outer_pipelines.includes(name) ? "" : null;
  }
  if (!isOfTag(scope)) return "";
  const key = scope.slice(TAG.length);
  return Object.hasOwn(tags, key) ? (tags[key] as string) : null;
}

/**
 * The budgets that a run, or an execution of its stages, may be in.
 * @param pipelines their names
 */
export function budgetsWithin(
  budgets: readonly ScopeBudget[],
  pipelines: readonly string[],
  tags: Readonly<Record<string, string>>,
): ScopeBudget[] {
  return budgets.filter(({ scope }) => {
    if (scope.startsWith(PIPELINE)) return pipelines.includes(scope.slice(PIPELINE.length));
    return !isOfTag(scope) || Object.hasOwn(tags, scope.slice(TAG.length));
  });
}
