// Whether an agent's answer satisfies the `output_schema` of its stage. One that does not is a fault of the contract: the
// agent is asked once more, and is given what was wrong.
import type { CallingStage } from "../../contract/stage.ts";
import { dataFaults } from "../schemas/data-faults.ts";
import type { CallEnding, CallOutcome } from "./command.ts";

type WithSchema = Pick<CallingStage, "output_schema">;

/** The call's outcome, as a failure where its answer does not satisfy the schema. */
export function conforming(stage: WithSchema, outcome: CallEnding): CallEnding;
export function conforming(stage: WithSchema, outcome: CallOutcome): CallOutcome;
export function conforming({ output_schema }: WithSchema, outcome: CallOutcome): CallOutcome {
  if (output_schema === undefined || outcome.ok !== true) return outcome;
  const faults = dataFaults(output_schema, outcome.answer.data);
  if (faults.length === 0) return outcome;
  const shown = faults.slice(0, MOST).map(({ pointer, detail }) => `/data${pointer} ${detail}`);
  const more = faults.length > MOST ? ` and ${faults.length - MOST} more` : "";
  const detail = `${shown.join("; ")}${more} (output_schema)`;
  const { usage } = outcome.answer;
  const failure = { kind: "contract" as const, detail, status: 200 };
  return { ok: false, failure, ...(usage === undefined ? {} : { usage }) };
}

/** Faults that a message lists. */
const MOST = 10;
