// A run that is paused because a budget is spent: what it has spent, and a command to copy that makes it go on.
import type { RunBudget, RunView } from "../../client/index.ts";
import { costText, limitText, raisedBudget, spentText } from "../../contract/cost.ts";

/** Nothing where no budget holds the run. @param url of the coordinator */
export function howToRaise({ execution_id, budget }: RunView, url: string): string[] {
  if (budget === null) return [];
  const { by_stage, scope } = budget;
  const resume = `curl ${url}/v1/executions/${execution_id}/resume`;
  return [
    spentBudget(budget),
    ...Object.entries(by_stage).map(([name, spent]) => `${name}: ${spentText(spent)}`),
    ...(scope === null
      ? ["To raise it:", `${resume} -H 'content-type: application/json' -d '${raised(budget)}'`]
      : ["To go on once there is room in it:", `${resume} -X POST`]),
  ];
}

function spentBudget({ spent, limit, scope }: RunBudget): string {
  // Of a scope it is what all of its runs have cost.
  const [whose, what] =
    scope === null ? ["its budget", spentText(spent)] : [`the budget of ${scope}`, costText(spent.cost_usd)];
  return `Paused because ${whose} is spent: ${what} of ${limitText(limit)}.`;
}

function raised({ spent, limit }: RunBudget): string {
  return JSON.stringify({ budget: raisedBudget(spent, limit) });
}
