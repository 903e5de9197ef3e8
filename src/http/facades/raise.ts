// What clients of other protocols send to make a run go on that has spent its budget: `{"budget": {"cost_usd": 0.1}}`, as
// the body of a resume is.
import { RaisedBudget } from "../../contract/budget.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { parseWith } from "../request/body.ts";

/** The command of a resume with these data; other members are not read. @param pointer of the data */
export function resumeWith(
  data: unknown,
  pointer: string,
): Result<{ type: "resume"; budget?: RaisedBudget }> {
  const budget =
    typeof data === "object" && data !== null && Object.hasOwn(data, "budget")
      ? (data as { budget: unknown }).budget
      : undefined;
  if (budget === undefined) return ok({ type: "resume" });
  const raised = parseWith(RaisedBudget, budget);
  if (raised.ok) return ok({ type: "resume", budget: raised.value });
  const { error } = raised;
  if (error.code !== "INVALID_REQUEST") return raised;
  const errors = error.errors.map((fault) => ({ ...fault, pointer: `${pointer}/budget${fault.pointer}` }));
  return err({ ...error, errors });
}
