// How a call waits for its agent in the fold of the log: it leaves its place among the run's stages, and is no try.
import { timeOf } from "../../time.ts";
import type { LogEventOf } from "../log-event.ts";
import type { ExecutionState, StageState } from "../state.ts";
import { withStage } from "./stages.ts";

export function queuedCall(
  state: ExecutionState,
  event: LogEventOf<"stage.queued">,
  at: number,
): ExecutionState {
  const { reason, until } = event.data;
  const next = withStage(state, event, (stage) => ({
    phase: "queued",
    displaced: true,
    first_call: 0,
    queue_reasons: reasonsAt(stage, at),
    queue: {
      reason,
      since: stage.queue?.since ?? at,
      reason_since: at,
      until: until === undefined ? null : timeOf(until),
      attempt: event.attempt,
      repeated: event.internal?.repeated === true,
    },
    result: {
      ...stage.result,
      status: "pending",
      attempts: stage.rescued === null ? event.attempt - 1 : stage.result.attempts,
    },
  }));
  return { ...next, recoveriesWithoutProgress: 0 };
}

/** A wait for the agent, where there was one, is over: the call is made, or its stage has ended. */
export function queueLeft(
  stage: StageState,
  at: number,
): Pick<StageState, "queue" | "queued" | "queue_reasons"> {
  const { queue, queued } = stage;
  return {
    queue: null,
    queued: queue === null ? queued : [...queued, [queue.since, at]],
    queue_reasons: reasonsAt(stage, at),
  };
}

function reasonsAt({ queue, queue_reasons }: StageState, at: number): StageState["queue_reasons"] {
  if (queue === null) return queue_reasons;
  const { reason, reason_since } = queue;
  return { ...queue_reasons, [reason]: (queue_reasons[reason] ?? 0) + Math.max(0, at - reason_since) };
}
