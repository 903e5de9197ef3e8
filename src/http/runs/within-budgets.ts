// The config's budgets, before a run starts: where one that it would be in is spent, it is refused. What it costs is
// checked before each of its calls (src/engine/call/guarded-call.ts).
import type { Services } from "../../compose.ts";
import type { Tags } from "../../contract/budget.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { Plan, RunContext } from "./begun-run.ts";

export async function withinBudgets(
  { spending }: Services,
  { config, pipeline, pipeline_version }: Plan,
  tags: Tags | undefined,
  { tenant, identity: { execution_id, cursor } }: RunContext,
): Promise<Result<null>> {
  // A caller that has events of it starts nothing.
  if (config.budgets.length === 0 || cursor !== null) return ok(null);
  const run = { tenant, execution_id, pipeline, pipeline_version, config, ...(tags && { tags }) };
  const spent = await spending.admit(run);
  return spent === null ? ok(null) : err({ code: "BUDGET_EXCEEDED", ...spent });
}
