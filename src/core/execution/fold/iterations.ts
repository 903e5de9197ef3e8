// How an iteration of a unit with `repeat` ends in the fold of the log: the unit is called again, as soon as it may be.
import type { LogEventOf } from "../log-event.ts";
import type { ExecutionState } from "../state.ts";
import { callEnded } from "./calls.ts";
import { outsideEnded } from "./outside.ts";
import { withStage } from "./stages.ts";

export function iterated(
  state: ExecutionState,
  event: LogEventOf<"stage.iterated">,
  at: number,
): ExecutionState {
  const { context, bytes = 0 } = event.internal ?? {};
  const next = withStage(state, event, (stage) => ({
    ...callEnded(stage, event, at),
    ...outsideEnded(stage, event, at),
    phase: "interrupted",
    // The tries of an iteration are its own (I5), and so is what its agent was asked and has done wrong.
    attempt: 0,
    first_call: 0,
    contract_faults: 0,
    previous_error: null,
    reply: null,
    previous: event.data.data,
    seen: null,
    result: { ...stage.result, status: "running", attempts: 0, error: null },
  }));
  return {
    ...next,
    context: context === undefined ? next.context : { ...next.context, ...context },
    context_bytes: next.context_bytes + bytes,
    recoveriesWithoutProgress: 0,
  };
}
