// The call of a stage that runs a pipeline: its execution is started, or followed where it is there already, until it ends
// or rests.
import type { CallOutcome } from "../../core/execution/command.ts";
import type { Invocation } from "../../core/execution/next-actions.ts";
import { conforming } from "../../core/execution/output.ts";
import { specOf } from "../../core/execution/schedule.ts";
import { type ExecutionState, stageOf } from "../../core/execution/state.ts";
import { childSpec } from "../../core/execution/units/child.ts";
import type { Ports, StageHooks } from "../ports.ts";

/** Resolves with the outcome; where `signal` aborts, with one that is not used. */
export async function runChild(
  { clock, children }: Pick<Ports, "clock" | "children">,
  state: ExecutionState,
  { stage: unit, call }: Invocation,
  hooks: StageHooks,
): Promise<CallOutcome> {
  const spec = childSpec(state, unit, call, clock.now());
  if (!spec.ok) return { ok: false, failure: { kind: "input", detail: spec.error } };
  if (children === undefined) {
    return {
      ok: false,
      failure: { kind: "not_callable", detail: "this coordinator runs no pipelines within others" },
    };
  }
  return conforming(specOf(state, unit), await children.follow(spec.value, stageOf(state, unit).seen, hooks));
}
